package server

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/touchline/touchline/services/devstack/child"
)

func (s *Stack) startRedis(ctx context.Context, at place, opts Options) error {
	path, ok := redisProgram()
	if opts.Embedded || !ok {
		if len(opts.Redis) > 0 {
			opts.Say("Redis: its settings are left out, miniredis has none")
		}
		return s.startMiniredis(at)
	}
	opts.Say("Redis: " + filepath.Base(path) + " of this machine, private (" + path + ")")
	data, err := at.folder("redis")
	if err != nil {
		return err
	}
	pidFile := filepath.Join(data, "redis.pid")
	if err := child.EndStale(pidFile, filepath.Base(path), syscall.SIGTERM); err != nil {
		return err
	}
	port, err := at.memory.port(&at.memory.RedisPort)
	if err != nil {
		return err
	}
	settings, err := redisSettings(opts.Redis)
	if err != nil {
		return err
	}
	config := filepath.Join(data, "redis.conf")
	if err := os.WriteFile(config, []byte(redisConfig(data, pidFile, port, at.memory.Password)+settings), 0o600); err != nil {
		return err
	}
	if err := at.account.Own(config); err != nil {
		return err
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	c, err := child.Start(ctx, child.Spec{
		Name: "redis", Path: path, Args: []string{config},
		Env: []string{"PATH=" + os.Getenv("PATH")}, Dir: data,
		Log: filepath.Join(at.logs, "redis.log"), Account: at.account, Grace: 10 * time.Second, Note: at.say,
		Ready: func(ctx context.Context) error { return ping(ctx, address, at.memory.Password) },
	})
	if err != nil {
		return err
	}
	s.stops = append(s.stops, c.Stop)
	s.RedisURL = redisURL(address, at.memory.Password)
	return nil
}

// redisProgram finds a Redis server, or Valkey, which speaks the same.
func redisProgram() (string, bool) {
	for _, name := range []string{
		"redis-server", "valkey-server", "/usr/bin/redis-server", "/opt/homebrew/bin/redis-server",
		"/usr/local/bin/redis-server", "/opt/homebrew/bin/valkey-server",
	} {
		if path, err := exec.LookPath(name); err == nil {
			return path, true
		}
	}
	return "", false
}

// redisConfig is a Redis that loses nothing it acknowledged and evicts nothing:
// the stream between the services lives in it. The password keeps other users of
// this machine out; it stands in a file because a command line is public.
func redisConfig(data, pidFile string, port int, password string) string {
	return strings.Join([]string{
		"bind 127.0.0.1", fmt.Sprintf("port %d", port), "protected-mode yes", "daemonize no",
		fmt.Sprintf("dir %q", data), fmt.Sprintf("pidfile %q", pidFile), "requirepass " + password,
		"appendonly yes", "appendfsync always", "maxmemory-policy noeviction", `save ""`, "",
	}, "\n")
}

// redisSettings are those of the caller, NAME=VALUE, as a file has them. Behind the others
// they win: Redis takes the last of a name.
func redisSettings(settings []string) (string, error) {
	var text strings.Builder
	for _, setting := range settings {
		name, value, found := strings.Cut(setting, "=")
		if !found || name == "" {
			return "", fmt.Errorf("setting of Redis %q: want NAME=VALUE", setting)
		}
		fmt.Fprintf(&text, "%s %s\n", name, value)
	}
	return text.String(), nil
}

func redisURL(address, password string) string {
	return fmt.Sprintf("redis://default:%s@%s/0", password, address)
}

// ping logs in to a Redis and waits until it has loaded its data.
func ping(ctx context.Context, address, password string) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	if _, err := fmt.Fprintf(conn, "AUTH %s\r\nPING\r\n", password); err != nil {
		return err
	}
	in := bufio.NewReader(conn)
	for _, want := range []string{"+OK", "+PONG"} {
		line, err := in.ReadString('\n')
		if err != nil {
			return err
		}
		if strings.TrimSpace(line) != want {
			return fmt.Errorf("redis: %s", strings.TrimSpace(line))
		}
	}
	return nil
}
