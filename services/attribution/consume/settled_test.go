package consume

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/postgres"
	"github.com/touchline/touchline/services/attribution/postgres/dbsqlc"
	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/internal/stream"
)

// noted is a store that notes what each transaction did about rows of batches, and may
// refuse one.
type noted struct {
	Store
	mu     sync.Mutex
	rows   []string // "+n" a batch came, "-n" it went, "|" was committed
	refuse func(row string) error
}

func (n *noted) InTx(ctx context.Context, work func(ctx context.Context, tx Tx) error) error {
	var rows []string
	err := n.Store.InTx(ctx, func(ctx context.Context, tx Tx) error {
		rows = nil
		return work(ctx, &notedTx{Tx: tx, rows: &rows, refuse: n.refuse})
	})
	n.mu.Lock()
	defer n.mu.Unlock()
	if err == nil && len(rows) > 0 {
		n.rows = append(append(n.rows, rows...), "|")
	}
	return err
}

func (n *noted) all() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.rows)
}

type notedTx struct {
	Tx
	rows   *[]string
	refuse func(row string) error
}

func (t *notedTx) note(row string) error {
	*t.rows = append(*t.rows, row)
	if t.refuse != nil {
		return t.refuse(row)
	}
	return nil
}

func (t *notedTx) BatchInsert(ctx context.Context, arg dbsqlc.BatchInsertParams) (int64, error) {
	if err := t.note(fmt.Sprint("+", arg.Batch)); err != nil {
		return 0, err
	}
	return t.Tx.BatchInsert(ctx, arg)
}

func (t *notedTx) BatchDelete(ctx context.Context, arg dbsqlc.BatchDeleteParams) error {
	if err := t.note(fmt.Sprint("-", arg.Batch)); err != nil {
		return err
	}
	return t.Tx.BatchDelete(ctx, arg)
}

// While batches follow on each other the row of each goes with the next; the last one's goes
// when nothing more comes.
func TestConsumer_rowsOfSettledBatchesGoWithTheNext(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.append(t, traffic(60)...)
	store := &noted{Store: NewStore(r.pool)}
	stop := start(t, r.consumer(t, func(c *Config, p *Parts) {
		p.Store, c.StaleAfter = store, c.MinIdle*100
	}))
	until(t, "all to be at rest", func() bool {
		return r.sums(t).inflight == 0 && r.number(t, "select count(*) from fact") > 0 && r.number(t, "select count(*) from batch") == 0
	})
	stop()
	want := []string{"+1", "|", "+2", "-1", "|", "+3", "-2", "|", "-3", "|"}
	if got := store.all(); !slices.Equal(got, want) {
		t.Errorf("transactions %v, want %v", got, want)
	}
}

// A worker that ends leaves no row of a batch that it has settled.
func TestConsumer_leavesNoRowOfASettledBatch(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	l := newLane(r.consumer(t, nil), 1)
	l.settled = r.written(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	l.run(ctx)
	if n := r.number(t, "select count(*) from batch"); n != 0 {
		t.Errorf("%d rows are left", n)
	}
}

// Where a row can not be deleted the next batch is stored without it, and the row is left
// for the chores.
func TestConsumer_aRowThatCannotGoHoldsNothingUp(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	stuck := errors.New("stuck")
	store := &noted{Store: NewStore(r.pool), refuse: func(row string) error {
		if row[0] == '-' {
			return fmt.Errorf("%w: %w", postgres.ErrUnavailable, stuck)
		}
		return nil
	}}
	l := newLane(r.consumer(t, func(_ *Config, p *Parts) { p.Store = store }), 1)
	l.rename(t.Context())
	l.settled = r.written(t)
	hits := traffic(3)
	items := make([]*item, len(hits))
	for n, h := range hits {
		items[n] = newItem(entryOf(t, h, int64(n+1)), l.parts.Digests)
	}
	if err := l.attempt(t.Context(), items); !errors.Is(err, stuck) {
		t.Fatalf("%v, want the row to be in the way", err)
	}
	if err := l.attempt(t.Context(), items); err != nil {
		t.Fatal(err)
	}
	if n := r.number(t, "select count(*) from fact"); n == 0 {
		t.Error("nothing was stored")
	}
	start(t, r.consumer(t, nil))
	until(t, "the chores to delete the rows", func() bool { return r.number(t, "select count(*) from batch") == 0 })
}

// written is a batch of shard 1 that was committed, and settled.
func (r *rig) written(t *testing.T) []stream.Batch {
	t.Helper()
	ring := newRing(t)
	c := r.consumer(t, nil)
	one := order("written", noon, "1")
	did, err := place{store: NewStore(r.pool), seal: ring}.write(t.Context(), name{consumer: c.parts.Reader.Consumer(), shard: 1, number: 1}, []*item{newItem(entryOf(t, one, 1000), ring)})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.parts.Reader.Settle(t.Context(), did.batch); err != nil {
		t.Fatal(err)
	}
	return []stream.Batch{did.batch}
}

// entryOf is a hit as shard 1 hands it out.
func entryOf(t *testing.T, h hit.Hit, number int64) stream.Entry {
	t.Helper()
	payload, err := hit.Encode(nil, &h)
	if err != nil {
		t.Fatal(err)
	}
	return stream.Entry{
		ID: fmt.Sprint(number, "-1"), Shard: 1, Field: h.Workspace.String() + "/" + h.Fact.Source.String(), Payload: payload, Deliveries: 1,
		Receipt: hit.Receipt{Epoch: edge, Shard: 1, Number: number},
	}
}

// edge is the epoch of the entries that entryOf makes.
var edge = uuid.MustParse("30000000-0000-0000-0000-000000000001")
