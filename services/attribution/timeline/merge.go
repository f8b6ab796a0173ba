package timeline

import (
	"bytes"
	"slices"

	"github.com/touchline/touchline/services/attribution/fact"
	"github.com/touchline/touchline/services/internal/hit"
)

// Merge decides between two copies of one fact (equal [hit.Fact.Key]): the smaller by
// [fact.Copy] wins and gets the earlier time of receipt; equal copies join their
// flags. Same reports whether the copies state the same, times aside; otherwise they
// are in conflict. Merge is commutative, associative and idempotent. The facts are in
// stored form, so that identifiers are digests.
func Merge(a, b hit.Fact) (winner hit.Fact, same bool) {
	bodyA, bodyB := content(&a), content(&b)
	switch order := copyOf(&a, bodyA).Compare(copyOf(&b, bodyB)); {
	case order < 0:
		winner = a
	case order > 0:
		winner = b
	default:
		winner = a
		winner.Flags = union(a.Flags, b.Flags)
	}
	winner.ReceivedAt = min(a.ReceivedAt, b.ReceivedAt)
	return winner, bytes.Equal(bodyA, bodyB)
}

func copyOf(f *hit.Fact, body []byte) fact.Copy {
	return fact.Copy{At: f.At, Body: body, Precision: f.Precision, Trust: f.Trust, Source: f.Source}
}

// union returns the flags of both, sorted; nil when there are none.
func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

// content is the canonical JSON of a fact, nil when it has none: storage refuses
// such a fact before it gets here.
func content(f *hit.Fact) []byte {
	body, _, err := hit.Content(f)
	if err != nil {
		return nil
	}
	return body
}
