package ledger

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/postgres"
	"github.com/touchline/touchline/services/internal/hit"
)

// check is one check of the books.
func (r *rig) check() Report {
	r.t.Helper()
	return inTime(r, func() (Report, error) { return r.sides.Check(r.t.Context(), time.Now().UTC()) })
}

// inTime asks again when the books took too long to read.
func inTime[T any](r *rig, ask func() (T, error)) T {
	r.t.Helper()
	for {
		answer, err := ask()
		if err == nil {
			return answer
		}
		if !errors.Is(err, errSlow) {
			r.t.Fatal(err)
		}
	}
}

// derived does what derive does for the books: it moves the terms that wait.
func (r *rig) derived() {
	r.t.Helper()
	r.exec(`with gone as (delete from touched returning *)
		insert into ledger (workspace_id, source_id, hour, shard, stored, duplicate, conflict)
		select workspace_id, source_id, hour, shard, count(*) filter (where term = 'stored'), count(*) filter (where term = 'duplicate'), count(*) filter (where term = 'conflict')
		from gone group by 1, 2, 3, 4
		on conflict (workspace_id, source_id, hour, shard) do update set stored = ledger.stored + excluded.stored,
		duplicate = ledger.duplicate + excluded.duplicate, conflict = ledger.conflict + excluded.conflict`)
}

// writeOff writes off what a shard has lost, when nobody else is at it.
func (r *rig) writeOff(shard int, want int64) {
	r.t.Helper()
	until(r.t, "its turn to write off", func() bool {
		gone, err := r.sides.WriteOff(r.t.Context(), shard, "me", time.Now().UTC())
		if errors.Is(err, ErrBusy) {
			return false
		}
		if err != nil || hits(gone) != want {
			r.t.Fatalf("wrote off %v, %v, want %d", gone, err, want)
		}
		return true
	})
}

// What is right is called right, under load too; each count that is changed behind the
// books' back is found, and called by its name.
func TestSides_Check(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	bad := order("bad")
	bad.Rejection = &hit.Rejection{Reason: "bad_event", Raw: []byte("{}")}
	r.append(append(orders("a", 30), bad, order("a1"), order("a2"))...)
	stop := r.worker()
	for range 3 {
		if report := r.check(); !report.Right {
			t.Fatalf("under load: %+v", report)
		}
	}
	r.drained()
	stop()
	r.derived()
	report := r.check()
	if !report.Right || report.Total.Accepted != 33 || report.Total.Rejected != 1 || report.Total.Stored != 30 || report.Total.Pending != 0 {
		t.Fatalf("%+v", report)
	}
	var text strings.Builder
	if err := report.WriteText(&text); err != nil || !strings.Contains(text.String(), "the books balance") {
		t.Errorf("%s %v", text.String(), err)
	}

	field := shop.String() + "/" + site.String()
	for what, change := range map[string][2]func(){
		"facts": {
			func() {
				r.exec("update fact set workspace_id = gen_random_uuid() where fact_id = (select fact_id from fact order by fact_id limit 1)")
			},
			func() { r.exec("update fact set workspace_id = $1", shop) },
		},
		"the quarantine": {func() { r.exec("update quarantine set replayed_at = now()") }, func() { r.exec("update quarantine set replayed_at = null") }},
		"receipts against": {
			func() { r.exec("insert into receipt values ($1, 1, '{[1,3)}', now())", uuid.Nil) },
			func() {
				r.exec("delete from receipt where epoch = $1", uuid.Nil)
				r.exec("delete from sequence where epoch = $1", uuid.Nil)
			},
		},
		"accepted against": {
			func() { r.client.HIncrBy(t.Context(), r.books(0), "accepted:"+field, 1) },
			func() { r.client.HIncrBy(t.Context(), r.books(0), "accepted:"+field, -1) },
		},
		"in flight": {
			func() { r.client.HIncrBy(t.Context(), r.books(0), "inflight:"+field, 1) },
			func() { r.client.HIncrBy(t.Context(), r.books(0), "inflight:"+field, -1) },
		},
		"wait to be settled": {
			func() {
				r.exec("insert into batch values ($1, 0, 1, '{}', '{}', now() - interval '2 minutes')", uuid.Nil)
			},
			func() { r.exec("delete from batch") },
		},
	} {
		change[0]()
		found := false
		for _, d := range r.check().Differences {
			found = found || strings.Contains(d.What, what)
		}
		if !found {
			t.Errorf("%s: %+v", what, r.check().Differences)
		}
		change[1]()
		if report := r.check(); !report.Right {
			t.Fatalf("after %s was mended: %+v", what, report)
		}
	}
}

