package derive

import (
	"context"
	"slices"
	"strings"

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
	parts   [][]hit.Fact      // of facts, sharing nothing, to be derived side by side; nil: not known
	outcome *timeline.Outcome // of facts, not changed; nil: not derived yet
	draft   *draft            // of outcome; nil: none was made
	size    int               // how many facts there are when they are not kept
	on      *held             // what held says when they are not kept
	fresh   Fresh
	split   bool // messages may be written in a transaction of their own
}

// held lists references by what a version may hold on them.
type held struct {
	conversions, messages []uuid.UUID // anchors
	strong, devices       []uuid.UUID // digests of identifiers
}

func (h *held) lists() [4]*[]uuid.UUID {
	return [...]*[]uuid.UUID{&h.conversions, &h.messages, &h.strong, &h.devices}
}

// held returns where a version may hold something: conversions on references of facts that
// make events, messages on those of what is said of them, and what it holds of identifiers
// on those that are stated. On references of unknown kind, which copies carried that are
// not there any more, it may hold anything.
func (g *gathered) held() held {
	var h held
	lists := h.lists()
	listed := make(map[uuid.UUID]uint8, len(g.facts)) // bits: in which of lists
	add := func(list int, ref uuid.UUID) {
		if bit := uint8(1) << list; listed[ref]&bit == 0 {
			listed[ref] |= bit
			*lists[list] = append(*lists[list], ref)
		}
	}
	const conversions, messages, strong, devices = 0, 1, 2, 3
	for i := range g.facts {
		f := &g.facts[i]
		if !g.fresh.Persons {
			for _, id := range f.Identifiers {
				add(strong, fact.IdentifierRef(id).Value)
			}
			if f.Device != nil {
				add(devices, fact.IdentifierRef(*f.Device).Value)
			}
		}
		if !g.fresh.Rows && (f.Kind == hit.KindMessage || f.Kind == hit.KindStatus) {
			add(messages, fact.Anchor(f).Value)
		}
		if g.fresh.Rows || !makesEvents(f) {
			continue
		}
		for _, r := range fact.Refs(f) { // which of them is its anchor may have been another one of a copy before
			if r.Kind == fact.RefMessage || r.Kind == fact.RefOrder || r.Kind == fact.RefEvent {
				add(conversions, r.Value)
			}
		}
	}
	for ref, kind := range g.refs {
		for list := range lists {
			if kind == 0 {
				add(list, ref)
			}
		}
	}
	return h
}

// makesEvents reports whether conversions may follow from a fact, whichever of its copies
// is in force: see package conversion.
func makesEvents(f *hit.Fact) bool {
	return f.Kind == hit.KindEvent || f.Kind == hit.KindInbound || f.Kind == hit.KindStatus && strings.HasPrefix(string(f.Status), hit.StatusPaymentPrefix)
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
