package redistest

import (
	"context"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// Server is a redis-server of a test's own, which it may kill. It writes every command
// to disk before it answers.
type Server struct {
	URL string // redis://…, also while it is down

	t    testing.TB
	dir  string
	port string
	cmd  *exec.Cmd
}

// Own starts a server that ends with the test. Without a redis-server on the PATH the
// test is skipped.
func Own(t testing.TB) *Server {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("skipped: there is no redis-server on the PATH, and this test kills one of its own")
	}
	s := &Server{t: t, dir: t.TempDir(), port: freePort(t)}
	s.URL = "redis://" + net.JoinHostPort("127.0.0.1", s.port)
	t.Cleanup(s.Kill)
	s.Start()
	return s
}

// Start starts the server, with what it had on disk, and waits until it answers.
func (s *Server) Start() {
	s.t.Helper()
	s.cmd = exec.CommandContext(context.Background(), "redis-server", "--bind", "127.0.0.1", "--port", s.port, "--dir", s.dir,
		"--appendonly", "yes", "--appendfsync", "always", "--save", "")
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	opts, err := redis.ParseURL(s.URL)
	if err != nil {
		s.t.Fatal(err)
	}
	client := redis.NewClient(opts)
	defer func() { _ = client.Close() }()
	for deadline := time.Now().Add(30 * time.Second); client.Ping(context.Background()).Err() != nil; {
		if time.Now().After(deadline) {
			s.t.Fatal("the redis-server of this test does not answer")
		}
		<-time.After(5 * time.Millisecond)
	}
}

// Kill ends the server as a power cut does.
func (s *Server) Kill() {
	if s.cmd != nil {
		_ = s.cmd.Process.Kill()
		_, _ = s.cmd.Process.Wait()
		s.cmd = nil
	}
}

// Logged is how many bytes of commands are on disk.
func (s *Server) Logged() int64 {
	s.t.Helper()
	info, err := os.Stat(s.log())
	if err != nil {
		s.t.Fatal(err)
	}
	return info.Size()
}

// Cut forgets what was logged behind a length that Logged said. The server must be down.
func (s *Server) Cut(length int64) {
	s.t.Helper()
	if err := os.Truncate(s.log(), length); err != nil {
		s.t.Fatal(err)
	}
}

// log is the file with the newest commands.
func (s *Server) log() string {
	s.t.Helper()
	files, err := filepath.Glob(filepath.Join(s.dir, "appendonlydir", "*.incr.aof"))
	if err != nil || len(files) != 1 {
		s.t.Fatalf("%d logs of redis: %v", len(files), err)
	}
	return files[0]
}

// freePort lies below those of outgoing connections, any of which could take it while
// Redis is down.
func freePort(t testing.TB) string {
	t.Helper()
	for range 100 {
		port := strconv.Itoa(20000 + rand.IntN(12000))
		if l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port)); err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatal("none of 100 ports is free")
	return ""
}
