//go:build linux

package faults

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/touchline/touchline/services/internal/freeport"
)

func local(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// databaseAccount is who PostgreSQL runs as: it refuses to be root.
func databaseAccount() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, errUser := strconv.ParseUint(u.Uid, 10, 32)
		gid, errGroup := strconv.ParseUint(u.Gid, 10, 32)
		if errUser == nil && errGroup == nil {
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
		}
	}
	return nil, errors.New("PostgreSQL does not run as root, and there is neither a user postgres nor nobody")
}

// postgresBin finds the folder of PostgreSQL's programs, the newest first.
func postgresBin() (string, error) {
	var best string
	newest := 0
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin") // only a malformed pattern is an error
	for _, bin := range found {
		major, err := strconv.Atoi(filepath.Base(filepath.Dir(bin)))
		if _, gone := os.Stat(filepath.Join(bin, "postgres")); err == nil && gone == nil && major > newest {
			best, newest = bin, major
		}
	}
	if best != "" {
		return best, nil
	}
	path, err := exec.LookPath("postgres")
	return filepath.Dir(path), err
}

const databaseUser, databaseName = "touchline", "touchline"

func databaseURL(port int) string { return urlOf(port, databaseName) }

func urlOf(port int, database string) string {
	return fmt.Sprintf("postgres://%s@%s/%s?sslmode=disable", databaseUser, local(port), database)
}

// newPostgres describes a server over a data folder. It does not sync: what is tested
// is the death of processes, and the kernel keeps what they wrote. Commits are
// synchronous all the same, or they would be in the process only.
func newPostgres(dir, data string, port int, settings ...string) *process {
	args := []string{
		"-D", data, "-p", strconv.Itoa(port), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=",
		"-c", "fsync=off", "-c", "synchronous_commit=on", "-c", "shared_buffers=32MB", "-c", "timezone=UTC", "-c", "log_timezone=UTC",
	}
	for _, setting := range settings {
		args = append(args, "-c", setting)
	}
	return &process{
		name: "postgres", path: filepath.Join(suite.postgres, "postgres"), args: args, dir: data, account: suite.account,
		env: []string{"PATH=" + os.Getenv("PATH"), "TZ=UTC"}, log: filepath.Join(dir, "postgres.log"),
		ready: func(ctx context.Context) error {
			conn, err := pgx.Connect(ctx, urlOf(port, "postgres"))
			if err != nil {
				return err
			}
			return conn.Close(ctx)
		},
	}
}

// revive starts a PostgreSQL that was killed. What its dead postmaster left behind may
// live for another moment; then it refuses, and is started again.
func revive(t testing.TB, p *process) {
	t.Helper()
	eventually(t, "PostgreSQL is back", func() bool {
		if !p.alive() {
			if err := p.start(); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		return p.ready(ctx) == nil
	})
}

// initDatabase makes the data folder that every case gets a copy of.
func initDatabase(ctx context.Context, data string) error {
	if err := os.MkdirAll(data, 0o700); err != nil {
		return err
	}
	if suite.account != nil {
		if err := os.Chown(data, int(suite.account.Uid), int(suite.account.Gid)); err != nil {
			return err
		}
	}
	init := exec.CommandContext(ctx, filepath.Join(suite.postgres, "initdb"), "-D", data, "-U", databaseUser,
		"--auth=trust", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions", "--wal-segsize=1")
	init.SysProcAttr = &syscall.SysProcAttr{Credential: suite.account}
	init.Dir, init.Env = data, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + data, "TZ=UTC"}
	if out, err := init.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	port, err := freeport.Port()
	if err != nil {
		return err
	}
	server := newPostgres(suite.dir, data, port)
	if err := server.start(); err != nil {
		return err
	}
	defer server.end(syscall.SIGINT)
	if err := server.await(ctx); err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, urlOf(port, "postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "create database "+databaseName); err != nil {
		return err
	}
	migrate := exec.CommandContext(ctx, suite.binary("attribution"), "migrate")
	migrate.Env = append(suite.keys(), "DATABASE_URL="+databaseURL(port))
	if out, err := migrate.CombinedOutput(); err != nil {
		return fmt.Errorf("migrate: %w\n%s", err, out)
	}
	return nil
}

// newRedis describes a server as everything we ship has it: every write on disk before
// it is answered, and nothing thrown away.
func newRedis(dir string, port int) *process {
	return &process{
		name: "redis", path: suite.redis, dir: filepath.Join(dir, "redis"), log: filepath.Join(dir, "redis.log"),
		args: []string{
			"--bind", "127.0.0.1", "--port", strconv.Itoa(port), "--dir", filepath.Join(dir, "redis"),
			"--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction", "--save", "",
			"--aof-load-truncated", "yes",
		},
		env: []string{"PATH=" + os.Getenv("PATH")},
		ready: func(ctx context.Context) error {
			client := redis.NewClient(&redis.Options{Addr: local(port), MaxRetries: -1})
			defer client.Close()
			return client.Ping(ctx).Err()
		},
	}
}
