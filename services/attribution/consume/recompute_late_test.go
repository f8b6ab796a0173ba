package consume

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/derive"
)

// lateStore reads all facts, and has them only when it is told to.
type lateStore struct {
	derive.Store
	begun, taken *atomic.Int32
	told         chan struct{}
}

func (s lateStore) Stock(ctx context.Context, workspace uuid.UUID, keys []uuid.UUID, place func(uuid.UUID) int32) (derive.Stock, error) {
	s.begun.Add(1)
	held, err := s.Store.Stock(ctx, workspace, keys, place)
	<-s.told
	return takenStock{held, func() { s.taken.Add(1) }}, err
}

// While the facts of a build are still being read, what is touched is concluded from, the lock
// is free between the rounds of the process that leads the build, and the build stays its own.
// It then goes on with what was read, without what was concluded from meanwhile.
func TestRecompute_waitsForItsFacts(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(19, 7))
	entries := busyWeek(t, random)[:120]
	d := newTable(t)
	d.settled(t, random, entries[:90])
	d.publish(t)
	store := lateStore{Store: d.store(), begun: new(atomic.Int32), taken: new(atomic.Int32), told: make(chan struct{})}
	cfg, clock := d.turns(), noon
	cfg.Hold, cfg.Now = 15*time.Millisecond, func() time.Time { clock = clock.Add(10 * time.Millisecond); return clock }
	leader := derive.New(store, cfg)
	d.until(t, leader, nothingBuilt)

	const build = "select build_done from policy where state = 'building'"
	walked := d.number(t, build)
	fresh := append(earlier(t, entries[30:60]), entries[90:]...)
	for len(fresh) > 0 {
		deliver(t, d.database, d.ring, fresh[:20], []int{20, 20})
		fresh = fresh[20:]
		d.exec(t, `update policy set build_led_at = now() - interval '2 hours' where state = 'building'`)
		d.until(t, leader, stillTouched)
		if free, err := store.Exclusive(t.Context(), shop, func(derive.Session) error { return nil }); !free || err != nil {
			t.Fatalf("the lock is free: %t, %v", free, err)
		}
		if n := d.number(t, `select count(*) from policy where state = 'building' and build_led_at < now() - interval '1 hour'`); n != 0 {
			t.Error("others take the build for one that nobody is at")
		}
	}
	if n := d.number(t, build); n != walked || store.taken.Load() != 0 {
		t.Errorf("the build went on from %d to %d facts without what is still being read", walked, n)
	}
	close(store.told)
	d.until(t, leader, stillBuilt)
	if begun, taken := store.begun.Load(), store.taken.Load(); begun != 1 || taken == 0 {
		t.Errorf("all was read %d times, and taken from %d times", begun, taken)
	}
	d.confirm(t)
}
