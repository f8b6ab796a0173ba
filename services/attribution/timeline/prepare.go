package timeline

import (
	"cmp"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/conversion"
	"github.com/touchline/touchline/services/internal/hit"
)

// prepare returns each fact once, without blocked identifiers, in a fixed order:
// (time, id, key).
func prepare(in Input) []hit.Fact {
	type keyed struct {
		key  uuid.UUID
		fact hit.Fact
	}
	index := make(map[uuid.UUID]int, len(in.Facts))
	all := make([]keyed, 0, len(in.Facts))
	for i := range in.Facts {
		key := in.Facts[i].Key()
		at, repeated := index[key]
		if !repeated {
			index[key] = len(all)
			all = append(all, keyed{key, in.Facts[i]})
			continue
		}
		all[at].fact, _ = Merge(all[at].fact, in.Facts[i])
	}
	slices.SortFunc(all, func(a, b keyed) int {
		return cmp.Or(cmp.Compare(a.fact.At, b.fact.At), cmp.Compare(a.fact.ID, b.fact.ID), slices.Compare(a.key[:], b.key[:]))
	})
	blocked := in.Blocked
	if blocked == nil {
		blocked = plainBlock(in)
	}
	facts := make([]hit.Fact, len(all))
	for i := range all {
		facts[i] = all[i].fact
		clean(&facts[i], blocked)
	}
	return facts
}

// plainBlock compares identifiers as plain text with the policy's list.
func plainBlock(in Input) func(hit.Identifier) bool {
	list := map[string]bool{}
	for _, term := range in.Policy.Blocked() {
		list[term] = true
	}
	return func(id hit.Identifier) bool {
		if id.Folded != "" {
			return list[id.Folded]
		}
		return list[hit.FoldCase(strings.TrimSpace(id.Value))]
	}
}

// clean takes from a fact the identifiers that name nobody: those on the block list
// and, of a message to a group, all. The identifiers of the caller's fact stay.
func clean(f *hit.Fact, blocked func(hit.Identifier) bool) {
	before := len(f.Identifiers)
	f.Identifiers = slices.DeleteFunc(slices.Clone(f.Identifiers), func(id hit.Identifier) bool {
		return id.Kind == hit.Device || blocked(id)
	})
	f.Identifiers = hit.SortIdentifiers(f.Identifiers)
	dropped := len(f.Identifiers) < before
	if f.Device != nil && blocked(*f.Device) {
		f.Device, dropped = nil, true
	}
	if dropped {
		f.Flags = append(slices.Clone(f.Flags), conversion.FlagBlocked)
	}
	if f.Kind == hit.KindStatus && f.Report != nil && f.Report.Group {
		f.Identifiers = nil
	}
}
