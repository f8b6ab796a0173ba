package consume

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/derive"
	"github.com/touchline/touchline/services/attribution/postgres"
	"github.com/touchline/touchline/services/attribution/stock"
	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/internal/stream"
)

// aheadStore is a store that says when something is read ahead.
type aheadStore struct {
	derive.Store
	before, after func() error
	taken         func() // nil: nobody is told of what is taken from stock
	names         bool   // when persons are read, not facts
}

func (r aheadStore) Names(ctx context.Context, workspace uuid.UUID, v derive.Version, digests, devices []uuid.UUID) (derive.Current, error) {
	if !r.names {
		return r.Store.Names(ctx, workspace, v, digests, devices)
	}
	if err := r.before(); err != nil {
		return derive.Current{}, err
	}
	held, err := r.Store.Names(ctx, workspace, v, digests, devices)
	return held, errors.Join(err, r.after())
}

func (r aheadStore) Load(ctx context.Context, workspace uuid.UUID, facts []uuid.UUID) ([]hit.Fact, error) {
	if r.names {
		return r.Store.Load(ctx, workspace, facts)
	}
	if err := r.before(); err != nil {
		return nil, err
	}
	list, err := r.Store.Load(ctx, workspace, facts)
	return list, errors.Join(err, r.after())
}

func (r aheadStore) Stock(ctx context.Context, workspace uuid.UUID, keys []uuid.UUID, place func(uuid.UUID) int32) (derive.Stock, error) {
	if r.names {
		return r.Store.Stock(ctx, workspace, keys, place)
	}
	if err := r.before(); err != nil {
		return nil, err
	}
	held, err := r.Store.Stock(ctx, workspace, keys, place)
	if r.taken != nil && held != nil {
		held = takenStock{held, r.taken}
	}
	return held, errors.Join(err, r.after())
}

// takenStock says when something was taken.
type takenStock struct {
	derive.Stock
	taken func()
}

func (s takenStock) Take(keys []uuid.UUID, into []hit.Fact) ([]int, error) {
	missing, err := s.Stock.Take(keys, into)
	s.taken()
	return missing, err
}

// keyStore reads every fact by its key.
type keyStore struct{ derive.Store }

func (keyStore) Stock(context.Context, uuid.UUID, []uuid.UUID, func(uuid.UUID) int32) (derive.Stock, error) {
	return nil, postgres.ErrUnavailable
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

// Rooms for what a build reads together, by where most of it lies then.
func rooms(t *testing.T) map[string]stock.Config {
	t.Helper()
	dir := t.TempDir()
	return map[string]stock.Config{
		"memory":              {},
		"a file":              {Memory: 1, Disk: 1 << 30, Dir: dir, Piece: 4000},
		"a file that is full": {Memory: 1, Disk: 12_000, Dir: dir, Piece: 4000, Log: quiet()},
		"no file":             {Memory: 1, Disk: 1 << 30, Dir: filepath.Join(dir, "none"), Piece: 4000, Log: quiet()},
	}
}

// Facts change while what comes next has been read and derived, or is about to be: what
// was concluded from since is not written once more, nor as it was.
func TestRecompute_readsAheadOfChanges(t *testing.T) {
	t.Parallel()
	type when struct {
		late, keys bool
		takes      int // 0: when something is read; else when so many have been taken from stock
	}
	cases := rooms(t)
	for name, c := range map[string]when{
		"before they are read by key": {keys: true}, "after they were read by key": {late: true, keys: true}, "before they are in memory": {}, "after they were in memory": {late: true},
		"before they are in a file": {}, "after they were in a file": {late: true}, "while they are taken from memory": {takes: 3}, "while they are taken from a file": {takes: 3},
		"while some are taken from a file that is full": {takes: 3},
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
				if reads++; reads == max(1, c.takes) {
					fresh := earlier(t, entries)
					deliver(t, d.database, d.ring, fresh, []int{len(fresh), len(fresh)})
				}
				return nil
			}
			var room stock.Config
			for where, config := range cases {
				if strings.HasSuffix(name, where) {
					room = config
				}
			}
			store := aheadStore{Store: d.store().WithRoom(room), before: change, after: nothing}
			switch {
			case c.late:
				store.before, store.after = nothing, change
			case c.takes > 0:
				store.before, store.taken = nothing, func() { _ = change() }
			}
			var by derive.Store = store
			if c.keys {
				by = keyStore{store}
			}
			d.until(t, derive.New(by, d.turns()), stillBuilt)
			if reads < max(1, c.takes) || d.number(t, stillTouched) > 0 {
				t.Fatalf("%d times something was read ahead: the test shows nothing", reads)
			}
			d.confirm(t)
		})
	}
}

