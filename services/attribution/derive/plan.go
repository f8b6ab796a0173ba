package derive

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"

	"github.com/google/uuid"
)

// planRows is how many facts a plan lists at once; a guess.
const planRows = 20_000

// plan says which facts hang together under a version that is being built, so that its
// build reads each fact once. A component's facts are walked where the first of them, by
// key, has its turn.
//
// It is of one snapshot and holds as long as its process alone derives the workspace: what
// is touched later is concluded from at once, for this version too, and noted here, with
// all that it is connected to. So a component that nothing is noted of is as it was, and
// one that is noted needs not be walked. A process that another one came between
// (Version.Leader) or that died draws its plan anew.
type plan struct {
	version int
	cursor  uuid.UUID   // as the build's
	keys    []uuid.UUID // of all facts, ascending; empty: they are too many
	shelves []int32     // by the first bits of keys: the place of the first key that has these, or would
	shift   int         // of a key's first 64 bits: how many are not in shelves
	first   []int32     // by place in keys: the place of the first fact of the component
	order   []int32     // places, component by component, these in order of their first facts
	next    int         // place in order where the walk goes on
	done    []bool      // by place of a first fact: the component has been concluded from since
	fresh   Fresh       // what the version held when the plan was drawn
	ahead   *stretch    // from next on, being read; nil: nothing is
	supply  *supply     // facts behind the cursor, being read since the plan was begun, or since there was a place; nil: they are not
	told    bool        // that there was no place for supply
}

// abandon ends what is going on in the background. It may be nil.
func (p *plan) abandon() {
	if p != nil {
		p.ahead.abandon()
		p.supply.abandon()
	}
}

// progress is how far a walk has come: as in [plan].
type progress struct {
	next   int
	cursor uuid.UUID
}

// draw makes a plan of all facts that there are, unless they are too many.
func (s *step) draw(ctx context.Context, v Version) (drawn *plan, err error) {
	p := &plan{version: v.Number, cursor: v.Cursor}
	defer func() {
		if drawn != p {
			p.abandon()
		}
	}()
	for after := uuid.Nil; ; after = p.keys[len(p.keys)-1] {
		page, err := s.tx.Walk(ctx, after, planRows)
		if err != nil {
			return nil, fmt.Errorf("list facts: %w", err)
		}
		p.keys = append(p.keys, page...)
		if len(p.keys) > s.cfg.PlanFacts {
			return &plan{version: v.Number, cursor: v.Cursor}, nil
		}
		if len(page) < planRows {
			break
		}
	}
	p.index()
	s.stockUp(ctx, p)
	if err := p.join(ctx, s.tx, v.Blocked); err != nil {
		return nil, fmt.Errorf("find what facts have in common: %w", err)
	}
	p.arrange()
	if p.next == len(p.order) {
		p.forgetSupply()
	}
	if p.fresh, err = s.tx.Fresh(ctx, v); err != nil {
		return nil, err
	}
	return p, nil
}

