// Package identity concludes who is who: which strong identifiers are one person
// and who held a device when (attribution.md section 2).
//
// Statements come in, in any order; persons, links and claims go out. Package
// timeline says which facts state what. The package is pure and never looks inside
// an identifier: values are only compared for equality, and as bytes where a tie
// has to fall some way.
package identity

import (
	"cmp"
	"slices"

	"github.com/touchline/touchline/services/internal/hit"
)

// Statement is one fact's word on identifiers.
type Statement struct {
	Identifiers []hit.Identifier // strong, in order of precedence
	Trust       hit.Trust
	At          hit.Instant
	Fact        string // event, click or message id
}

// said is the earliest statement of one identifier.
type said struct {
	id         hit.Identifier
	trust      hit.Trust
	at         hit.Instant
	fact       string
	registered bool // stated by the registration of the message
}

// before orders statements by (time, fact id); of two at one place the more trusted
// goes first, so that the order is total.
func (s said) before(t said) int {
	return cmp.Or(cmp.Compare(s.at, t.at), cmp.Compare(s.fact, t.fact), cmp.Compare(t.trust, s.trust))
}

// earliest returns the earliest statement of each identifier, ordered by
// precedence, then by statement.
func earliest(statements []Statement) []said {
	var all []said
	index := map[hit.Identifier]int{}
	for i := range statements {
		s := &statements[i]
		for _, id := range s.Identifiers {
			one := said{id: id, trust: s.Trust, at: s.At, fact: s.Fact}
			at, known := index[plain(id)]
			if !known {
				index[plain(id)] = len(all)
				all = append(all, one)
			} else if one.before(all[at]) < 0 {
				all[at] = one
			}
		}
	}
	slices.SortFunc(all, func(a, b said) int {
		return cmp.Or(cmp.Compare(a.id.Kind.Precedence(), b.id.Kind.Precedence()), a.before(b), cmp.Compare(a.id.Value, b.id.Value))
	})
	return all
}

// plain is the identifier as a map key: copies may differ in the folded form only
// by its absence.
func plain(id hit.Identifier) hit.Identifier {
	return hit.Identifier{Kind: id.Kind, Value: id.Value}
}

// Compare orders identifiers by precedence of kind, then value.
func Compare(a, b hit.Identifier) int {
	return cmp.Or(cmp.Compare(a.Kind.Precedence(), b.Kind.Precedence()), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Value, b.Value))
}
