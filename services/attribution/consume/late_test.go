package consume

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/touchline/touchline/services/internal/stream"
)

// deaf is a reader that once gets entries without knowing: Redis handed them out when
// nobody waited for the answer any more.
type deaf struct {
	Reader
	lost atomic.Int64
}

func (d *deaf) Read(ctx context.Context, shard int, limit int64, block time.Duration) ([]stream.Entry, error) {
	entries, err := d.Reader.Read(ctx, shard, limit, block)
	if len(entries) > 0 && d.lost.CompareAndSwap(0, int64(len(entries))) {
		return nil, err
	}
	return entries, err
}

// A worker that is alone finds what it was given without knowing. Found by the simulation.
func TestConsumer_TakesOverFromItself(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.append(t, order("a", noon, "1"), order("b", noon, "2"))
	var reader *deaf
	start(t, r.consumer(t, func(_ *Config, p *Parts) {
		reader = &deaf{Reader: p.Reader}
		p.Reader = reader
	}))
	until(t, "all that was appended", func() bool { return r.number(t, "select count(*) from fact") == 2 })
	if reader.lost.Load() == 0 {
		t.Fatal("nothing was handed out without its knowing")
	}
}
