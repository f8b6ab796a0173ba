package derive

import (
	"bytes"
	"slices"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/touchline/touchline/services/attribution/fact"
)

// A build whose steps leave out what others before have derived derives every fact,
// once, together with all that it is connected to.
func TestGathered_beyondTheCursor(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		facts := anyShelf(t)
		keys := keysOf(facts)
		slices.SortFunc(keys, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
		times := make(map[uuid.UUID]int)
		var v Version
		for step := range slices.Chunk(keys, rapid.IntRange(1, 4).Draw(t, "walked")) {
			refs, _ := facts.Refs(t.Context(), step)
			found, err := closure(t.Context(), facts, refs, []Version{v})
			if err != nil {
				t.Fatal(err)
			}
			if found.facts, err = facts.Load(t.Context(), mapKeys(found.keys)); err != nil {
				t.Fatal(err)
			}
			rest := found.beyond(v)
			v.Cursor = step[len(step)-1]
			for i := range rest.facts {
				times[rest.facts[i].Key()]++
				for _, r := range fact.Refs(&rest.facts[i]) {
					if !known(rest, r) {
						t.Fatalf("%s is derived but its reference %v is not read", rest.facts[i].ID, r)
					}
				}
			}
			for i := range facts {
				for _, r := range fact.Refs(&facts[i]) {
					if known(rest, r) && !rest.keys[facts[i].Key()] {
						t.Fatalf("%s shares %v with what is derived and is left out", facts[i].ID, r)
					}
				}
			}
		}
		for i := range facts {
			if n := times[facts[i].Key()]; n != 1 {
				t.Errorf("%s was derived %d times", facts[i].ID, n)
			}
		}
	})
}
