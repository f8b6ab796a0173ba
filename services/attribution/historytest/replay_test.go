package historytest_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/digest"
	"github.com/touchline/touchline/services/attribution/historytest"
	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/attribution/reftest"
	"github.com/touchline/touchline/services/attribution/timeline"
	"github.com/touchline/touchline/services/internal/hit"
)

// shrinking is how long one history is replayed and shrunk at most.
const shrinking = 2 * time.Minute

// replay plays single histories, each in a workspace of its own, with workers that
// nobody harms: facts come a few at a time, each time until nothing is pending; only
// behind a policy they come at once, while it is built.
type replay struct {
	*play
	before []policy.Policy // in force before the last one, each for a part of the facts
	size   int             // facts at a time
	until  time.Time
	diff   string // of the last history that failed
	how    string // it failed: shrinking keeps to it
}

// investigate tells why the table of one history is wrong: it is played alone, shrunk
// and printed as a world.
func (p *play) investigate(g *group, past *past) string {
	p.t.Helper()
	h := reftest.History{Policy: g.live(), Facts: past.facts}
	how := fmt.Sprintf("To see it again: %s=%d %s=%d.", fromEnv, g.first, historyEnv, len(g.pasts))
	if pureDifference(p.ring, g.workspace, &h) != "" {
		h = historytest.Shrink(h, func(all []reftest.History) int {
			return slices.IndexFunc(all, func(h reftest.History) bool { return pureDifference(p.ring, g.workspace, &h) != "" })
		})
		return "The pure product is wrong already. " + how + "\n" + pureDifference(p.ring, g.workspace, &h) + "\n" + p.world(g.workspace, &h)
	}
	calm := newPlay(p.t, past.seed, p.ring, newCounts())
	calm.fleet.calm = true
	if err := calm.fleet.start(2); err != nil {
		return err.Error()
	}
	defer calm.fleet.stop(p.t)
	r := &replay{play: calm, before: g.policies[:len(g.policies)-1], until: time.Now().Add(shrinking)}
	h, diff := r.reproduce(h)
	if diff == "" {
		return "Alone, and with workers that live, it comes out right. " + how + "\n" + p.world(g.workspace, &h)
	}
	h = historytest.Shrink(h, r.failing)
	again := ""
	if i := r.failing([]reftest.History{h}); i == 0 {
		again = r.diff
	}
	return fmt.Sprintf("Alone too, %s: facts in this order, %d at a time, after %d other policies. %s\n%s\n%s",
		r.how, r.size, len(r.before), how, again, p.world(g.workspace, &h))
}

// world prints h with the rows that the reference expects.
func (p *play) world(workspace uuid.UUID, h *reftest.History) string {
	return historytest.World(h, sorted(rowsOf(p.ring, workspace, *h)))
}

// pureDifference compares reference and pure product on the digested facts.
func pureDifference(ring *digest.Ring, workspace uuid.UUID, h *reftest.History) string {
	d := digested(ring, workspace, *h)
	got := map[reftest.Row]int{}
	for _, r := range historytest.Rows(timeline.Derive(timeline.Input{Workspace: workspace, Currency: currency, Policy: &d.Policy, Facts: d.Facts})) {
		got[r]++
	}
	return difference(rowsOf(ring, workspace, *h), got)
}

// reproduce looks for an order and a piece size in which h fails alone. Without one the
// difference is empty.
func (r *replay) reproduce(h reftest.History) (reftest.History, string) {
	r.t.Helper()
	before := r.before
	for _, r.before = range [][]policy.Policy{nil, before} {
		for _, r.size = range []int{1, 4, len(h.Facts)} {
			orders := []reftest.History{h}
			for seed := range uint64(7) {
				facts := slices.Clone(h.Facts)
				rand.New(rand.NewPCG(seed, 17)).Shuffle(len(facts), func(i, j int) { facts[i], facts[j] = facts[j], facts[i] })
				orders = append(orders, reftest.History{Policy: h.Policy, Facts: facts})
			}
			if i := r.failing(orders); i >= 0 {
				return orders[i], r.diff
			}
		}
	}
	return h, ""
}

// The ways in which a history fails.
const (
	wrong = "its table is wrong"
	stuck = "it is never done"
)

// failing plays histories beside each other, some at a time, and returns the place of
// the first one that fails in the same way as the last; -1 for none, or when time is up.
// A history whose policy nobody could publish does not count.
func (r *replay) failing(all []reftest.History) int {
	r.t.Helper()
	first := 0
	for some := range slices.Chunk(all, 16) {
		if time.Now().After(r.until) {
			return -1
		}
		groups := make([]*group, len(some))
		for i := range some {
			if _, err := stored(some[i].Policy); err == nil {
				groups[i] = r.group(&some[i])
			}
		}
		played := slices.DeleteFunc(slices.Clone(groups), func(g *group) bool { return g == nil })
		r.open(played)
		undone := r.perform(played, 5*time.Second)
		r.forget(undone)
		for i, g := range groups {
			if g == nil {
				continue
			}
			how, diff := r.judge(g, &some[i], slices.Contains(undone, g))
			if how != "" && (r.how == "" || how == r.how) {
				r.how, r.diff = how, diff
				return first + i
			}
		}
		first += len(some)
	}
	return -1
}

// judge says how a history failed and shows it; "" when it did not.
func (r *replay) judge(g *group, h *reftest.History, undone bool) (how, diff string) {
	r.t.Helper()
	if undone {
		return stuck, "the workers said:\n" + r.fleet.logs()
	}
	got := map[reftest.Row]int{}
	for _, rows := range r.table(g, g.version) {
		maps.Copy(got, rows)
	}
	if diff := difference(rowsOf(r.ring, g.workspace, *h), got); diff != "" {
		return wrong, diff
	}
	return "", ""
}

// forget takes from the workers what they cannot do.
func (r *replay) forget(stuck []*group) {
	r.t.Helper()
	for _, g := range stuck {
		r.undone[g.workspace] = true
		for _, undo := range []string{"delete from touched where workspace_id = $1", "update policy set state = 'superseded' where state = 'building' and workspace_id = $1"} {
			if _, err := r.rows.Exec(r.ctx, undo, g.workspace); err != nil {
				r.t.Fatal(err)
			}
		}
	}
}

// group is a workspace with one history.
func (r *replay) group(h *reftest.History) *group {
	g := &group{workspace: uuid.New(), version: 1, policies: append(slices.Clone(r.before), h.Policy)}
	pieces := slices.Collect(slices.Chunk(h.Facts, max(r.size, 1)))
	next, building := 1, int64(0)
	for i, piece := range pieces {
		a := act{below: 1 + building}
		for _, f := range piece {
			a.hits = append(a.hits, hit.Hit{Workspace: g.workspace, Fact: f})
		}
		g.acts, building = append(g.acts, a), 0
		for ; next < len(g.policies) && i >= next*len(pieces)/(len(g.policies)+1); next++ {
			g.acts, building = append(g.acts, act{publish: &g.policies[next], below: 1}), 1<<40
		}
	}
	for ; next < len(g.policies); next++ {
		g.acts = append(g.acts, act{publish: &g.policies[next], below: 1})
	}
	return g
}
