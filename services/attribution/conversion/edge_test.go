package conversion

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/keyword"
	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/internal/hit"
)

func TestConversions_Edges(t *testing.T) {
	t.Parallel()
	buy := policy.Definition{Name: "purchase", Event: "Buy", RefundEvent: "Refund"}
	daily, secondly := buy, buy
	daily.OnceWithinSeconds, secondly.OnceWithinSeconds = 10, 1
	where, empty := buy, buy
	where.Where, empty.Where = map[string]string{"country": "NO"}, map[string]string{"note": ""}
	flagged := event("Buy", "e", 3, 1, `{"order_id": "1"}`)
	flagged.Flags = []string{"time_corrected"}
	tests := []struct {
		name       string
		definition policy.Definition
		facts      []hit.Fact
		want       []string
	}{
		{"without a refund event nothing is a refund", policy.Definition{Name: "purchase", Event: "Buy"}, []hit.Fact{event("", "r", 2, 1, `{"order_id": "1"}`)}, nil},
		{"the first ever counts, however early", daily, []hit.Fact{event("Buy", "a", 2, 5, `{}`, "a"), event("Buy", "b", 2, 6, `{}`, "a")}, []string{"a -"}},
		{"once within a second", secondly, []hit.Fact{event("Buy", "a", 2, 5, `{}`, "a"), event("Buy", "b", 2, 1_000_004, `{}`, "a"), event("Buy", "c", 2, 1_000_005, `{}`, "a")}, []string{"a -", "c -"}},
		{"of one instant the smaller conversion id", daily, []hit.Fact{event("Buy", "z", 2, 5, `{}`, "a"), event("Buy", "zz", 2, 5, `{"order_id": "1"}`, "a")}, []string{"order:1 -"}},
		{"an order's id is one like others", daily, []hit.Fact{event("Buy", "a", 2, 5, `{}`, "a"), event("Buy", "zz", 2, 5, `{"order_id": "1"}`, "a")}, []string{"a -"}},
		{"the lead's flags", buy, []hit.Fact{flagged, event("Buy", "f", 2, 1, `{"order_id": "1"}`)}, []string{"order:1 - time_corrected"}},
		{"a condition met by a less trusted copy alone", where, []hit.Fact{event("Buy", "e", 3, 1, `{"order_id": "1"}`), event("Buy", "f", 2, 1, `{"order_id": "1", "country": "NO"}`)}, []string{"order:1 -"}},
		{"an object is no empty text", empty, []hit.Fact{event("Buy", "e", 2, 1, `{"note": {}}`), event("Buy", "f", 2, 1, `{"note": ""}`), event("Buy", "g", 2, 1, `{}`)}, []string{"f -"}},
		{"a dropped value is told though a later copy has one", buy, []hit.Fact{
			event("Buy", "e", 3, 1, `{"order_id": "1", "value": "free"}`), event("Buy", "f", 2, 1, `{"order_id": "1", "value": 7}`),
		}, []string{"order:1 7NOK value_not_a_number"}},
		{"a dropped value is told though a later copy has none", buy, []hit.Fact{
			event("Buy", "e", 3, 1, `{"order_id": "1", "value": "free"}`), event("Buy", "f", 2, 1, `{"order_id": "1"}`),
		}, []string{"order:1 - value_not_a_number"}},
		{"a refund that names no order stops nobody's", buy, []hit.Fact{
			event("Buy", "e", 2, 1, `{"order_id": "1", "value": 9}`), event("Refund", "r0", 2, 2, `{}`), event("Refund", "r1", 2, 2, `{"order_id": "1"}`),
		}, []string{"order:1 9NOK", "- r1 9 0"}},
		{"an empty refund id is none", buy, []hit.Fact{
			event("Buy", "e", 2, 1, `{"order_id": "1", "value": 9}`), event("Refund", "r1", 2, 2, `{"order_id": "1", "refund_id": "", "value": 1}`),
			event("Refund", "r2", 2, 3, `{"order_id": "1", "refund_id": " ", "value": 1}`), event("Refund", "r3", 2, 4, `{"order_id": "1", "refund_id": {}, "value": 1}`),
		}, []string{"order:1 9NOK", "- r1 9 8", "- r2 8 7", "- r3 7 6"}},
		{"a refund id is no event id", buy, []hit.Fact{
			event("Buy", "e", 2, 1, `{"order_id": "1", "value": 9}`), event("Refund", "r1", 2, 2, `{"order_id": "1", "refund_id": "r2", "value": 1}`),
			event("Refund", "r2", 2, 3, `{"order_id": "1", "value": 1}`),
		}, []string{"order:1 9NOK", "- r1 9 8", "- r2 8 7"}},
		{"refunds by time, whoever is trusted more", buy, []hit.Fact{
			event("Buy", "e", 2, 1, `{"order_id": "1", "value": 9}`), event("Refund", "a", 3, 4, `{"order_id": "1", "value": 1}`),
			event("Refund", "b", 2, 3, `{"order_id": "1", "value": 2}`),
		}, []string{"order:1 9NOK", "- b 9 7", "- a 7 6"}},
		{"refunds of one instant by id, whoever is trusted more", buy, []hit.Fact{
			event("Buy", "e", 2, 1, `{"order_id": "1", "value": 9}`), event("Refund", "b", 3, 3, `{"order_id": "1", "value": 1}`),
			event("Refund", "a", 2, 3, `{"order_id": "1", "value": 2}`),
		}, []string{"order:1 9NOK", "- a 9 7", "- b 7 6"}},
		{"a refund whose value is no number is of all that is left", buy, []hit.Fact{
			event("Buy", "e", 2, 1, `{"order_id": "1", "value": 9}`), event("Refund", "r", 2, 2, `{"order_id": "1", "value": "all"}`),
		}, []string{"order:1 9NOK", "- r 9 0 value_not_a_number"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for range 2 {
				if diff := cmp.Diff(tt.want, count(tt.definition, tt.facts...)); diff != "" {
					t.Error(diff)
				}
				slices.Reverse(tt.facts)
			}
		})
	}
}

