package stream

import (
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/internal/redistest"
)

// TestWriter_RedisKilled kills Redis again and again while hits are appended.
func TestWriter_RedisKilled(t *testing.T) {
	t.Parallel()
	redis := redistest.Own(t)
	client, err := NewWriterClient(redis.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	s := server{client: client, cfg: Config{
		Shards: 2, Timeout: 500 * time.Millisecond, attempt: 100 * time.Millisecond, Logger: slog.New(slog.DiscardHandler),
	}}

	w := newWriter(t, client, s.cfg, uuid.New())
	stop, acked := make(chan struct{}), &ledger{ids: map[hit.Receipt]string{}}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { acked.appendUntil(stop, w) })
	}
	for range 4 {
		before := acked.count()
		eventually(t, "hits are acknowledged", func() bool { return acked.count() > before+100 })
		redis.Kill()
		eventually(t, "the writer notices", func() bool { return errors.Is(w.Ready(), ErrUnavailable) })
		redis.Start()
	}
	eventually(t, "the writer is ready", func() bool { return w.Ready() == nil })
	close(stop)
	wg.Wait()
	if err := w.Close(t.Context()); err != nil {
		t.Fatalf("close: %v", err)
	}
	acked.check(t, s, w)
}
