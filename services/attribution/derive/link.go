package derive

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/fact"
	"github.com/touchline/touchline/services/attribution/identity"
	"github.com/touchline/touchline/services/internal/hit"
)

// checkLinks refuses a change of the links by which persons are joined: the best of
// each pair of identifiers that neither is shared. What it lets pass are links that
// are no better than the pair's and those of shared identifiers, which join nothing:
// they only change rows.
func (r *reach) checkLinks(ctx context.Context) error {
	better, gone := r.change.Links()
	if len(better)+len(gone) == 0 {
		return nil
	}
	stored, err := r.pairs(ctx, append(append([]identity.Link(nil), better...), gone...))
	if err != nil {
		return err
	}
	for _, l := range gone {
		if held, known := stored[pairOf(l)]; !known || held.Compare(l) >= 0 {
			return refusedLink
		}
	}
	var fresh []identity.Link // of pairs that nothing linked before
	for _, l := range better {
		held, known := stored[pairOf(l)]
		switch {
		case known && held.Compare(l) <= 0:
			continue
		case known && held.State == identity.Shared:
			r.current.Links = append(r.current.Links, held)
		case known || !r.shared(l.A) && !r.shared(l.B):
			return refusedLink
		default:
			fresh = append(fresh, l)
		}
		l.State = identity.Shared
		r.outcome.Links = append(r.outcome.Links, l)
	}
	return r.checkShared(ctx, fresh)
}

// pairs reads what links the pairs of links, the ends of the same kind as theirs.
func (r *reach) pairs(ctx context.Context, links []identity.Link) (map[[2]uuid.UUID]identity.Link, error) {
	kinds := make(map[uuid.UUID]hit.Identifier)
	var pairs [][2]uuid.UUID
	for _, l := range links {
		pairs = append(pairs, pairOf(l))
		kinds[fact.IdentifierRef(l.A).Value], kinds[fact.IdentifierRef(l.B).Value] = l.A, l.B
	}
	rows, err := r.tx.LinkPairs(ctx, r.v, pairs)
	if err != nil {
		return nil, fmt.Errorf("read links: %w", err)
	}
	stored := make(map[[2]uuid.UUID]identity.Link, len(rows))
	for _, l := range rows {
		l.A, l.B = kinds[fact.IdentifierRef(l.A).Value], kinds[fact.IdentifierRef(l.B).Value]
		stored[pairOf(l)] = l
	}
	return stored, nil
}

// pairOf is both ends of a link, the same whichever was stated first.
func pairOf(l identity.Link) [2]uuid.UUID {
	pair := l.Pair()
	return [2]uuid.UUID{fact.IdentifierRef(pair[0]).Value, fact.IdentifierRef(pair[1]).Value}
}

func (r *reach) shared(id hit.Identifier) bool {
	return r.assigned[fact.IdentifierRef(id).Value].Shared
}

// neighbours counts, of identifiers, with how many of each kind they are linked.
type neighbours map[uuid.UUID]map[hit.IdentifierKind]int

func (n neighbours) add(end uuid.UUID, kind hit.IdentifierKind) {
	if n[end] == nil {
		n[end] = make(map[hit.IdentifierKind]int)
	}
	n[end][kind]++
}

// tooMany reports whether one of them is linked with so many that it is shared.
func (n neighbours) tooMany() bool {
	for _, counts := range n {
		for _, count := range counts {
			if count > identity.SharedAbove {
				return true
			}
		}
	}
	return false
}

// checkShared refuses when the other end of a new link with a shared identifier would
// come to be shared by it.
func (r *reach) checkShared(ctx context.Context, links []identity.Link) error {
	ends := make(neighbours)
	for _, l := range links {
		for _, end := range [][2]hit.Identifier{{l.A, l.B}, {l.B, l.A}} {
			if !r.shared(end[0]) {
				ends.add(fact.IdentifierRef(end[0]).Value, end[1].Kind)
			}
		}
	}
	if len(ends) == 0 {
		return nil
	}
	held, err := r.tx.Links(ctx, r.v, mapKeys(ends))
	if err != nil {
		return fmt.Errorf("read links: %w", err)
	}
	var others []uuid.UUID
	for _, l := range held {
		others = append(others, fact.IdentifierRef(l.A).Value, fact.IdentifierRef(l.B).Value)
	}
	if err := r.assigned.read(ctx, r.tx, r.v, others); err != nil {
		return err
	}
	for _, l := range held {
		a, b := fact.IdentifierRef(l.A).Value, fact.IdentifierRef(l.B).Value
		for _, end := range [][2]uuid.UUID{{a, b}, {b, a}} {
			if ends[end[0]] != nil {
				ends.add(end[0], r.assigned[end[1]].Identifier.Kind)
			}
		}
	}
	if ends.tooMany() {
		return refusedShared
	}
	return nil
}
