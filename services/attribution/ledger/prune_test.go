package ledger

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
)

// marks is how many epochs and consumers Redis' books of all shards name.
func (r *rig) marks() (epochs, consumers int) {
	r.t.Helper()
	books, err := r.sides.Probe.Books(context.Background())
	if err != nil {
		r.t.Fatal(err)
	}
	for _, b := range books {
		epochs, consumers = epochs+len(b.Appended), consumers+len(b.Settled)
	}
	return epochs, consumers
}

// prune is one turn of it.
func (r *rig) prune(at time.Time) (n int) {
	r.t.Helper()
	until(r.t, "its turn to prune", func() bool {
		var err error
		if n, err = r.sides.Prune(r.t.Context(), at); err != nil {
			r.t.Fatal(err)
		}
		return n > 0
	})
	return n
}

// Marks of edges and consumers that are gone leave the books when nothing depends on them
// any more, and not before; what comes after is right nevertheless.
func TestSides_Prune(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for edge := range 3 { // each start leaves a mark
		if edge > 0 {
			r.edge()
		}
		r.append(orders(fmt.Sprint("e", edge), 3)...)
		stop := r.worker()
		r.drained()
		stop()
	}
	r.edge()
	lost := r.append(orders("lost", 2)...) // of an edge that is not complete
	r.delete(lost)
	stop := r.worker()
	r.drained()
	r.derived()
	stop()
	r.search()
	epochs, consumers := r.marks()
	now := time.Now().UTC()
	if n, err := r.sides.Prune(t.Context(), now); n != 0 || err != nil {
		t.Fatalf("pruned %d of today, %v", n, err)
	}
	// The terms of one consumer are not folded.
	r.exec(`delete from ledger_batch`)
	books, err := r.sides.Probe.Books(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for consumer := range books[lost.Shard].Settled {
		r.exec(`insert into ledger_batch values ($1, $2, $3, 1, $4, now(), 0, 0, 0, 0)`, shop, consumer, lost.Shard, site)
		break
	}
	n := r.prune(now.Add(2 * consumerGone))
	if e, c := r.marks(); e != epochs || c != 1 || n != consumers-1 {
		t.Errorf("after two days %d epochs and %d consumers are left of %d and %d", e, c, epochs, consumers)
	}
	r.exec(`delete from ledger_batch where consumer <> $1`, uuid.Nil)
	r.prune(now.Add(2 * epochGone))
	if e, c := r.marks(); e != 1 || c != 0 {
		t.Errorf("after two months %d epochs are left, of which only one lacks something, and %d consumers", e, c)
	}
	if gaps := r.search(); len(gaps.Behind) > 0 || gaps.Open != 1 {
		t.Errorf("a mark that was pruned is taken for lost data: %+v", gaps)
	}
	r.worker()
	r.append(orders("after", 3)...)
	r.drained()
	r.derived()
	r.writeOff(lost.Shard, 1)
	until(t, "the batch to be settled", func() bool { return r.number("select count(*) from batch") == 0 })
	if report := r.check(); !report.Right {
		t.Errorf("%+v", report)
	}
	if n := r.number("select count(*) from fact"); n != 13 {
		t.Errorf("%d facts", n)
	}
}
