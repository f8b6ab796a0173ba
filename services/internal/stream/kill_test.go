package stream

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/internal/hit"
)

// startRedis runs a redis-server of the test's own that writes every command to
// disk before it answers.
func startRedis(t *testing.T, dir, port string) *exec.Cmd {
	t.Helper()
	program, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("skipped: there is no redis-server on the PATH, and this test kills one of its own")
	}
	cmd := exec.Command(program, "--bind", "127.0.0.1", "--port", port, "--dir", dir,
		"--appendonly", "yes", "--appendfsync", "always", "--save", "")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_, _ = cmd.Process.Wait()
	})
	return cmd
}

// freePort lies below those of outgoing connections, any of which could take it while
// Redis is down.
func freePort(t *testing.T) string {
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

// TestWriter_RedisKilled kills Redis again and again while hits are appended.
func TestWriter_RedisKilled(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	dir := t.TempDir()
	cmd := startRedis(t, dir, port)

	client, err := NewWriterClient("redis://127.0.0.1:" + port)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	s := server{client: client, cfg: Config{
		Shards: 2, Timeout: 100 * time.Millisecond, attempt: 50 * time.Millisecond, Logger: slog.New(slog.DiscardHandler),
	}}
	answers := func() bool { return client.Ping(context.Background()).Err() == nil }
	eventually(t, "Redis answers", answers)

	w := newWriter(t, client, s.cfg, uuid.New())
	stop, acked := make(chan struct{}), &ledger{ids: map[hit.Receipt]string{}}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { acked.appendUntil(stop, w) })
	}
	for range 4 {
		before := acked.count()
		eventually(t, "hits are acknowledged", func() bool { return acked.count() > before+100 })
		_ = cmd.Process.Kill()
		_, _ = cmd.Process.Wait()
		eventually(t, "the writer notices", func() bool { return errors.Is(w.Ready(), ErrUnavailable) })
		cmd = startRedis(t, dir, port)
		eventually(t, "Redis answers", answers)
	}
	eventually(t, "the writer is ready", func() bool { return w.Ready() == nil })
	close(stop)
	wg.Wait()
	if err := w.Close(t.Context()); err != nil {
		t.Fatalf("close: %v", err)
	}
	acked.check(t, s, w)
}