func TestConversions_NoCurrencyWithoutValue(t *testing.T) {
	t.Parallel()
	rules := Rules{Definitions: []policy.Definition{{Name: "d", Event: "Buy"}}, Currency: "NOK", Owner: func(*hit.Fact) Owner { return Owner{} }}
	got := Conversions(eventsOf(event("Buy", "e", 2, 1, `{"currency": "EUR"}`)), rules).Conversions[0]
	if got.Value != nil || got.Currency != "" {
		t.Errorf("value %v, currency %q", got.Value, got.Currency)
	}
}

func TestConversions_OrphanFlags(t *testing.T) {
	t.Parallel()
	rules := Rules{
		Definitions: []policy.Definition{{Name: "d", Event: "Buy", RefundEvent: "Refund", ValueProperties: []string{"value"}}},
		Currency:    "NOK", Owner: func(*hit.Fact) Owner { return Owner{} },
	}
	flagged := event("Refund", "a", 2, 1, `{"order_id": "1", "value": 5}`)
	flagged.Flags = []string{"time_corrected"}
	orphans := Conversions(eventsOf(flagged, event("Refund", "b", 2, 2, `{"order_id": "1", "value": "x", "currency": "EUR"}`)), rules).Orphans
	if len(orphans) != 2 {
		t.Fatalf("%d orphans", len(orphans))
	}
	if diff := cmp.Diff([]string{"time_corrected", FlagRefundUnknown}, orphans[0].Flags); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{FlagRefundUnknown, FlagNotANumber}, orphans[1].Flags); diff != "" || orphans[1].Currency != "" {
		t.Errorf("currency %q\n%s", orphans[1].Currency, diff)
	}
}

// Copies are ordered by trust, time and id; two statuses or sources only make the
// order total.
func TestCopy_Compare(t *testing.T) {
	t.Parallel()
	source := func(n byte) uuid.UUID { return uuid.UUID{n} }
	of := func(trust hit.Trust, at hit.Instant, id string, status hit.Status, from uuid.UUID) *Copy {
		return &Copy{ID: id, Fact: &hit.Fact{Trust: trust, At: at, ID: id, Status: status, Source: from}}
	}
	order := []*Copy{
		of(3, 9, "z", "", source(9)), of(2, 1, "z", "", source(9)), of(2, 5, "a", "z", source(9)), of(2, 5, "b", "a", source(9)),
		of(2, 5, "b", "b", source(1)), of(2, 5, "b", "b", source(2)), of(1, 0, "", "", source(0)),
	}
	for i, c := range order {
		for j, d := range order {
			if got, want := c.compare(d), max(-1, min(1, i-j)); got != want {
				t.Errorf("copy %d against %d: %d, want %d", i, j, got, want)
			}
		}
	}
}