// loadStore counts facts that are read by their keys beside a transaction.
type loadStore struct {
	derive.Store
	loaded *atomic.Int32
}

func (s loadStore) Load(ctx context.Context, workspace uuid.UUID, facts []uuid.UUID) ([]hit.Fact, error) {
	s.loaded.Add(int32(len(facts)))
	return s.Store.Load(ctx, workspace, facts)
}

// Wherever what a build reads together lies, and whatever of it finds no room, its rows are those
// of a build that reads by keys.
func TestRecompute_readsFromAFile(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(17, 7))
	d := newTable(t)
	d.settled(t, random, busyWeek(t, random)[:120])
	d.recomputeWith(t, derive.New(keyStore{d.store()}, d.turns()), false)
	want := d.live(t)
	for name, room := range rooms(t) {
		var taken, loaded atomic.Int32
		store := aheadStore{
			Store:  loadStore{d.store().WithRoom(room), &loaded},
			before: nothing, after: nothing, taken: func() { taken.Add(1) },
		}
		found := d.recomputeWith(t, derive.New(store, d.turns()), false)
		if diff := cmp.Diff(want, d.live(t)); !found.Equal || diff != "" || taken.Load() == 0 {
			t.Errorf("%s: %+v, %d times taken (-want +got):\n%s", name, found.Comparison.Parts, taken.Load(), diff)
		}
		if whole := name == "memory" || name == "a file"; whole != (loaded.Load() == 0) {
			t.Errorf("%s: %d facts were read by key", name, loaded.Load())
		}
	}
}

// open waits until the process has so many files of a folder open; meanwhile something else is
// done.
func open(t *testing.T, dir string, want int, meanwhile func()) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; <-time.After(5 * time.Millisecond) {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip("needs /proc")
		}
		n := 0
		for _, entry := range entries {
			if name, err := os.Readlink("/proc/self/fd/" + entry.Name()); err == nil && strings.HasPrefix(name, dir) {
				n++
			}
		}
		if n == want {
			return
		}
		if meanwhile(); time.Now().After(deadline) {
			t.Fatalf("%d files are open, want %d", n, want)
		}
	}
}

// A build's file is closed when the build ends, when another process has gone on with it, and
// when the process ends.
func TestRecompute_closesItsFile(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(18, 7))
	d := newTable(t)
	d.settled(t, random, busyWeek(t, random)[:60])
	dir := t.TempDir()
	deriver := func() *derive.Deriver {
		room := stock.Config{Memory: 1, Disk: 1 << 30, Dir: dir, Piece: 2000}
		return derive.New(d.store().WithRoom(room), d.turns())
	}
	d.publish(t)
	first, second, wait := deriver(), deriver(), func() {}
	d.until(t, first, nothingBuilt)
	open(t, dir, 1, wait)
	d.until(t, second, stillBuilt)
	open(t, dir, 1, wait)
	open(t, dir, 0, func() {
		if err := first.Workspace(t.Context(), shop); err != nil {
			t.Fatal(err)
		}
	})

	if _, _, err := d.pool.RecomputeBegin(t.Context(), shop, postgres.RecomputeDraft{Reference: "test", By: "test", At: noon}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	for d.number(t, nothingBuilt) > 0 {
		if err := first.Workspace(ctx, shop); err != nil {
			t.Fatal(err)
		}
	}
	open(t, dir, 1, wait)
	stop()
	open(t, dir, 0, wait)
}

// Where nothing can be read ahead the build goes on without.
func TestRecompute_withoutReadingAhead(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(15, 7))
	d := newTable(t)
	d.settled(t, random, busyWeek(t, random)[:60])
	var refused atomic.Int32
	deriver := derive.New(aheadStore{
		Store: d.store(), after: nothing,
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
		Store: d.store(), before: nothing, after: func() error { read <- struct{}{}; return nil },
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
