package derive

import (
	"context"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/fact"
	"github.com/touchline/touchline/services/internal/hit"
)

// survey tells small components from large ones: it walks outward from touched facts
// and gives up on what turns out to have more than small facts. What is left is whole. A
// fact is read when it is met: what it carries says the same as fact_ref.
type survey struct {
	near     Near
	load     func(context.Context, []uuid.UUID) ([]*hit.Fact, error)
	backlog  Backlog
	versions []Version
	small    int
	behind   int64 // the last row at hand when the queue has more, else 0

	parent map[uuid.UUID]uuid.UUID // facts and references, by key and value: hashes both
	size   map[uuid.UUID]int       // facts, by root
	large  map[uuid.UUID]bool      // by root
	facts  map[uuid.UUID]bool      // known; true: it was read
	walked map[uuid.UUID]bool      // references
	read   []keyedFact
	old    []Carried // references that facts carried before copies of them were replaced
}

// keyedFact is a fact with its key.
type keyedFact struct {
	key  uuid.UUID
	fact *hit.Fact
	refs []fact.Ref
}

// look splits touched rows: found is everything that bears on those of small
// components; large are the rows of the others, those together
// that are known to hang together.
func (s *step) look(ctx context.Context, touched []Touched, behind int64) (found gathered, large [][]Touched, err error) {
	w := &survey{
		near: s.tx, load: s.load, backlog: s.tx, versions: s.info.Versions, small: s.cfg.Small, behind: behind,
		parent: make(map[uuid.UUID]uuid.UUID), size: make(map[uuid.UUID]int), large: make(map[uuid.UUID]bool),
		facts: make(map[uuid.UUID]bool), walked: make(map[uuid.UUID]bool),
	}
	frontier := w.begin(touched)
	for len(frontier) > 0 {
		if frontier, err = w.walk(ctx, frontier); err != nil {
			return gathered{}, nil, err
		}
	}
	found = w.found(s.cfg.Parts)
	for _, o := range w.old { // what hangs on them goes even when no fact is left there, or none on which it can hang
		if !w.large[w.root(o.Fact)] {
			found.refs[o.Ref.Value] = 0
		}
	}
	place := make(map[uuid.UUID]int)
	for _, t := range touched {
		root := w.root(t.Fact)
		if !w.large[root] {
			continue
		}
		at, known := place[root]
		if !known {
			at = len(large)
			place[root], large = at, append(large, nil)
		}
		large[at] = append(large[at], t)
	}
	return found, large, nil
}

// found is what there is of small components, dealt out into parts.
func (w *survey) found(parts int) gathered {
	found := gathered{refs: make(map[uuid.UUID]fact.RefKind, 2*len(w.read)), keys: make(map[uuid.UUID]bool, len(w.read))}
	place := make(map[uuid.UUID]int) // of roots, from 0
	var roots []int                  // of found.facts
	for i := range w.read {
		f := &w.read[i]
		root := w.root(f.key)
		if w.large[root] {
			continue
		}
		at, known := place[root]
		if !known {
			at = len(place)
			place[root] = at
		}
		roots = append(roots, at)
		found.keys[f.key] = true
		found.facts = append(found.facts, *f.fact)
		for _, r := range f.refs {
			found.refs[r.Value] = r.Kind
		}
	}
	found.parts = pack(found.facts, func(i int) int { return roots[i] }, parts)
	return found
}

// begin joins the touched facts to what they carry and carried.
func (w *survey) begin(touched []Touched) (frontier []uuid.UUID) {
	for _, t := range touched {
		w.know(t.Fact)
		for _, r := range t.NewRefs {
			w.join(t.Fact, r)
			frontier = append(frontier, r)
		}
	}
	return append(frontier, w.withdraw(touched)...)
}

// withdraw joins facts to what copies of them carried that were replaced since.
func (w *survey) withdraw(touched []Touched) (frontier []uuid.UUID) {
	for _, t := range touched {
		for _, r := range t.OldRefs {
			w.join(t.Fact, r)
			w.old = append(w.old, Carried{Ref: fact.Ref{Value: r}, Fact: t.Fact})
			frontier = append(frontier, r)
		}
	}
	return frontier
}

// walk takes one step over references and returns those to walk over next.
func (w *survey) walk(ctx context.Context, frontier []uuid.UUID) (next []uuid.UUID, err error) {
	var refs []uuid.UUID
	for _, r := range frontier {
		if !w.walked[r] && !w.blocked(r) && !w.large[w.root(r)] {
			w.walked[r] = true
			refs = append(refs, r)
		}
	}
	if len(refs) == 0 {
		return nil, nil
	}
	met, err := w.near.Meet(ctx, refs, w.small+1)
	if err != nil {
		return nil, err
	}
	for _, m := range met {
		w.know(m.Fact)
		w.join(m.Fact, m.Ref.Value)
	}
	var facts []uuid.UUID
	for _, m := range met {
		if !w.facts[m.Fact] && !w.large[w.root(m.Fact)] {
			w.facts[m.Fact] = true
			facts = append(facts, m.Fact)
		}
	}
	if len(facts) == 0 {
		return nil, nil
	}
	read, err := w.load(ctx, facts)
	for _, f := range read {
		one := keyedFact{f.Key(), f, fact.Refs(f)}
		w.read = append(w.read, one)
		for _, r := range one.refs {
			w.join(one.key, r.Value)
			next = append(next, r.Value)
		}
	}
	if err != nil || w.behind == 0 {
		return next, err
	}
	// A fact reads as its last copy has it. Where the row that says so waits farther
	// behind, the table may still hold what followed from the copy before.
	pending, err := w.backlog.Replaced(ctx, w.behind, facts)
	return append(next, w.withdraw(pending)...), err
}

// know counts a fact.
func (w *survey) know(fact uuid.UUID) {
	if _, known := w.facts[fact]; known {
		return
	}
	w.facts[fact] = false
	w.grow(w.root(fact), 1)
}

func (w *survey) grow(root uuid.UUID, by int) {
	w.size[root] += by
	if w.size[root] > w.small {
		w.large[root] = true
	}
}

// join says that a fact carries a reference. What all versions block joins nothing.
func (w *survey) join(fact, ref uuid.UUID) {
	if w.blocked(ref) {
		return
	}
	a, b := w.root(fact), w.root(ref)
	if a == b {
		return
	}
	if w.size[a] < w.size[b] {
		a, b = b, a
	}
	w.parent[b] = a
	w.large[a] = w.large[a] || w.large[b]
	w.grow(a, w.size[b])
}

func (w *survey) root(node uuid.UUID) uuid.UUID {
	for {
		parent, known := w.parent[node]
		if !known {
			return node
		}
		if above, known := w.parent[parent]; known {
			w.parent[node] = above // halve the path
		}
		node = parent
	}
}

func (w *survey) blocked(ref uuid.UUID) bool { return blockedByAll(ref, w.versions) }
