package redistest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/touchline/touchline/services/internal/freeport"
)

// Server is a redis-server of a test's own, which it may kill. It writes every command
// to disk before it answers.
type Server struct {
	URL string // redis://…, also while it is down

	t     testing.TB
	dir   string
	port  string
	cmd   *exec.Cmd
	ended chan struct{} // closed when cmd has ended
}

// Own starts a server that ends with the test. Without a redis-server on the PATH the
// test is skipped.
func Own(t testing.TB) *Server {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("skipped: there is no redis-server on the PATH, and this test kills one of its own")
	}
	port, err := freeport.Port() // nobody takes it while the server is down
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{t: t, dir: t.TempDir(), port: strconv.Itoa(port)}
	s.URL = "redis://" + net.JoinHostPort("127.0.0.1", s.port)
	t.Cleanup(s.Kill)
	s.Start()
	return s
}

// Start starts the server, with what it had on disk, and waits until it answers.
func (s *Server) Start() {
	s.t.Helper()
	if err := s.start(); err != nil {
		s.t.Fatal(err)
	}
}

func (s *Server) start() error {
	s.cmd = exec.CommandContext(context.Background(), "redis-server", "--bind", "127.0.0.1", "--port", s.port, "--dir", s.dir,
		"--appendonly", "yes", "--appendfsync", "always", "--save", "", "--logfile", "redis.log")
	if err := s.cmd.Start(); err != nil {
		s.cmd = nil
		return err
	}
	s.ended = make(chan struct{})
	go func(cmd *exec.Cmd, ended chan struct{}) {
		_ = cmd.Wait() // how it ended is in its log
		close(ended)
	}(s.cmd, s.ended)
	opts, err := redis.ParseURL(s.URL)
	if err != nil {
		return err
	}
	client := redis.NewClient(opts)
	defer func() { _ = client.Close() }()
	for deadline := time.After(30 * time.Second); client.Ping(context.Background()).Err() != nil; {
		select {
		case <-s.ended:
			return fmt.Errorf("the redis-server of this test ended by itself:\n%s", s.said())
		case <-deadline:
			return fmt.Errorf("the redis-server of this test does not answer after 30 s:\n%s", s.said())
		case <-time.After(5 * time.Millisecond):
		}
	}
	return nil
}

// said is what the server wrote to its log.
func (s *Server) said() string {
	text, err := os.ReadFile(filepath.Join(s.dir, "redis.log"))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Kill ends the server as a power cut does.
func (s *Server) Kill() {
	if s.cmd != nil {
		_ = s.cmd.Process.Kill()
		<-s.ended
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
