package timeline_test

import (
	"encoding/binary"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/touchline/touchline/services/attribution/credit"
	"github.com/touchline/touchline/services/attribution/reftest"
	"github.com/touchline/touchline/services/attribution/timeline"
	"github.com/touchline/touchline/services/internal/hit"
)

// factsOf reads facts as they stand in a stream, each after its length. What does not
// decode is passed over: consume puts it aside.
func factsOf(b []byte) []hit.Fact {
	var facts []hit.Fact
	for len(b) >= 2 && len(facts) < 60 {
		n := min(int(binary.LittleEndian.Uint16(b)), len(b)-2)
		if h, err := hit.Decode(b[2 : 2+n]); err == nil {
			facts = append(facts, h.Fact)
		}
		b = b[2+n:]
	}
	return facts
}

func bytesOf(facts []hit.Fact) []byte {
	var b []byte
	for i := range facts {
		encoded, err := hit.Encode(nil, &hit.Hit{Fact: facts[i]})
		if err != nil || len(encoded) > 1<<15 {
			continue
		}
		b = append(binary.LittleEndian.AppendUint16(b, uint16(len(encoded))), encoded...)
	}
	return b
}

// Any bytes that decode derive: without a panic, the same in any order and however
// often, with weights that sum to the whole and a credit for every conversion.
func FuzzDeriveHits(f *testing.F) {
	for seed := range 20 {
		h := reftest.Histories().Example(seed)
		f.Add(bytesOf(h.Facts))
	}
	p := reftest.Histories().Example(3).Policy
	f.Fuzz(func(t *testing.T, b []byte) {
		facts := factsOf(b)
		out := derive(p, facts)
		again := slices.Concat(facts, facts)
		slices.Reverse(again)
		if diff := differ(out, derive(p, again)); diff != "" {
			t.Fatal(diff)
		}
		for i := range out.Conversions {
			c := &out.Conversions[i]
			for m := range c.Models {
				var sum int64
				for _, k := range c.Credits {
					sum += k.Weights[m]
				}
				if sum != credit.Whole {
					t.Fatalf("%s: weights of %s sum to %d", c.ID, c.Models[m], sum)
				}
			}
			if i > 0 && out.Conversions[i-1].Definition == c.Definition && out.Conversions[i-1].ID == c.ID {
				t.Fatalf("two conversions %s of %s", c.ID, c.Definition)
			}
		}
	})
}

// Of any two facts with one key the same wins whichever comes first, and merging again
// changes nothing.
func FuzzMerge(f *testing.F) {
	for seed := range 5 {
		h := reftest.Histories().Example(seed)
		f.Add(bytesOf(h.Facts[:1]), bytesOf(h.Facts[1:2]), bytesOf(h.Facts[2:3]))
	}
	f.Fuzz(func(t *testing.T, x, y, z []byte) {
		var three []hit.Fact
		for _, b := range [][]byte{x, y, z} {
			facts := factsOf(b)
			if len(facts) == 0 {
				return
			}
			if _, _, err := hit.Content(&facts[0]); err != nil {
				return // storage refuses it
			}
			facts[0].Flags = slices.Compact(slices.Sorted(slices.Values(facts[0].Flags))) // as consume stores them
			three = append(three, facts[0])
		}
		a, b, c := three[0], three[1], three[2]
		ab, same := timeline.Merge(a, b)
		ba, sameToo := timeline.Merge(b, a)
		if diff := gocmp.Diff(ab, ba); diff != "" || same != sameToo {
			t.Fatalf("same %v, %v\n%s", same, sameToo, diff)
		}
		bc, _ := timeline.Merge(b, c)
		left, _ := timeline.Merge(ab, c)
		right, _ := timeline.Merge(a, bc)
		again, _ := timeline.Merge(left, right)
		if diff := gocmp.Diff(left, right) + gocmp.Diff(left, again); diff != "" {
			t.Fatal(diff)
		}
	})
}
