package historytest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/digest"
	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/attribution/reftest"
	"github.com/touchline/touchline/services/internal/hit"
)

// nobody are the identifiers that generated policies block: they name nobody, so that
// histories of one workspace may have them in common.
var nobody = []string{"null", "u9", "guest"}

// past is one history of a workspace that it shares with others.
type past struct {
	seed   int
	prefix string     // before every name in it
	facts  []hit.Fact // all copies that were delivered, in the order of their delivery
}

// prefixOf is what names of history number n in its workspace begin with. All have
// one length, so that names keep their order.
func prefixOf(n int) string { return fmt.Sprintf("h%03d-", n) }

// prefixIn is the prefix of the history that a conversion id is of.
func prefixIn(conversion string) string {
	conversion = strings.TrimPrefix(conversion, "order:")
	return conversion[:min(len(prefixOf(0)), len(conversion))]
}

// renamed is f with a prefix before everything by which facts find each other.
func renamed(f hit.Fact, prefix string) hit.Fact {
	name := func(text *string) {
		if *text != "" {
			*text = prefix + *text
		}
	}
	identifier := func(id *hit.Identifier) {
		if !slices.Contains(nobody, hit.FoldCase(id.Value)) {
			name(&id.Value)
		}
	}
	name(&f.ID)
	f.Identifiers = slices.Clone(f.Identifiers)
	for i := range f.Identifiers {
		identifier(&f.Identifiers[i])
	}
	f.Device = cloned(f.Device, identifier)
	f.Message = cloned(f.Message, func(m *hit.Message) { name(&m.Token) })
	f.Click = cloned(f.Click, func(c *hit.Click) { name(&c.Token) })
	f.Page = cloned(f.Page, func(p *hit.Page) { p.URL = strings.ReplaceAll(p.URL, "mt=", "mt="+prefix) })
	f.Event = cloned(f.Event, func(e *hit.Event) { e.Properties = renamedOrder(e.Properties, prefix) })
	f.Inbound = cloned(f.Inbound, func(in *hit.Inbound) {
		name(&in.Context)
		name(&in.Token)
		in.Fields = renamedOrder(in.Fields, prefix)
	})
	return f
}

func cloned[T any](from *T, change func(*T)) *T {
	if from == nil {
		return nil
	}
	to := *from
	change(&to)
	return &to
}

// renamedOrder renames the order in properties, which are in canonical form.
func renamedOrder(properties json.RawMessage, prefix string) json.RawMessage {
	order := []byte(`"order_id":"`)
	return bytes.ReplaceAll(properties, order, append(slices.Clone(order), prefix...))
}

// digested are facts as the database holds them, with the policy that blocks the same
// identifiers: contract and product compare digests, so ties between names are decided
// by them.
func digested(ring *digest.Ring, workspace uuid.UUID, h reftest.History) reftest.History {
	blocked, more := h.Policy.Blocked(), slices.Clone(h.Policy.BlockedIdentifiers)
	identifier := func(id *hit.Identifier) {
		is := slices.Contains(blocked, hit.FoldCase(id.Value))
		if *id = ring.Identifier(workspace, *id); is && !slices.Contains(more, id.Value) {
			more = append(more, id.Value)
		}
	}
	facts := slices.Clone(h.Facts)
	for i := range facts {
		facts[i].Identifiers = slices.Clone(facts[i].Identifiers)
		for j := range facts[i].Identifiers {
			identifier(&facts[i].Identifiers[j])
		}
		facts[i].Device = cloned(facts[i].Device, identifier)
	}
	p := h.Policy
	p.BlockedIdentifiers = more
	return reftest.History{Policy: p, Facts: facts}
}

// stored is p as the database gives it back.
func stored(p policy.Policy) (policy.Policy, error) {
	back, faults, err := policy.Parse(p.Document())
	if err == nil && len(faults) > 0 {
		err = fmt.Errorf("%s: %s", faults[0].Pointer, faults[0].Detail)
	}
	return back, err
}
