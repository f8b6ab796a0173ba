package derive

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/fact"
	"github.com/touchline/touchline/services/attribution/timeline"
	"github.com/touchline/touchline/services/internal/hit"
)

// closure gathers all facts that can bear on conclusions about refs, and all
// references that those facts carry: everything reachable over shared references.
// Facts outside it share nothing with facts inside, so deriving it whole gives what
// deriving the whole workspace would.
//
// Identifiers that every version blocks connect nothing and are not walked through. The
// facts are not loaded.
func closure(ctx context.Context, facts Facts, refs []uuid.UUID, versions []Version) (gathered, error) {
	found := gathered{refs: make(map[uuid.UUID]fact.RefKind, len(refs)), keys: make(map[uuid.UUID]bool)}
	frontier := found.addRefs(refs, versions)
	for len(frontier) > 0 {
		keys, err := facts.ByRef(ctx, frontier)
		if err != nil {
			return gathered{}, err
		}
		keys = slices.DeleteFunc(keys, func(k uuid.UUID) bool { return found.keys[k] })
		for _, k := range keys {
			found.keys[k] = true
		}
		next, err := facts.Refs(ctx, keys)
		if err != nil {
			return gathered{}, err
		}
		frontier = found.addRefs(next, versions)
	}
	return found, nil
}

// gathered is a closure: whole connected components.
type gathered struct {
	refs    map[uuid.UUID]fact.RefKind // 0: not known; nil: those of facts
	keys    map[uuid.UUID]bool
	facts   []hit.Fact
	outcome *timeline.Outcome // of facts, not changed; nil: not derived yet
	fresh   Fresh
}

// kinds returns the references on which a version may hold something, with the kinds that
// are known.
func (g *gathered) kinds() map[uuid.UUID]fact.RefKind {
	if g.refs != nil {
		return g.refs
	}
	refs := make(map[uuid.UUID]fact.RefKind, len(g.facts))
	for i := range g.facts {
		f := &g.facts[i]
		if !g.fresh.Rows {
			for _, r := range fact.Refs(f) {
				refs[r.Value] = r.Kind
			}
			continue
		}
		for _, id := range f.Identifiers {
			r := fact.IdentifierRef(id)
			refs[r.Value] = r.Kind
		}
		if f.Device != nil {
			refs[fact.IdentifierRef(*f.Device).Value] = fact.RefDevice
		}
	}
	return refs
}

// addRefs notes refs and returns those that are new and to be walked through.
func (g *gathered) addRefs(refs []uuid.UUID, versions []Version) []uuid.UUID {
	var walk []uuid.UUID
	for _, r := range refs {
		if _, known := g.refs[r]; known {
			continue
		}
		g.refs[r] = 0
		if !blockedByAll(r, versions) {
			walk = append(walk, r)
		}
	}
	return walk
}

func blockedByAll(ref uuid.UUID, versions []Version) bool {
	for _, v := range versions {
		if !v.Blocked[ref] {
			return false
		}
	}
	return len(versions) > 0
}

func mapKeys[V any](set map[uuid.UUID]V) []uuid.UUID {
	keys := make([]uuid.UUID, 0, len(set))
	for k := range set {
		keys = append(keys, k)
	}
	return keys
}

// components splits facts into groups that share no reference but blocked ones, at
// most about parts groups, of about the same size, so that they can be derived side
// by side.
func components(facts []hit.Fact, v Version, parts int) [][]hit.Fact {
	parent := make([]int, len(facts))
	for i := range parent {
		parent[i] = i
	}
	find := func(i int) int {
		for parent[i] != i {
			parent[i] = parent[parent[i]]
			i = parent[i]
		}
		return i
	}
	first := make(map[uuid.UUID]int, 2*len(facts))
	for i := range facts {
		for _, r := range fact.Refs(&facts[i]) {
			if v.Blocked[r.Value] {
				continue
			}
			j, seen := first[r.Value]
			if !seen {
				first[r.Value] = i
				continue
			}
			parent[find(i)] = find(j)
		}
	}
	return pack(facts, find, parts)
}

// pack deals components out into parts groups, always to the smallest group.
func pack(facts []hit.Fact, find func(int) int, parts int) [][]hit.Fact {
	size := make(map[int]int)
	for i := range facts {
		size[find(i)]++
	}
	groups := make([][]hit.Fact, max(1, min(parts, len(size))))
	load := make([]int, len(groups))
	groupOf := make(map[int]int, len(size))
	for i := range facts {
		root := find(i)
		group, dealt := groupOf[root]
		if !dealt {
			group = slices.Index(load, slices.Min(load))
			groupOf[root] = group
			load[group] += size[root]
		}
		groups[group] = append(groups[group], facts[i])
	}
	return groups
}
