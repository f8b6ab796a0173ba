package consume

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/internal/stream"
)

// Whoever read the books a moment ago must still find the terms by batch: they are
// folded only by books that are old.
func TestFolder_goesByOldBooks(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	consumer := uuid.New()
	var id uuid.UUID
	r.scan(t, `insert into ledger_batch (workspace_id, consumer, shard, batch, source_id, hour, stored)
		select '`+shop.String()+`', '`+consumer.String()+`', 1, n, '`+site.String()+`', '2026-05-04T12:00Z', n from generate_series(1, 3) n returning consumer`, &id)
	books := []stream.ShardBooks{{Shard: 0}, {Shard: 1, Settled: map[uuid.UUID]int64{consumer: 2}}}
	fold := func(f *folder, after time.Duration) {
		c := r.consumer(t, func(cfg *Config, p *Parts) { cfg.FoldAfter = after })
		c.parts.Books = func(context.Context) ([]stream.ShardBooks, error) { return books, nil }
		if err := f.fold(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	var f folder
	for range 3 {
		fold(&f, time.Hour)
	}
	if n := r.number(t, "select count(*) from ledger"); n != 0 {
		t.Error("folded by books that are new")
	}
	for range 2 {
		fold(&f, time.Nanosecond)
	}
	if n := r.number(t, "select sum(stored)::bigint from ledger"); n != 1+2 {
		t.Errorf("folded %d, want the terms of batches 1 and 2", n)
	}
	if n := r.number(t, "select sum(stored)::bigint from ledger_batch"); n != 3 {
		t.Errorf("%d terms left, want those of batch 3, which is not settled", n)
	}
}
