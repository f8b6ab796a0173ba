package consume

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/touchline/touchline/services/internal/hit"
)

// drawStatement draws a copy out of few, so that copies collide in every way.
func drawStatement(t *rapid.T) statement {
	content := rapid.IntRange(1, 3).Draw(t, "content")
	s := statement{
		source:      uuid.UUID{15: byte(rapid.IntRange(1, 2).Draw(t, "source"))},
		trust:       int16(rapid.IntRange(1, 3).Draw(t, "trust")),
		at:          hit.Instant(rapid.IntRange(10, 12).Draw(t, "at")),
		wholeSecond: rapid.Bool().Draw(t, "whole second"),
		receivedAt:  hit.Instant(rapid.IntRange(20, 25).Draw(t, "received")),
		content:     uuid.UUID{15: byte(content)},
		body:        []byte{byte(content)},
	}
	if rapid.Bool().Draw(t, "flagged") {
		s.flags = []string{rapid.SampledFrom([]string{"a", "b"}).Draw(t, "flag")}
	}
	return s
}

func TestRecord_orderOfCopiesDoesNotMatter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		copies := rapid.SliceOfN(rapid.Custom(drawStatement), 1, 8).Draw(t, "copies")
		shuffled := rapid.Permutation(copies).Draw(t, "shuffled")
		var one, two record
		first, second := mergeAll(&one, copies), mergeAll(&two, shuffled)
		if diff := cmp.Diff(first, second); diff != "" {
			t.Fatalf("terms differ:\n%s", diff)
		}
		options := cmp.AllowUnexported(statement{})
		if diff := cmp.Diff(one.current, two.current, options); diff != "" {
			t.Fatalf("the copy in force differs:\n%s", diff)
		}
		ignored := cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".receivedAt" || p.Last().String() == ".flags" }, cmp.Ignore())
		if diff := cmp.Diff(one.others, two.others, options, ignored); diff != "" {
			t.Fatalf("other contents differ:\n%s", diff)
		}
		for i := range copies {
			if compare(&copies[i], &one.current) < 0 {
				t.Fatalf("copy %d goes before the one in force", i)
			}
		}
		if _, ok := one.others[one.current.content]; ok {
			t.Fatal("the content in force is among the others")
		}
	})
}

func TestRecord_repetitionChangesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		copies := rapid.SliceOfN(rapid.Custom(drawStatement), 1, 6).Draw(t, "copies")
		var r record
		mergeAll(&r, copies)
		for _, s := range copies {
			if counts, changed := r.merge(s); counts != termDuplicate || changed {
				t.Fatalf("a copy again counts as %s and changes the fact: %t", counts, changed)
			}
		}
	})
}

// mergeAll merges copies and counts their terms.
func mergeAll(r *record, copies []statement) map[term]int {
	terms := make(map[term]int)
	for _, s := range copies {
		t, _ := r.merge(s)
		terms[t]++
	}
	return terms
}

func TestCompare_earlierThenBodyThenExactThenTrust(t *testing.T) {
	t.Parallel()
	inOrder := []statement{
		{at: 1, body: []byte("z"), trust: 1},
		{at: 2, body: []byte("a"), trust: 1},
		{at: 2, body: []byte("b"), trust: 3},
		{at: 2, body: []byte("b"), trust: 1, source: uuid.UUID{1}},
		{at: 2, body: []byte("b"), trust: 1, source: uuid.UUID{2}},
		{at: 2, body: []byte("b"), trust: 3, wholeSecond: true},
		{at: 3, body: []byte("a"), trust: 3},
	}
	for range 20 {
		var r record
		for _, i := range rand.Perm(len(inOrder)) {
			s := inOrder[i]
			s.content = uuid.NewSHA1(uuid.Nil, s.body)
			r.merge(s)
		}
		if compare(&r.current, &inOrder[0]) != 0 {
			t.Fatalf("in force is %+v", r.current)
		}
	}
	for i := range inOrder[1:] {
		if compare(&inOrder[i], &inOrder[i+1]) >= 0 {
			t.Errorf("copy %d does not go before copy %d", i, i+1)
		}
	}
}
