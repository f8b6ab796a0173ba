package consume

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/touchline/touchline/services/attribution/derive"
)

// turn is a deriver that does one transaction at a time.
func (d *table) turn(changes ...func(*derive.Config)) *derive.Deriver {
	cfg := d.turns()
	for _, change := range changes {
		change(&cfg)
	}
	return derive.New(d.store(), cfg)
}

// turns have a deriver do one transaction at a time.
func (d *table) turns() derive.Config {
	clock := noon
	return derive.Config{
		Poll: 5 * time.Millisecond, WalkRows: 1, Lead: time.Nanosecond, Hold: 1500 * time.Millisecond, Log: quiet(),
		Now: func() time.Time { clock = clock.Add(time.Second); return clock },
	}
}

// until has a deriver work until a query says zero.
func (d *table) until(t *testing.T, by *derive.Deriver, query string) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	t.Cleanup(stop) // not sooner: what is read ahead goes on
	for d.number(t, query) > 0 {
		if err := by.Workspace(ctx, shop); err != nil || ctx.Err() != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
}

// confirm holds the table against one that is derived from nothing.
func (d *table) confirm(t *testing.T) {
	t.Helper()
	before := d.live(t)
	if found := d.recompute(t, false); !found.Equal {
		t.Errorf("%+v\n%s", found.Comparison.Parts, cmp.Diff(before, d.live(t)))
	}
}

const (
	noPlanYet    = "select count(*) from policy where state = 'building' and build_leader is null"
	nothingBuilt = "select count(*) from policy where state = 'building' and build_done = 0"
	stillTouched = "select count(*) from touched"
	stillBuilt   = "select count(*) from policy where state = 'building'"
)

// Processes that take turns at a build, while facts arrive, do not go by what one of them
// knew before the other came between; nor does the build depend on whether it has a plan.
func TestRecompute_takesTurns(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2) {
		random := rand.New(rand.NewPCG(seed, 9))
		entries := busyWeek(t, random)[:120]
		d := newTable(t)
		begun := len(entries) - 25
		d.settled(t, random, entries[:begun])
		d.publish(t)
		first, second := d.turn(), d.turn(func(c *derive.Config) { c.BatchRows = 1 }) // the second never comes to build
		unplanned := d.turn(func(c *derive.Config) { c.PlanFacts = 1 })
		d.until(t, first, noPlanYet)
		deliver(t, d.database, d.ring, entries[begun:], []int{len(entries) - begun, len(entries) - begun})
		d.until(t, second, stillTouched)
		for turns := 0; d.number(t, stillBuilt) > 0; turns++ {
			by := first
			if seed > 0 && turns%2 == 1 {
				by = unplanned
			}
			if err := by.Workspace(t.Context(), shop); err != nil {
				t.Fatal(err)
			}
		}
		after := d.live(t)
		if found := d.recompute(t, false); !found.Equal {
			t.Errorf("seed %d: %+v\n%s", seed, found.Comparison.Parts, cmp.Diff(after, d.live(t)))
		}
	}
}

// A build is left to the process that is at it, and with it what else there is to do in
// the workspace, until that process has done nothing for a while.
func TestRecompute_isLeftToItsLeader(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(13, 7))
	d := newTable(t)
	d.settled(t, random, busyWeek(t, random)[:60])
	d.publish(t)
	leader, other := d.turn(), d.another(func(c *derive.Config) { c.Lead = time.Hour })
	d.until(t, leader, nothingBuilt)
	const build = "select build_done from policy where state = 'building'"
	walked := d.number(t, build)
	for range 5 {
		if err := other.Workspace(t.Context(), shop); err != nil {
			t.Fatal(err)
		}
	}
	if n := d.number(t, build); n != walked {
		t.Errorf("another went on with it, from %d to %d facts", walked, n)
	}
	d.until(t, leader, fmt.Sprintf("select count(*) from policy where state = 'building' and build_done = %d", walked))
	if n := d.number(t, `with idle as (update policy set build_led_at = now() - interval '2 hours' where state = 'building' returning 1) select count(*) from idle`); n != 1 {
		t.Fatalf("%d builds", n)
	}
	d.until(t, other, stillBuilt)
}
