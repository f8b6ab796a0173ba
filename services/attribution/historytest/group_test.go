package historytest_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/digest"
	"github.com/touchline/touchline/services/attribution/fact"
	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/attribution/reftest"
	"github.com/touchline/touchline/services/internal/hit"
)

const (
	currency = "NOK" // of the workspaces
	// groupSize is how many histories share a workspace.
	groupSize = 40
)

// act is one thing that happens to a workspace: hits arrive or a policy is published.
type act struct {
	hits    []hit.Hit
	publish *policy.Policy
	// below: the act waits until fewer hits of the workspace are pending.
	below int64
}

// group is a workspace with histories that share nothing, and what happens to it.
type group struct {
	workspace uuid.UUID
	first     int // seed
	pasts     []*past
	policies  []policy.Policy // the first from the beginning, the others published
	acts      []act
	terms     terms // as which its hits must count at the end
	want      []map[reftest.Row]int

	done    int // acts
	version int // last published
}

// terms are the books of a workspace.
type terms struct{ accepted, stored, duplicate, conflict, rejected int64 }

// live is the policy that holds in the end.
func (g *group) live() policy.Policy { return g.policies[len(g.policies)-1] }

// newGroup makes a group of the histories that begin with seed first.
func newGroup(ring *digest.Ring, first, size int, met *counts) (*group, error) {
	random := rand.New(rand.NewPCG(uint64(first), 11))
	g := &group{workspace: uuid.NewSHA1(uuid.NameSpaceOID, fmt.Append(nil, "histories from ", first)), first: first, version: 1}
	var drawn []policy.Policy
	var deliveries []delivery
	for n := range size {
		h := reftest.Histories().Example(first + n)
		drawn = append(drawn, h.Policy)
		p := &past{seed: first + n, prefix: prefixOf(n)}
		for _, f := range h.Facts {
			deliveries = append(deliveries, copies(random, p, renamed(f, p.prefix), met)...)
		}
		g.pasts = append(g.pasts, p)
	}
	shuffle(random, deliveries)
	for _, d := range deliveries {
		d.of.facts = append(d.of.facts, d.fact)
	}
	if err := g.setPolicies(random, drawn, deliveries); err != nil {
		return nil, err
	}
	g.setActs(random, deliveries, met)
	g.setTerms(ring)
	if err := g.checkApart(ring); err != nil {
		return nil, err
	}
	g.noteDevices(met)
	g.noteCases(met)
	g.setWant(ring)
	return g, nil
}

// shuffle mixes histories. The facts of half of them stay in the order in which the
// generator lists them, those of a quarter come in the order in which they happened.
func shuffle(random *rand.Rand, deliveries []delivery) {
	inOrder := map[*past][]delivery{}
	for _, d := range deliveries {
		inOrder[d.of] = append(inOrder[d.of], d)
	}
	for of, list := range inOrder {
		if of.seed%4 == 1 {
			slices.SortStableFunc(list, func(a, b delivery) int { return cmp.Compare(a.fact.At, b.fact.At) })
		}
	}
	random.Shuffle(len(deliveries), func(i, j int) { deliveries[i], deliveries[j] = deliveries[j], deliveries[i] })
	for i, d := range deliveries {
		if d.of.seed%4 != 3 {
			deliveries[i], inOrder[d.of] = inOrder[d.of][0], inOrder[d.of][1:]
		}
	}
}

// delivery is one copy of a fact on its way.
type delivery struct {
	of   *past
	fact hit.Fact
}

// copies are f and, now and then, a second copy: the same again, or one that says
// something else.
func copies(random *rand.Rand, of *past, f hit.Fact, met *counts) []delivery {
	all := []delivery{{of, f}}
	switch random.IntN(20) {
	case 0, 1:
		again := f
		again.ReceivedAt += hit.Instant(random.IntN(3)) * 3_600_000_000
		met.add("fact sent twice", 1)
		all = append(all, delivery{of, again})
	case 2:
		other := f
		other.At += []hit.Instant{-3_600_000_000, -1, 0, 1, 3_600_000_000}[random.IntN(5)]
		other.Precision = hit.PrecisionExact
		if random.IntN(2) == 0 {
			other.Identifiers = nil
		}
		if other.Event != nil && random.IntN(2) == 0 {
			other.Event = cloned(f.Event, func(e *hit.Event) { e.InThread = !e.InThread })
		}
		met.add("fact replaced later", 1)
		all = append(all, delivery{of, other})
	}
	return all
}

// setPolicies takes one to three of the drawn policies, with some of their models; they
// block some people too.
func (g *group) setPolicies(random *rand.Rand, drawn []policy.Policy, deliveries []delivery) error {
	for range []int{1, 1, 1, 2, 3}[random.IntN(5)] { // while one is built nothing is derived by reach
		p := drawn[random.IntN(len(drawn))]
		p.Models = slices.Clone(p.Models)
		random.Shuffle(len(p.Models), func(i, j int) { p.Models[i], p.Models[j] = p.Models[j], p.Models[i] })
		p.Models = p.Models[:min([]int{1, 2, 2, 3, 6}[random.IntN(5)], len(p.Models))]
		p.BlockedIdentifiers = slices.Clone(p.BlockedIdentifiers)
		for range random.IntN(4) {
			if f := &deliveries[random.IntN(len(deliveries))].fact; len(f.Identifiers) > 0 {
				p.BlockedIdentifiers = append(p.BlockedIdentifiers, f.Identifiers[0].Value)
			}
		}
		p, err := stored(p)
		if err != nil {
			return fmt.Errorf("a drawn policy: %w", err)
		}
		g.policies = append(g.policies, p)
	}
	return nil
}

