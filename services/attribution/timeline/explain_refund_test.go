package timeline_test

import (
	"encoding/json"
	"fmt"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/attribution/timeline"
	"github.com/touchline/touchline/services/internal/hit"
)

// refund is a refund of an order.
func (s *stage) refund(id string, at hit.Instant, properties string) *hit.Fact {
	f := s.add(hit.KindEvent, hit.TrustServer, id, at)
	f.Event = &hit.Event{Name: "Order Refunded", Properties: json.RawMessage(properties)}
	return f
}

// credited100 plays an order of 100 that a visit earned.
func credited100(s *stage) {
	s.visit("p", 10, "d")
	f := s.order("b", 30, hit.TrustServer, `{"order_id":"o","value":100,"tier":"basic"}`)
	f.Identifiers, f.Device = who(hit.Phone, alice), &hit.Identifier{Kind: hit.Device, Value: "d"}
}

func TestExplain_RefundsAndWhatDoesNotCount(t *testing.T) {
	t.Parallel()
	barred := []string{
		`paid_search p "conversion_not_counted" by identify b of +4790000001 from 10`,
		`  click p "conversion_not_counted" rule 0 window 60 age 20`,
	}
	explainAll(t, []why{
		{
			name: "a refund is told by its original, from whose time windows count",
			play: func(s *stage) {
				credited100(s)
				s.refund("r", 5000, `{"order_id":"o","value":25}`)
			},
			ask: timeline.Question{ID: "r"},
			want: []string{
				`purchase r "" of order:o`,
				`paid_search p "" weights [1000000000000 1000000000000] credited [-25.00 -25.00] by identify b of +4790000001 from 10`,
				`  click p "" rule 0 window 60 age 20`,
			},
		},
		{
			name: "a refund of an order that nobody reported earns nobody anything back",
			play: func(s *stage) {
				s.visit("p", 10, "d")
				f := s.refund("r", 20, `{"order_id":"o","value":25}`)
				f.Identifiers, f.Device = who(hit.Phone, alice), &hit.Identifier{Kind: hit.Device, Value: "d"}
			},
			ask: timeline.Question{ID: "r"},
			want: []string{
				`purchase r ""`,
				`paid_search p "refund_of_unknown_order" by identify r of +4790000001 from 10`,
				`  click p "refund_of_unknown_order" rule 0 window 60 age 10`,
			},
		},
		{
			name:   "a condition that does not hold",
			policy: func(p *policy.Policy) { p.Conversions[0].Where = map[string]string{"tier": "vip"} },
			play:   credited100,
			ask:    timeline.Question{ID: "order:o"},
			want:   append([]string{`purchase order:o "where"`}, barred...),
		},
		{
			name:   "one of that person counted shortly before",
			policy: func(p *policy.Policy) { p.Conversions[0].OnceWithinSeconds = 3600 },
			play: func(s *stage) {
				credited100(s)
				s.buy("a", 29, alice)
			},
			ask:  timeline.Question{ID: "order:o"},
			want: append([]string{`purchase order:o "once_within"`}, barred...),
		},
		{
			name: "refunds that take nothing: without an order",
			play: func(s *stage) { s.refund("r", 40, `{"value":1}`) },
			ask:  timeline.Question{ID: "r"},
			want: []string{`purchase r "refund_without_order"`},
		},
		{
			name: "in another currency",
			play: func(s *stage) { credited100(s); s.refund("r", 40, `{"order_id":"o","value":1,"currency":"EUR"}`) },
			ask:  timeline.Question{ID: "r"},
			want: append([]string{`purchase r "refund_of_another_currency" of order:o`}, barred...),
		},
		{
			name: "a second copy of one",
			play: func(s *stage) {
				credited100(s)
				s.refund("r1", 40, `{"order_id":"o","value":1,"refund_id":"x"}`)
				s.refund("r2", 41, `{"order_id":"o","value":1,"refund_id":"x"}`)
			},
			ask:  timeline.Question{ID: "r2"},
			want: append([]string{`purchase r2 "refund_repeated" of order:o`}, barred...),
		},
		{
			name:   "of an order that does not count",
			policy: func(p *policy.Policy) { p.Conversions[0].Where = map[string]string{"tier": "vip"} },
			play:   func(s *stage) { credited100(s); s.refund("r", 40, `{"order_id":"o","value":1}`) },
			ask:    timeline.Question{ID: "r"},
			want:   append([]string{`purchase r "refund_of_uncounted" of order:o`}, barred...),
		},
		{
			name: "of an order without a value",
			play: func(s *stage) {
				s.order("b", 30, hit.TrustServer, `{"order_id":"o"}`)
				s.refund("r", 40, `{"order_id":"o","value":1}`)
			},
			ask:  timeline.Question{ID: "r"},
			want: []string{`purchase r "refund_of_no_value" of order:o`},
		},
	})
}

// What a verdict says besides its reason, which definition answers and which copy
// decides what.
func TestExplain_SaysWhatDecided(t *testing.T) {
	t.Parallel()
	p := policy.Default()
	narrow(&p)
	p.Conversions = append(p.Conversions,
		policy.Definition{Name: "vip", Event: "Order Completed", Where: map[string]string{"tier": "vip", "z": "1"}, ValueProperties: []string{"value"}},
		policy.Definition{Name: "once", Event: "Order Completed", OnceWithinSeconds: 3600, ValueProperties: []string{"value"}})
	var facts stage
	facts.buy("a", 29, alice)
	facts.order("b", 30, hit.TrustWebhook, `{"order_id":"o","tier":"basic"}`)
	facts.order("c", 31, hit.TrustServer, `{"order_id":"o","value":7}`).Identifiers = who(hit.Phone, alice)
	facts.order("d", 32, hit.TrustBrowser, `{"order_id":"o","value":9}`).Device = &hit.Identifier{Kind: hit.Device, Value: "d"}
	in := timeline.Input{Workspace: uuid.NameSpaceOID, Currency: "NOK", Policy: &p, Facts: facts}
	ask := func(definition string) string {
		e, ok := timeline.Explain(in, timeline.Question{ID: "order:o", Definition: definition})
		if !ok {
			return "not known"
		}
		v := e.Verdict
		return fmt.Sprintf("%s of %v: %s %s wants %s has %s, %s at %d", e.Row.Definition, e.Definitions, v.Reason, v.Property, v.Wanted, v.Stated, v.Other, v.OtherAt)
	}
	for definition, want := range map[string]string{
		"":         "purchase of [purchase vip once]:   wants  has ,  at 0",
		"vip":      "vip of [purchase vip once]: where tier wants vip has basic,  at 0",
		"once":     fmt.Sprintf("once of [purchase vip once]: once_within  wants  has , a at %d", noon+29*minute),
		"whatsapp": "not known",
	} {
		if got := ask(definition); got != want {
			t.Errorf("%q: %s, want %s", definition, got, want)
		}
	}
	e, _ := timeline.Explain(in, timeline.Question{ID: "order:o"})
	var copies []string
	for _, c := range e.Copies {
		copies = append(copies, fmt.Sprintf("%s leads %t names %t values %t", c.ID, c.Leads, c.Names, c.Values))
	}
	want := []string{"b leads true names false values false", "c leads false names true values true", "d leads false names false values false"}
	if diff := gocmp.Diff(want, copies); diff != "" {
		t.Error(diff)
	}
	if _, ok := timeline.Explain(in, timeline.Question{ID: "order:x"}); ok {
		t.Error("an order that nobody reported is explained")
	}
}