func TestEvents_Order(t *testing.T) {
	t.Parallel()
	facts := []hit.Fact{
		event("B", "1", 2, 1, `{}`), event("A", "9", 2, 1, `{"order_id": "2"}`), event("A", "8", 2, 1, `{"order_id": "3"}`),
		event("A", "z", 3, 1, `{}`), event("A", "a", 2, 1, `{}`), event("A", "b", 2, 2, `{}`),
	}
	want := []string{"A  z", "A  a", "A  b", "A 2 9", "A 3 8", "B  1"}
	for range len(facts) {
		facts = append(facts[1:], facts[0])
		var got []string
		for _, e := range eventsOf(facts...) {
			got = append(got, e.Name+" "+e.OrderID+" "+e.Lead().ID)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
}

// Of the statuses that report one payment only the earliest is there; what others
// reported under the same name and id stays a copy.
func TestEvents_PaymentBesideOtherReports(t *testing.T) {
	t.Parallel()
	status := func(s hit.Status, at hit.Instant) hit.Fact {
		return hit.Fact{
			Kind: hit.KindStatus, Channel: hit.ChannelWhatsApp, ID: "m", Status: s, Trust: hit.TrustWebhook, At: at,
			Report: &hit.Report{Payment: &hit.Payment{Amount: hit.Amount{Amount: "10", Currency: "INR"}}},
		}
	}
	facts := []hit.Fact{
		status("payment:captured", 5), event("whatsapp.payment", "m:payment", hit.TrustWebhook, 6, `{}`), status("payment:success", 7),
		event("whatsapp.payment", "m:payment", hit.TrustServer, 1, `{}`),
	}
	for range len(facts) {
		facts = append(facts[1:], facts[0])
		events := eventsOf(facts...)
		var got []string
		for _, e := range events {
			for _, c := range e.Copies {
				got = append(got, fmt.Sprint(c.Fact.Kind, c.Fact.Status, c.Fact.At))
			}
		}
		if diff := cmp.Diff([]string{"statuspayment:captured5", "event6", "event1"}, got); diff != "" || len(events) != 1 {
			t.Errorf("%d events\n%s", len(events), diff)
		}
	}
}

func TestEvent_Precision(t *testing.T) {
	t.Parallel()
	f := event("Buy", "e", 2, 7, `{}`)
	f.Precision = hit.PrecisionSecond
	if at, precision := eventsOf(f)[0].At(); at != 7 || precision != hit.PrecisionSecond {
		t.Errorf("at %d, precision %d", at, precision)
	}
}

// What a fact reports depends on its kind and on what it has in it, both.
func TestCopies_KindAndContent(t *testing.T) {
	t.Parallel()
	rules := keyword.Compile([]keyword.Rule{{Event: "yes", Any: []string{"yes"}, Currency: "EUR"}})
	text := &hit.Inbound{Type: "text", Text: "yes"}
	paid := &hit.Report{Payment: &hit.Payment{}}
	whatsapp := func(f hit.Fact) hit.Fact {
		f.Channel, f.ID = hit.ChannelWhatsApp, "x"
		return f
	}
	tests := []struct {
		name  string
		fact  hit.Fact
		rules *keyword.Set
		want  []string
	}{
		{"an event", hit.Fact{Kind: hit.KindEvent, ID: "x", Event: &hit.Event{Name: "Buy"}}, rules, []string{"Buy x"}},
		{"an event without one", hit.Fact{Kind: hit.KindEvent, ID: "x"}, rules, nil},
		{"an event's content in a page view", hit.Fact{Kind: hit.KindPage, ID: "x", Event: &hit.Event{Name: "Buy"}}, rules, nil},
		{"an inbound message's in a status", whatsapp(hit.Fact{Kind: hit.KindStatus, Inbound: text}), rules, nil},
		{"a text without rules", whatsapp(hit.Fact{Kind: hit.KindInbound, Inbound: text}), nil, []string{"whatsapp.message x"}},
		{"a rule without a value", whatsapp(hit.Fact{Kind: hit.KindInbound, Inbound: text}), rules, []string{"whatsapp.message x", "yes x:yes"}},
		{"a payment", whatsapp(hit.Fact{Kind: hit.KindStatus, Status: "payment:success", Report: paid}), rules, []string{"whatsapp.payment x:payment"}},
		{"a payment without a report", whatsapp(hit.Fact{Kind: hit.KindStatus, Status: "payment:success"}), rules, nil},
		{"a payment without an amount", whatsapp(hit.Fact{Kind: hit.KindStatus, Status: "payment:success", Report: &hit.Report{}}), rules, nil},
		{"a payment in an inbound message", whatsapp(hit.Fact{Kind: hit.KindInbound, Status: "payment:success", Report: paid}), rules, nil},
		{"another status", whatsapp(hit.Fact{Kind: hit.KindStatus, Status: "success", Report: paid}), rules, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, c := range Copies(&tt.fact, tt.rules) {
				got = append(got, c.Name+" "+c.ID)
				if len(c.Properties) > 0 {
					t.Errorf("%s has properties: %v", c.Name, c.Properties)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCopies_FlowAndButton(t *testing.T) {
	t.Parallel()
	flow := hit.Fact{Kind: hit.KindInbound, Channel: hit.ChannelWhatsApp, ID: "x", Inbound: &hit.Inbound{Interact: "nfm_reply", Fields: json.RawMessage(`{"order_id": " 17 "}`)}}
	if got := Copies(&flow, nil)[1]; got.Name != EventFlow || got.OrderID != "17" || !got.InThread {
		t.Errorf("%+v", got)
	}
	for _, interact := range []string{"button", "button_reply", "list_reply"} {
		f := hit.Fact{Kind: hit.KindInbound, Channel: hit.ChannelWhatsApp, ID: "x", Inbound: &hit.Inbound{Interact: interact, Payload: "P"}}
		got := Copies(&f, nil)
		if len(got) != 2 || got[1].Name != EventButton || !got[1].Properties.has("payload") || got[1].Properties.has("title") {
			t.Errorf("%s: %+v", interact, got)
		}
	}
}

func TestParseProperties_NothingElse(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{"", "null", "[1]", `"a"`, "{", "7", `{"a":1}{}`} {
		p := ParseProperties(json.RawMessage(raw))
		if p == nil || len(p) > 0 {
			t.Errorf("%q has properties %v", raw, p)
		}
		p.setText("a", "b") // a nil map would panic
	}
}

func TestProperties_Text(t *testing.T) {
	t.Parallel()
	p := ParseProperties(json.RawMessage(`{"s": " x ", "e": "", "n": 1.50, "t": true, "o": {}, "a": ["x"], "z": null}`))
	for name, want := range map[string]string{"s": " x ", "e": "", "n": "1.50", "t": "true"} {
		if got, ok := p.text(name); got != want || !ok {
			t.Errorf("%s: %q %v", name, got, ok)
		}
	}
	for _, name := range []string{"o", "a", "z", "missing"} {
		if got, ok := p.text(name); got != "" || ok {
			t.Errorf("%s: %q %v", name, got, ok)
		}
		if got, ok := p.amount(name); got != nil || ok {
			t.Errorf("%s: amount %v %v", name, got, ok)
		}
	}
	if p.has("z") || p.has("missing") || !p.has("e") {
		t.Error("null is absent, an empty text is not")
	}
}

// An amount has at most 1000 digits on either side of the point and 2000 characters.
func TestParseAmount_Bounds(t *testing.T) {
	t.Parallel()
	zeros := func(n int) string { return strings.Repeat("0", n) }
	for text, want := range map[string]bool{
		"1e999": true, "1e1000": false, "123e997": true, "123e998": false, "1e-1000": true, "1e-1001": false, "123e-1000": true,
		zeros(1999) + "1": true, zeros(2000) + "1": false, " " + zeros(1999) + "1 ": true, zeros(1000): true,
		strings.Repeat("9", 1000): true, strings.Repeat("9", 1001): false, "0." + zeros(999) + "1": true, "0." + zeros(1000) + "1": false,
	} {
		if _, ok := ParseAmount(text); ok != want {
			t.Errorf("%.12s… of %d characters: %v, want %v", text, len(text), ok, want)
		}
	}
	for _, text := range []string{"-0.00", "0e5", "-0"} {
		if d, ok := ParseAmount(text); !ok || d.Text('f') != "0" || d.Negative || d.Exponent != 0 {
			t.Errorf("%s is %v %v", text, d, ok)
		}
	}
}