// setActs cuts the deliveries into pieces and puts the policies between them.
func (g *group) setActs(random *rand.Rand, deliveries []delivery, met *counts) {
	most := []int{len(deliveries) / 16, len(deliveries) / 8, len(deliveries) / 2}[random.IntN(3)] + 1
	for rest := deliveries; len(rest) > 0; {
		size := min(1+random.IntN(most), len(rest))
		a := act{below: []int64{1, 1, 30, 200, 1 << 40}[random.IntN(5)]}
		for _, d := range rest[:size] {
			a.hits = append(a.hits, hit.Hit{Workspace: g.workspace, Fact: d.fact})
		}
		if random.IntN(4) == 0 {
			refused := hit.Fact{Source: a.hits[0].Fact.Source, ReceivedAt: a.hits[0].Fact.ReceivedAt}
			a.hits = append(a.hits, hit.Hit{Workspace: g.workspace, Fact: refused, Rejection: &hit.Rejection{Reason: "malformed", Detail: "a test"}})
			g.terms.rejected++
		}
		g.acts, rest = append(g.acts, a), rest[size:]
	}
	at := make([]int, len(g.policies)-1)
	for i := range at {
		at[i] = 1 + random.IntN(len(g.acts))
		if i > 0 && random.IntN(3) > 0 {
			at[i] = at[i-1]
		}
	}
	slices.Sort(at)
	for i := len(at) - 1; i >= 0; i-- {
		if at[i] < len(g.acts) {
			met.add("policy published while facts arrive", 1)
		}
		g.acts = slices.Insert(g.acts, at[i], act{publish: &g.policies[i+1], below: []int64{1, 1 << 40, 1 << 40}[random.IntN(3)]})
	}
}

// setTerms counts keys and contents: of all copies of a fact exactly one is stored, and
// one for each further content is a conflict.
func (g *group) setTerms(ring *digest.Ring) {
	keys, contents := map[uuid.UUID]bool{}, map[[2]uuid.UUID]bool{}
	g.terms.accepted = g.terms.rejected
	for _, p := range g.pasts {
		for _, f := range digested(ring, g.workspace, reftest.History{Facts: p.facts}).Facts {
			_, content, _ := hit.Content(&f)
			keys[f.Key()], contents[[2]uuid.UUID{f.Key(), content}] = true, true
			g.terms.accepted++
		}
	}
	g.terms.stored, g.terms.conflict = int64(len(keys)), int64(len(contents)-len(keys))
	g.terms.duplicate = g.terms.accepted - g.terms.rejected - g.terms.stored - g.terms.conflict
}

// checkApart makes sure that histories share no reference but those to nobody: then
// each one's part of the table follows from its own facts alone.
func (g *group) checkApart(ring *digest.Ring) error {
	owners, free := map[fact.Ref]string{}, map[fact.Ref]bool{}
	for _, kind := range []hit.IdentifierKind{hit.UserID, hit.Phone, hit.BSUID, hit.Email, hit.Device} {
		for _, value := range append([]string{"NULL"}, nobody...) {
			free[fact.IdentifierRef(ring.Identifier(g.workspace, hit.Identifier{Kind: kind, Value: value}))] = true
		}
	}
	for _, p := range g.pasts {
		for _, f := range digested(ring, g.workspace, reftest.History{Facts: p.facts}).Facts {
			for _, ref := range fact.Refs(&f) {
				if owner := owners[ref]; owner != "" && owner != p.prefix && !free[ref] {
					return fmt.Errorf("fact %s of history %d shares a reference with %s: rename more", f.ID, p.seed, owner)
				}
				owners[ref] = p.prefix
			}
		}
	}
	return nil
}

// noteDevices counts the tokens that were seen on more than five devices.
func (g *group) noteDevices(met *counts) {
	devices := map[string]map[string]bool{}
	for _, p := range g.pasts {
		for i := range p.facts {
			f := &p.facts[i]
			if f.Page == nil || f.Device == nil {
				continue
			}
			token := fact.PageToken(f.Page.URL)
			if devices[token] == nil {
				devices[token] = map[string]bool{}
			}
			if devices[token][f.Device.Value] = true; token != "" && len(devices[token]) == 6 {
				met.add("sixth device for a token", 1)
			}
		}
	}
}

// setWant asks the reference what the table must hold of each history in the end.
func (g *group) setWant(ring *digest.Ring) {
	g.want = make([]map[reftest.Row]int, len(g.pasts))
	var all sync.WaitGroup
	slots := make(chan struct{}, 2)
	for i, p := range g.pasts {
		all.Go(func() {
			slots <- struct{}{}
			g.want[i] = rowsOf(ring, g.workspace, reftest.History{Policy: g.live(), Facts: p.facts})
			<-slots
		})
	}
	all.Wait()
}

// rowsOf counts the rows that follow from a history.
func rowsOf(ring *digest.Ring, workspace uuid.UUID, h reftest.History) map[reftest.Row]int {
	h = digested(ring, workspace, h)
	rows := map[reftest.Row]int{}
	for _, r := range reftest.Table(workspace, currency, &h.Policy, h.Facts) {
		rows[r]++
	}
	return rows
}