// While somebody else searches for lost hits all the time, a check says that it has not.
func TestSides_Check_withoutASearch(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	err := r.pool.InTx(t.Context(), postgres.ReadCommitted, func(ctx context.Context, tx *postgres.Tx) error {
		if held, err := tx.TryLock(ctx, "sequence"); !held || err != nil {
			t.Fatalf("lock: %t, %v", held, err)
		}
		if report := r.check(); !report.Right || len(report.Skipped) != 1 || !strings.Contains(report.Skipped[0], "search for lost hits") {
			t.Errorf("%+v", report)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// What was lost stays pending until it is written off: then it is rejected, the books
// balance, nothing is pending, and the alarm ends.
func TestSides_WriteOff(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	other := uuid.New()
	foreign := orders("o", 3)
	for i := range foreign {
		foreign[i].Fact.Source = other
	}
	receipt := r.append(append(orders("a", 5), foreign...)...)
	for _, n := range []int64{2, 3, 7} { // two of the site, one of the other source
		lost := receipt
		lost.Number = n
		r.delete(lost)
	}
	r.writeOff(receipt.Shard, 0) // not searched for yet: nobody may be taken for lost
	r.worker()
	r.drained()
	r.derived()
	report := r.check()
	if report.Right || report.Total.Pending != 3 || len(report.Lost) != 2 {
		t.Fatalf("%+v", report)
	}
	r.writeOff(receipt.Shard, 3)
	until(t, "the batch to be settled", func() bool { return r.number("select count(*) from batch") == 0 })
	report = r.check()
	if !report.Right || report.Total.Pending != 0 || report.Total.Rejected != 3 || report.Total.Accepted != 8 {
		t.Errorf("%+v", report)
	}
	if n := r.number("select count(*) from quarantine where reason = 'lost' and detail = 'written off by me' and source_id = $1", other); n != 1 {
		t.Errorf("%d of the other source in quarantine", n)
	}
	if gaps := r.search(); gaps.Open != 0 || len(gaps.Found) != 0 {
		t.Errorf("%+v", gaps)
	}
	r.writeOff(receipt.Shard, 0) // nothing is written off twice
}

// More in flight than was found lost: nobody can say whose the lost hits were, so the
// books stay as they are.
func TestSides_WriteOff_unexplained(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	receipt := r.append(orders("a", 3)...)
	r.delete(receipt)
	r.worker()
	r.drained()
	until(t, "the loss to be found", func() bool { return r.search().Open == 1 })
	field := "inflight:" + shop.String() + "/" + site.String()
	r.client.HIncrBy(t.Context(), r.books(receipt.Shard), field, 1)
	until(t, "its turn to write off", func() bool {
		gone, err := r.sides.WriteOff(t.Context(), receipt.Shard, "me", time.Now().UTC())
		if !errors.Is(err, ErrUnexplained) && !errors.Is(err, ErrBusy) || len(gone) != 0 {
			t.Fatalf("wrote off %v, %v", gone, err)
		}
		return errors.Is(err, ErrUnexplained)
	})
	r.client.HIncrBy(t.Context(), r.books(receipt.Shard), field, -1)
	r.writeOff(receipt.Shard, 1)
}

// Lost together with the books: the gap is closed, and no term changes.
func TestSides_WriteOff_lostWithTheBooks(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	receipt := r.append(orders("a", 4)...)
	r.search()
	r.lose(receipt.Shard)
	r.worker()
	if gaps := r.search(); gaps.Open != 4 {
		t.Fatalf("%+v", gaps)
	}
	r.writeOff(receipt.Shard, 4)
	if report := r.check(); !report.Right || report.Total != (Terms{}) {
		t.Errorf("%+v", report)
	}
}
