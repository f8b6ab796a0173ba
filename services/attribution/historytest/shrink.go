// Package historytest is what tests over random histories share: a history on which
// the product is wrong is shrunk ([Shrink]) and printed as a world ([World]). Its own
// tests play random histories against real workers. Only tests may import it.
package historytest

import (
	"encoding/json"
	"slices"

	"github.com/touchline/touchline/services/attribution/reftest"
	"github.com/touchline/touchline/services/internal/hit"
)

// Shrink drops from h whatever can be dropped while it fails. Of several histories,
// failing returns the place of the first one that fails, -1 when none does; it may
// give up at any time by returning -1. The order of the facts is kept.
func Shrink(h reftest.History, failing func([]reftest.History) int) reftest.History {
	for {
		next := simpler(&h)
		i := failing(next)
		if i < 0 {
			return h
		}
		h = next[i]
	}
}

// simpler returns histories with one thing less than h.
func simpler(h *reftest.History) (all []reftest.History) {
	add := func(change func(*reftest.History)) {
		next := reftest.History{Policy: h.Policy, Facts: slices.Clone(h.Facts)}
		change(&next)
		all = append(all, next)
	}
	for size := len(h.Facts) / 2; size > 0; size /= 2 {
		for i := 0; i+size <= len(h.Facts); i += size {
			add(func(n *reftest.History) { n.Facts = slices.Delete(n.Facts, i, i+size) })
		}
	}
	for i, f := range h.Facts {
		for j := range f.Identifiers {
			add(func(n *reftest.History) { n.Facts[i].Identifiers = slices.Delete(slices.Clone(f.Identifiers), j, j+1) })
		}
		if f.Device != nil {
			add(func(n *reftest.History) { n.Facts[i].Device = nil })
		}
		if f.Event != nil && string(f.Event.Properties) != `{"value":"1"}` {
			add(func(n *reftest.History) {
				n.Facts[i].Event = &hit.Event{Name: f.Event.Name, Properties: json.RawMessage(`{"value":"1"}`)}
			})
		}
	}
	for i := range h.Policy.Models {
		add(func(n *reftest.History) { n.Policy.Models = slices.Delete(slices.Clone(h.Policy.Models), i, i+1) })
	}
	for i := range h.Policy.Windows {
		add(func(n *reftest.History) { n.Policy.Windows = slices.Delete(slices.Clone(h.Policy.Windows), i, i+1) })
	}
	for i := range h.Policy.Conversions {
		add(func(n *reftest.History) {
			n.Policy.Conversions = slices.Delete(slices.Clone(h.Policy.Conversions), i, i+1)
		})
	}
	for i := range h.Policy.KeywordRules {
		add(func(n *reftest.History) {
			n.Policy.KeywordRules = slices.Delete(slices.Clone(h.Policy.KeywordRules), i, i+1)
		})
	}
	return all
}
