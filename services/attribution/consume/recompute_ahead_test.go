package consume

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/derive"
	"github.com/touchline/touchline/services/attribution/postgres"
	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/internal/stream"
)

// aheadStore is a store that says when something is read ahead.
type aheadStore struct {
	derive.Store
	before, after func() error
}

func (r aheadStore) Load(ctx context.Context, workspace uuid.UUID, facts []uuid.UUID) ([]hit.Fact, error) {
	if err := r.before(); err != nil {
		return nil, err
	}
	list, err := r.Store.Load(ctx, workspace, facts)
	return list, errors.Join(err, r.after())
}

func (r aheadStore) Stock(ctx context.Context, workspace uuid.UUID, facts []uuid.UUID, most int) (derive.Stock, error) {
	if err := r.before(); err != nil {
		return nil, err
	}
	stock, err := r.Store.Stock(ctx, workspace, facts, most)
	return stock, errors.Join(err, r.after())
}

func nothing() error { return nil }

// earlier are hits that tell of the same facts, one hour before and trusted more: of each
// fact another copy wins.
func earlier(t *testing.T, entries []stream.Entry) []stream.Entry {
	t.Helper()
	fresh := again(entries)
	for i := range fresh {
		h, err := hit.Decode(fresh[i].Payload)
		if err != nil {
			t.Fatal(err)
		}
		h.Fact.At -= 3600 * 1_000_000
		h.Fact.Trust = hit.TrustWebhook
		if fresh[i].Payload, err = hit.Encode(nil, &h); err != nil {
			t.Fatal(err)
		}
	}
	return fresh
}

// Facts change while what comes next has been read and derived, or is about to be: what
// was concluded from since is not written once more, nor as it was.
func TestRecompute_readsAheadOfChanges(t *testing.T) {
	t.Parallel()
	type when struct {
		late  bool
		stock int
	}
	for name, c := range map[string]when{
		"before it is read": {}, "after it was read": {late: true}, "before it is in stock": {stock: 40}, "after it was in stock": {late: true, stock: 40},
		"before all is in stock": {stock: 10_000}, "after all was in stock": {late: true, stock: 10_000},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(14, 7))
			entries := busyWeek(t, random)[:120]
			d := newTable(t)
			d.settled(t, random, entries)
			d.publish(t)
			var reading sync.Mutex
			reads := 0
			change := func() error {
				reading.Lock()
				defer reading.Unlock()
				if reads++; reads == 1 {
					fresh := earlier(t, entries)
					deliver(t, d.database, d.ring, fresh, []int{len(fresh), len(fresh)})
				}
				return nil
			}
			store := aheadStore{Store: postgres.NewDeriveStore(d.pool, d.ring), before: change, after: nothing}
			if c.late {
				store.before, store.after = nothing, change
			}
			cfg := d.turns()
			cfg.StockFacts = max(c.stock, 1) // one never pays
			d.until(t, derive.New(store, cfg), stillBuilt)
			if reads < 1 || d.number(t, stillTouched) > 0 {
				t.Fatalf("%d times something was read ahead: the test shows nothing", reads)
			}
			after := d.live(t)
			if found := d.recompute(t, false); !found.Equal {
				t.Errorf("%+v\n%s", found.Comparison.Parts, cmp.Diff(after, d.live(t)))
			}
		})
	}
}

// Where nothing can be read ahead the build goes on without.
func TestRecompute_withoutReadingAhead(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(15, 7))
	d := newTable(t)
	d.settled(t, random, busyWeek(t, random)[:60])
	var refused atomic.Int32
	deriver := derive.New(aheadStore{
		Store: postgres.NewDeriveStore(d.pool, d.ring), after: nothing,
		before: func() error { refused.Add(1); return postgres.ErrUnavailable },
	}, d.turns())
	if found := d.recomputeWith(t, deriver, false); !found.Equal || refused.Load() == 0 {
		t.Errorf("%+v, %d refused", found, refused.Load())
	}
}

// A workspace that is erased while its facts are read ahead is gone for good.
func TestRecompute_erasedWhileReadAhead(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(16, 7))
	d := newTable(t)
	d.settled(t, random, busyWeek(t, random)[:60])
	d.publish(t)
	read := make(chan struct{}, 100)
	deriver := derive.New(aheadStore{
		Store: postgres.NewDeriveStore(d.pool, d.ring), before: nothing, after: func() error { read <- struct{}{}; return nil },
	}, d.turns())
	d.until(t, deriver, nothingBuilt)
	<-read
	if _, err := d.pool.WorkspaceErase(t.Context(), shop); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := deriver.Workspace(t.Context(), shop); err != nil {
			t.Fatal(err)
		}
	}
	if n := d.number(t, `select (select count(*) from conversion) + (select count(*) from credit) + (select count(*) from message) + (select count(*) from link)
		+ (select count(*) from rollup_credit) + (select count(*) from rollup_message) + (select count(*) from claim) + (select count(*) from identifier_person)`); n != 0 {
		t.Errorf("%d rows of a workspace that is gone", n)
	}
}