// behind is how many facts lie behind the cursor.
func (p *plan) behind() int {
	at, there := slices.BinarySearchFunc(p.keys, p.cursor, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	if there {
		at++
	}
	return len(p.keys) - at
}

// stockUp begins to read all that lies behind the cursor, unless that is going on, one step walks
// it, or builds of other workspaces have the places there are: then it would be given up at once.
func (s *step) stockUp(ctx context.Context, p *plan) {
	switch {
	case p.supply != nil || s.beside.stock == nil || p.behind() <= s.cfg.WalkRows:
	case !s.crowded:
		p.supply = s.supplied(ctx, p)
	case !p.told:
		s.cfg.Log.Info("facts of a build are read one by one until others have ended", "workspace", s.workspace, "version", p.version)
		p.told = true
	}
}

// supplied begins to read all that lies behind the cursor: what else there is was derived.
func (s *step) supplied(ctx context.Context, p *plan) *supply {
	from := len(p.keys) - p.behind()
	place := func(key uuid.UUID) int32 { return p.place(key) - int32(from) }
	read := s.beside.stock
	return supplied(ctx, s.cfg.Log, func(ctx context.Context) (Stock, error) { return read(ctx, p.keys[from:], place) })
}

// forgetSupply ends it: nothing will be taken of it.
func (p *plan) forgetSupply() {
	p.supply.abandon()
	p.supply = nil
}

// join unites facts that share a reference. They have been indexed.
func (p *plan) join(ctx context.Context, facts Facts, blocked map[uuid.UUID]bool) error {
	p.first = make([]int32, len(p.keys))
	for i := range p.first {
		p.first[i] = int32(i)
	}
	var last uuid.UUID  // the reference before
	before := int32(-1) // the place of a fact that carries it; -1: none is to be joined
	return facts.Carriers(ctx, func(ref, fact uuid.UUID) {
		place := int32(-1)
		if len(blocked) == 0 || !blocked[ref] {
			place = p.place(fact)
		}
		if ref != last {
			last, before = ref, -1
		}
		if place < 0 {
			return
		}
		if before >= 0 {
			p.unite(before, place)
		}
		before = place
	})
}

// shelfKeys is about how many keys lie between two places of plan.shelves.
const shelfKeys = 4

// index notes where keys with the same first bits begin: with one step there, and one to its
// keys, which lie side by side, less memory is fetched than by halving.
func (p *plan) index() {
	width := max(bits.Len(uint(len(p.keys)/shelfKeys)), 1)
	p.shift = 64 - width
	p.shelves = make([]int32, 1<<width+1)
	for _, key := range p.keys {
		p.shelves[p.shelf(key)+1]++
	}
	for i := range p.shelves[1:] {
		p.shelves[i+1] += p.shelves[i]
	}
}

// shelf is the first bits of a key.
func (p *plan) shelf(key uuid.UUID) int { return int(binary.BigEndian.Uint64(key[:]) >> p.shift) }

// place is where a key is in keys, -1 when it is not.
func (p *plan) place(key uuid.UUID) int32 {
	if p.shelves == nil {
		return -1
	}
	shelf := p.shelf(key)
	low, high := p.shelves[shelf], p.shelves[shelf+1]
	at, there := slices.BinarySearchFunc(p.keys[low:high], key, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	if !there {
		return -1
	}
	return low + int32(at)
}

// root is the place of the first fact known to hang together with that at place.
func (p *plan) root(place int32) int32 {
	for p.first[place] != place {
		p.first[place] = p.first[p.first[place]] // halve the path
		place = p.first[place]
	}
	return place
}

func (p *plan) unite(a, b int32) {
	a, b = p.root(a), p.root(b)
	p.first[max(a, b)] = min(a, b)
}

// arrange lists facts by component and finds where the walk begins: behind components
// that have a fact at or before the cursor, which were derived.
func (p *plan) arrange() {
	size := make([]int32, len(p.keys)) // of components, then where each one's next fact goes
	for i := range p.first {
		p.first[i] = p.first[p.first[i]] // a root comes before what hangs on it
		size[p.first[i]]++
	}
	p.order, p.done = make([]int32, len(p.keys)), make([]bool, len(p.keys))
	begin := int32(0)
	for i, n := range size {
		if bytes.Compare(p.keys[i][:], p.cursor[:]) <= 0 {
			p.next += int(n)
		}
		size[i], begin = begin, begin+n
	}
	for i, first := range p.first {
		p.order[size[first]] = int32(i)
		size[first]++
	}
}

// component is one of a stretch.
type component struct {
	first int32 // the place of its first fact in the plan
	end   int   // where it ends among the stretch's facts
}

// walk returns the keys of the next components from there on, about most facts; those
// concluded from since are left out.
func (p *plan) walk(from progress, most int, done map[int32]bool) (keys []uuid.UUID, list []component, after progress) {
	for after = from; after.next < len(p.order) && len(keys) < most; {
		first := p.order[after.next]
		after.cursor = p.keys[first]
		skip := p.done[first] || done[first]
		for ; after.next < len(p.order) && p.first[p.order[after.next]] == first; after.next++ {
			if !skip {
				keys = append(keys, p.keys[p.order[after.next]])
			}
		}
		if !skip {
			list = append(list, component{first, len(keys)})
		}
	}
	return keys, list, after
}
