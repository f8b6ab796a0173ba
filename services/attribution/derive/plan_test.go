package derive

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/touchline/touchline/services/attribution/fact"
	"github.com/touchline/touchline/services/internal/hit"
)

// A plan walks every component once, whole, but for those that have a fact at or before
// the cursor it began at and those that were concluded from meanwhile; whoever draws it
// anew at the cursor that it has come to goes on with the rest.
func TestPlan_WalksEachComponentOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		facts := anyShelf(t)
		v := Version{Blocked: map[uuid.UUID]bool{fact.IdentifierRef(hit.Identifier{Kind: hit.UserID, Value: "u1"}).Value: true}}
		if begun := rapid.IntRange(-1, len(facts)-1).Draw(t, "begun"); begun >= 0 {
			v.Cursor = facts[begun].Key()
		}
		whole := func(key uuid.UUID) map[uuid.UUID]bool { // the component of a fact
			refs, _ := facts.Refs(t.Context(), []uuid.UUID{key})
			found, _ := closure(t.Context(), facts, refs, []Version{v})
			return found.keys
		}
		times := make(map[uuid.UUID]int)
		s := &step{tx: shelfTx{facts: facts}, cfg: Config{PlanFacts: 100}}
		passed := func(key uuid.UUID) bool { // the cursor has passed its component
			for k := range whole(key) {
				if bytes.Compare(k[:], v.Cursor[:]) <= 0 {
					return true
				}
			}
			return false
		}
		draw := func() { // what was concluded from is not known any more, and walked again
			for key := range times {
				if !passed(key) {
					times[key] = 0
				}
			}
			var err error
			if s.plan, err = s.draw(t.Context(), v); err != nil {
				t.Fatal(err)
			}
			s.concluded = make(map[int32]bool)
		}
		draw()
		for _, key := range keysOf(facts) {
			if passed(key) {
				times[key] = 1
			}
		}
		for done := false; !done; {
			if rapid.IntRange(0, 3).Draw(t, "another") == 0 {
				draw()
			}
			if rapid.IntRange(0, 3).Draw(t, "touched") == 0 {
				keys := whole(rapid.SampledFrom(keysOf(facts)).Draw(t, "fact"))
				s.note(keys)
				for key := range keys {
					times[key] = 1
				}
			}
			from := progress{next: s.plan.next, cursor: s.plan.cursor}
			keys, list, after := s.plan.walk(from, rapid.IntRange(1, 4).Draw(t, "walked"), s.concluded)
			var ends []int
			for _, c := range list {
				ends = append(ends, c.end)
			}
			for i, key := range keys {
				times[key]++
				begin := 0
				for _, end := range ends {
					if end <= i {
						begin = end
					}
				}
				end := ends[slices.IndexFunc(ends, func(e int) bool { return e > i })]
				if together := keys[begin:end]; len(together) != len(whole(key)) || !slices.Contains(together, key) || !whole(key)[together[0]] {
					t.Fatalf("%d facts are walked together, want %d", len(together), len(whole(key)))
				}
			}
			done = after.next == len(s.plan.order)
			v.Cursor, s.walked = after.cursor, after
			s.plan = s.after()
		}
		for i := range facts {
			if n := times[facts[i].Key()]; n != 1 {
				t.Errorf("%s was derived %d times", facts[i].ID, n)
			}
		}
	})
}

// Where a key is is found, however keys are spread.
func TestPlan_place(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		keys := rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) uuid.UUID {
			return uuid.UUID{byte(rapid.IntRange(0, 255).Draw(t, "first")), 15: byte(rapid.IntRange(0, 9).Draw(t, "last"))}
		}), 0, 40, rapid.ID).Draw(t, "keys")
		slices.SortFunc(keys, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
		absent := uuid.UUID{byte(rapid.IntRange(0, 255).Draw(t, "other")), 15: 10}
		p := plan{keys: keys}
		p.index()
		for i, key := range keys {
			if at := p.place(key); int(at) != i {
				t.Fatalf("%v is at %d, want %d", key, at, i)
			}
		}
		if at := p.place(absent); at != -1 {
			t.Fatalf("a key that is not there is at %d", at)
		}
	})
}

// Parts are whole components, all of them, in order.
func TestPartsOf(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		sizes := rapid.SliceOf(rapid.IntRange(1, partFacts/2)).Draw(t, "sizes")
		var list []component
		n := 0
		for i, size := range sizes {
			n += size
			list = append(list, component{int32(i), n})
		}
		facts := make([]hit.Fact, n)
		for i := range facts {
			facts[i].ID = fmt.Sprint(i)
		}
		var again []hit.Fact
		next := 0
		for _, p := range partsOf(list) {
			for i, c := range p.components {
				begin := 0
				if i > 0 {
					begin = p.components[i-1].end
				}
				if int(c.first) != next || c.end-begin != sizes[next] {
					t.Fatalf("component %d has %d facts, want component %d with %d", c.first, c.end-begin, next, sizes[next])
				}
				next++
			}
			if last := p.components[len(p.components)-1].end; last != p.end-p.begin || last > 2*partFacts {
				t.Fatalf("a part has %d facts, its components end at %d", p.end-p.begin, last)
			}
			again = append(again, facts[p.begin:p.end]...)
		}
		if !slices.EqualFunc(again, facts, func(a, b hit.Fact) bool { return a.ID == b.ID }) {
			t.Fatalf("%d facts in parts, want %d", len(again), n)
		}
	})
}

// orphaned lists a carrier between any two of a reference of which there is no fact.
type orphaned struct{ shelf }

func (o orphaned) Carriers(ctx context.Context, each func(ref, fact uuid.UUID)) error {
	return o.shelf.Carriers(ctx, func(ref, fact uuid.UUID) {
		each(ref, fact)
		each(ref, uuid.Nil)
	})
}

// A reference of which one fact is missing joins the others all the same.
func TestPlan_joinsOverAMissingFact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		facts := anyShelf(t)
		keys, _ := facts.Walk(t.Context(), uuid.Nil, len(facts))
		var first [2][]int32
		for i, from := range []Facts{facts, orphaned{facts}} {
			p := &plan{keys: keys}
			p.index()
			if err := p.join(t.Context(), from, nil); err != nil {
				t.Fatal(err)
			}
			for place := range keys {
				first[i] = append(first[i], p.root(int32(place)))
			}
		}
		if !slices.Equal(first[0], first[1]) {
			t.Fatalf("%v, with facts missing %v", first[0], first[1])
		}
	})
}
