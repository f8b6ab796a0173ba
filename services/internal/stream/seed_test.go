package stream

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

// Books that Redis lost are begun anew from the ledger, once, before anything is
// read, and what was appended meanwhile counts on top.
func TestReader_BeginsLostBooks(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, s server) {
		s.cfg.Shards = 1
		consumer := uuid.New()
		asked := 0
		hits := newHits(2)
		field := hits[0].Workspace.String() + "/" + hits[0].Fact.Source.String()
		s.cfg.Recover = func(_ context.Context, shard int, apply func(Seed) error) error {
			asked++
			return apply(Seed{Accepted: map[string]int64{field: 40}, Settled: map[uuid.UUID]int64{consumer: 7}})
		}
		mustAppend(t, s.writer(t, s.client), hits)
		for range 2 { // the second finds the books begun
			mustRead(t, s.reader(), 0, 0)
		}
		books, err := ReadBooks(t.Context(), s.client, s.cfg)
		if err != nil {
			t.Fatal(err)
		}
		if got := books[0].Accepted[field]; got != 42 || asked != 1 {
			t.Errorf("accepted %d after asking %d times, want 42 after asking once", got, asked)
		}
		if diff := cmp.Diff(map[uuid.UUID]int64{consumer: 7}, books[0].Settled); diff != "" {
			t.Errorf("settled (-want +got):\n%s", diff)
		}
	})
}
