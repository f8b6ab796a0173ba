package historytest_test

import (
	"maps"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/touchline/touchline/services/attribution/digest"
	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/sql/sqltest"
)

// The environment says how many random histories are played, and from which on.
const (
	historyEnv = "TOUCHLINE_HISTORIES"      // default 2,000
	fromEnv    = "TOUCHLINE_HISTORIES_FROM" // default 0
)

// playSize is how many histories share a database and a fleet of workers: so many that
// some workspace always has something to do.
const playSize = 20 * groupSize

// What real workers make of random histories is what the reference makes of them, row
// for row, and what a rebuild from nothing makes of them, in every column: in whatever
// order and pieces facts arrive, how often, under which limits, which policies are
// published meanwhile and when workers die.
func TestHistories(t *testing.T) {
	t.Parallel()
	total, from := number(t, historyEnv, 2000), number(t, fromEnv, 0)
	ring, err := newRing()
	if err != nil {
		t.Fatal(err)
	}
	met := newCounts()
	for first := from; first < from+total && !t.Failed(); first += playSize {
		playAll(t, ring, first, min(playSize, from+total-first), met)
	}
	for _, what := range expected {
		if total >= 2000 && met.of(what) == 0 {
			t.Errorf("%s: never happened", what)
		}
	}
	for _, what := range met.names() {
		t.Logf("%-42s %8d", what, met.of(what))
	}
}

// expected is what has to happen in 2,000 histories, so that the test shows
// what it says.
var expected = append(append(slices.Sorted(maps.Keys(happened)), cases...),
	refused+"policy", refused+"size", refused+"replaced", refused+"link", refused+"name",
	refused+"claim", refused+"once", refused+"pending",
	"worker killed", "worker ended at a failpoint", "connection broken in a transaction", "redelivery", "fact concluded from by reach",
	"concluded from apart: message", "concluded from apart: status", "concluded from apart: page", "concluded from apart: event",
	"fact sent twice", "fact replaced later", "conflict", "duplicate", "rejected",
	"policy building", "policy published while facts arrive", "sixth device for a token",
)

func number(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		t.Fatalf("%s must be a number", name)
	}
	return n
}

// playAll plays the histories [first, first + size) with four workers.
func playAll(t *testing.T, ring *digest.Ring, first, size int, met *counts) {
	t.Helper()
	var groups []*group
	for seed := first; seed < first+size; seed += groupSize {
		g, err := newGroup(ring, seed, min(groupSize, first+size-seed), met)
		if err != nil {
			t.Fatal(err)
		}
		groups = append(groups, g)
	}
	p := newPlay(t, first, ring, met)
	p.open(groups)
	if err := p.fleet.start(4); err != nil {
		t.Fatal(err)
	}
	defer p.fleet.stop(t)
	p.performAll(groups)
	p.compare(groups)
	p.rebuild(groups)
	p.note()
	met.add("histories", size)
}

// performAll performs and ends the test when the workers do not finish.
func (p *play) performAll(groups []*group) {
	p.t.Helper()
	if stuck := p.perform(groups, time.Minute); len(stuck) > 0 {
		p.t.Fatalf("histories from %d, workspace %s: not done, and nothing happens any more, as in %d of %d groups. The workers said:\n%s",
			stuck[0].first, stuck[0].workspace, len(stuck), len(groups), p.fleet.logs())
	}
}

// compare holds books, rollups and rows against what they must be.
func (p *play) compare(groups []*group) {
	p.t.Helper()
	p.compareRollups()
	states, wrong := p.books(), 0
	for _, g := range groups {
		s := states[g.workspace]
		if err := g.check(s); err != nil {
			p.t.Error(err)
		}
		p.met.add("conflict", int(s.conflict))
		p.met.add("duplicate", int(s.duplicate))
		p.met.add("rejected", int(s.rejected))
		rows := p.table(g, g.version)
		for i, past := range g.pasts {
			if diff := difference(g.want[i], rows[past.prefix]); diff != "" {
				wrong++
				p.t.Errorf("history %d: the reference (-) and the table (+) differ:\n%s", past.seed, diff)
				if wrong == 1 {
					p.t.Log(p.investigate(g, past))
				}
			}
			delete(rows, past.prefix)
		}
		for prefix, some := range rows {
			p.t.Errorf("histories from %d: %d rows of no history: %s", g.first, len(some), prefix)
		}
	}
}

func (p *play) compareRollups() {
	p.t.Helper()
	for what, query := range map[string]string{"rollup_credit": sqltest.CreditDrift, "rollup_message": sqltest.MessageDrift} {
		var n int
		if err := p.rows.QueryRow(p.ctx, query).Scan(&n); err != nil {
			p.t.Fatalf("%s: %v", what, err)
		}
		if n != 0 {
			p.t.Errorf("%d rows of %s are not the sums over the table", n, what)
		}
	}
}

// rebuild has everything concluded again from nothing, under policies that say the same
// in other words, and compares every column.
func (p *play) rebuild(groups []*group) {
	p.t.Helper()
	before := make([]int, len(groups))
	for i, g := range groups {
		same, err := stored(inOtherWords(g.live()))
		if err != nil {
			p.t.Fatal(err)
		}
		before[i] = g.version
		g.acts = append(g.acts, act{publish: &same, below: 1})
	}
	p.performAll(groups)
	p.compareRollups()
	for i, g := range groups {
		for what, query := range rebuilt {
			var lines []string
			if err := p.rows.QueryRow(p.ctx, query, g.workspace, before[i], g.version).Scan(&lines); err != nil {
				p.t.Fatalf("%s: %v", what, err)
			}
			for _, line := range lines[:min(len(lines), 10)] {
				p.t.Errorf("histories from %d, %s: kept up to date or rebuilt, not both: %s", g.first, what, line)
			}
		}
	}
}

// inOtherWords is another policy from which the same follows, persons anew.
func inOtherWords(p policy.Policy) policy.Policy {
	p.BlockedIdentifiers = append(slices.Clone(p.BlockedIdentifiers), "nobody is called that")
	p.KeywordRules = append(slices.Clone(p.KeywordRules), policy.KeywordRule{
		Event: "never", Any: []string{"nobody says that"}, All: []string{}, None: []string{}, Mode: policy.ModeWord,
	})
	return p
}

// counts are how often things happened. Safe for concurrent use.
type counts struct {
	mu  sync.Mutex
	all map[string]int
}

func newCounts() *counts { return &counts{all: map[string]int{}} }

func (c *counts) add(what string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all[what] += n
}

func (c *counts) of(what string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.all[what]
}

func (c *counts) names() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Sorted(maps.Keys(c.all))
}
