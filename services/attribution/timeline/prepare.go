package timeline

import (
	"bytes"
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
	// Facts are large: their order is found by what is small, and each is copied once.
	type place struct {
		at  hit.Instant
		key uuid.UUID
		in  int32 // place in in.Facts
	}
	index := make(map[uuid.UUID]int32, len(in.Facts)) // place in all
	all := make([]place, 0, len(in.Facts))
	var merged map[int32]hit.Fact // by place in in.Facts
	for i := range in.Facts {
		key := in.Facts[i].Key()
		at, repeated := index[key]
		if !repeated {
			index[key] = int32(len(all))
			all = append(all, place{in.Facts[i].At, key, int32(i)})
			continue
		}
		before, again := merged[all[at].in]
		if !again {
			before = in.Facts[all[at].in]
		}
		if merged == nil {
			merged = make(map[int32]hit.Fact)
		}
		winner, _ := Merge(before, in.Facts[i])
		merged[all[at].in], all[at].at = winner, winner.At
	}
	slices.SortFunc(all, func(a, b place) int {
		if a.at != b.at {
			return cmp.Compare(a.at, b.at)
		}
		return cmp.Or(cmp.Compare(in.Facts[a.in].ID, in.Facts[b.in].ID), bytes.Compare(a.key[:], b.key[:]))
	})
	blocked := in.Blocked
	if blocked == nil {
		blocked = plainBlock(in)
	}
	facts := make([]hit.Fact, len(all))
	for i := range all {
		facts[i] = in.Facts[all[i].in]
		if winner, again := merged[all[i].in]; again {
			facts[i] = winner
		}
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
