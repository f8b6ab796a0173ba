package server_test

import (
	"bufio"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/touchline/touchline/services/devstack/server"
)

// The servers are started in a process of their own, which the test can kill:
// this test binary, called again with this set to the folder.
const rehearsal = "TOUCHLINE_TEST_SERVERS_IN"

func TestMain(m *testing.M) {
	if dir := os.Getenv(rehearsal); dir != "" {
		os.Exit(holdServers(dir))
	}
	os.Exit(m.Run())
}

// holdServers starts servers, says where they are, and holds them until its
// standard input ends.
func holdServers(dir string) int {
	stack, err := server.Start(testContext(), options(dir))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Printf("up %s %s %t\n", stack.DatabaseURL, stack.RedisURL, stack.EmbeddedRedis)
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
	stack.Stop()
	return 0
}

func TestStart_DataSurvivesAKill(t *testing.T) {
	t.Parallel()
	needPrograms(t)
	dir := enterable(t)
	first := hold(t, dir, nil)
	first.redis(t, "SET kept yes", "+OK")
	first.kill(t)
	second := hold(t, dir, nil)
	second.redis(t, "GET kept", "$3")
	if second.database != first.database {
		t.Errorf("database URL after a restart: %s, before: %s", second.database, first.database)
	}
	second.stop(t)
	if _, err := net.DialTimeout("tcp", second.host(t, second.database), time.Second); err == nil {
		t.Error("PostgreSQL still listens after the end")
	}
}

func TestStart_OneAtATimeInAFolder(t *testing.T) {
	t.Parallel()
	needPrograms(t)
	dir := enterable(t)
	held := hold(t, dir, nil)
	defer held.stop(t)
	stack, err := server.Start(testContext(), options(dir))
	if err == nil {
		stack.Stop()
		t.Fatal("a second devstack started in the same folder")
	}
	if !strings.Contains(err.Error(), "already runs here") {
		t.Errorf("error = %v, want one that says that devstack runs", err)
	}
}

func TestStart_AsAnOrdinaryUser(t *testing.T) {
	t.Parallel()
	needPrograms(t)
	if os.Geteuid() != 0 {
		t.Skip("already an ordinary user: the other tests cover it")
	}
	dir := enterable(t)
	if err := os.Chown(dir, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	held := hold(t, dir, func(cmd *exec.Cmd) {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	})
	held.redis(t, "PING", "+PONG")
	held.stop(t)
}

func TestStart_FolderThatTheServersCannotEnter(t *testing.T) {
	t.Parallel()
	needPrograms(t)
	if os.Geteuid() != 0 {
		t.Skip("only root starts the servers as another user")
	}
	closed := enterable(t)
	if err := os.Chmod(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	held := hold(t, filepath.Join(closed, "inner"), nil)
	held.redis(t, "PING", "+PONG")
	held.stop(t)
	removeElsewhere(t, filepath.Join(closed, "inner"))
}

func TestStart_Embedded(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("-short: the embedded servers may have to be downloaded")
	}
	if _, err := exec.LookPath("npm"); err != nil {
		t.Skip("no npm on this machine, so no embedded PostgreSQL")
	}
	dir := enterable(t)
	embedded := func(cmd *exec.Cmd) { cmd.Env = append(cmd.Env, "TOUCHLINE_DEVSTACK=embedded") }
	held := hold(t, dir, embedded)
	if !held.embedded {
		t.Error("the stack does not say that its Redis is embedded")
	}
	held.redis(t, "SET fleeting yes PX 50", "+OK")
	held.redisUntil(t, "EXISTS fleeting", ":0") // only the ticker makes it expire
	held.kill(t)
	again := hold(t, dir, embedded)
	if again.database != held.database {
		t.Errorf("database URL after a restart: %s, before: %s", again.database, held.database)
	}
	again.stop(t)
}

func TestStart_GivenURLsAreUsedAsTheyAre(t *testing.T) {
	t.Parallel()
	opts := options("")
	opts.DatabaseURL, opts.RedisURL = "postgres://there", "redis://there"
	stack, err := server.Start(testContext(), opts)
	if err != nil {
		t.Fatal(err)
	}
	defer stack.Stop()
	if stack.DatabaseURL != opts.DatabaseURL || stack.RedisURL != opts.RedisURL || stack.EmbeddedRedis {
		t.Errorf("stack = %+v, want the URLs given", stack)
	}
}

func TestStart_SettingsOfRedis(t *testing.T) {
	t.Parallel()
	needPrograms(t)
	opts := options(enterable(t))
	opts.DatabaseURL = "postgres://there" // only Redis is started
	opts.Redis = []string{"auto-aof-rewrite-min-size=1gb", "maxmemory-policy=volatile-lru"}
	stack, err := server.Start(testContext(), opts)
	if err != nil {
		t.Fatal(err)
	}
	defer stack.Stop()
	if stack.EmbeddedRedis {
		t.Skip("the embedded Redis has no settings")
	}
	running := &held{cache: stack.RedisURL}
	for name, want := range map[string]string{"auto-aof-rewrite-min-size": "1073741824", "maxmemory-policy": "volatile-lru", "appendfsync": "always"} {
		if answer := running.answer(t, "CONFIG GET "+name, 5); answer[4] != want {
			t.Errorf("%s is %s, want %s", name, answer[4], want)
		}
	}
	opts.Dir, opts.Redis = enterable(t), []string{"maxmemory-policy"}
	if stack, err := server.Start(testContext(), opts); err == nil || !strings.Contains(err.Error(), "NAME=VALUE") {
		t.Errorf("a setting without a value: %v", err)
		if stack != nil {
			stack.Stop()
		}
	}
}

// needPrograms skips where the machine has no servers to be private instances of.
func needPrograms(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("no redis-server on this machine: the embedded test covers the rest")
	}
}

func options(dir string) server.Options {
	return server.Options{
		Dir: dir, Cache: filepath.Join(os.TempDir(), fmt.Sprintf("touchline-cache-%d", os.Geteuid())),
		Embedded: os.Getenv("TOUCHLINE_DEVSTACK") == "embedded",
		Say:      func(line string) { fmt.Fprintln(os.Stderr, line) },
	}
}

// enterable is a temporary folder every user can enter; t.TempDir is not.
func enterable(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "touchline-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// host is the address in a URL.
func (h *held) host(t *testing.T, raw string) string {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}
