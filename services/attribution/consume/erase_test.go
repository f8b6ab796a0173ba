package consume

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/postgres"
)

// kept counts what a workspace's hits leave behind, but for their receipts.
const kept = `select (select count(*) from fact) + (select count(*) from fact_ref) + (select count(*) from identifier) + (select count(*) from touched)`

// A batch that is being stored while its workspace is erased leaves no row behind.
func TestStore_eraseWaitsForBatches(t *testing.T) {
	t.Parallel()
	d, ring := newDatabase(t), newRing(t)
	entries := world(t, rand.New(rand.NewPCG(1, 1)), uuid.New())
	items := make([]*item, len(entries))
	for i, e := range entries {
		items[i] = newItem(e, ring)
	}
	erased, activity := make(chan error, 1), d.Pool(t, "") // the login's own role may look at others
	waits := func() (waiting bool) {
		err := activity.QueryRow(context.Background(), `select exists (select from pg_stat_activity where wait_event_type = 'Lock' and query like '-- name: Workspace%')`).Scan(&waiting)
		return waiting && err == nil
	}
	err := d.pool.InTx(t.Context(), postgres.ReadCommitted, func(ctx context.Context, tx *postgres.Tx) error {
		w := &writer{ctx: ctx, tx: tx, name: name{consumer: uuid.New(), number: 1}, seal: ring, books: make(books)}
		w.result.terms = make(map[term]int64)
		if err := w.write(items); err != nil {
			return err
		}
		go func() {
			_, err := d.pool.WorkspaceErase(context.Background(), shop)
			erased <- err
		}()
		until(t, "the erasure to wait or to be over", func() bool {
			return len(erased) > 0 || waits()
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-erased; err != nil {
		t.Fatal(err)
	}
	if n := d.number(t, kept); n != 0 {
		t.Errorf("%d rows of a workspace that is gone", n)
	}
}

// Hits of a workspace that is being erased do not wait for it: they are refused.
func TestStore_refusesWhatIsBeingErased(t *testing.T) {
	t.Parallel()
	d, ring := newDatabase(t), newRing(t)
	entries := world(t, rand.New(rand.NewPCG(2, 1)), uuid.New())
	err := d.pool.InTx(t.Context(), postgres.ReadCommitted, func(ctx context.Context, tx *postgres.Tx) error {
		if err := tx.WorkspaceClose(ctx, shop); err != nil {
			return err
		}
		deliver(t, d, ring, entries, []int{len(entries), 1})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := d.number(t, kept); n != 0 {
		t.Errorf("%d rows of a workspace that is being erased", n)
	}
	if n := d.number(t, "select sum(rejected) from ledger_batch"); n != int64(len(entries)) {
		t.Errorf("%d rejected, want all %d", n, len(entries))
	}
}
