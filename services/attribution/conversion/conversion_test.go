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
	"github.com/touchline/touchline/services/internal/deptest"
	"github.com/touchline/touchline/services/internal/hit"
)

// event is a copy: name, id, trust, time, properties as JSON.
func event(name, id string, trust hit.Trust, at hit.Instant, properties string, who ...string) hit.Fact {
	f := hit.Fact{
		Kind: hit.KindEvent, ID: id, Trust: trust, At: at, Source: uuid.NewSHA1(uuid.Nil, []byte{byte(trust)}),
		Event: &hit.Event{Name: name, Properties: json.RawMessage(properties)},
	}
	for _, value := range who {
		f.Identifiers = append(f.Identifiers, hit.Identifier{Kind: hit.UserID, Value: value})
	}
	return f
}

func eventsOf(facts ...hit.Fact) []*Event {
	var copies []Copy
	for i := range facts {
		copies = append(copies, Copies(&facts[i], nil)...)
	}
	return Events(copies)
}

// count counts facts under one definition and writes what came out, one line each.
func count(d policy.Definition, facts ...hit.Fact) []string {
	if d.ValueProperties == nil {
		d.ValueProperties = []string{"value", "revenue", "total"}
	}
	c := Conversions(eventsOf(facts...), Rules{Definitions: []policy.Definition{d}, Currency: "NOK", Owner: func(f *hit.Fact) Owner {
		if len(f.Identifiers) == 0 {
			return Owner{}
		}
		return Owner{Person: uuid.NewSHA1(uuid.Nil, []byte(f.Identifiers[0].Value)), Identified: true}
	}})
	var lines []string
	line := func(parts ...any) { lines = append(lines, strings.TrimRight(fmt.Sprintln(parts...), " \n")) }
	for _, conversion := range c.Conversions {
		value := "-"
		if conversion.Value != nil {
			value = conversion.Value.Text('f') + conversion.Currency
		}
		line(conversion.ID, value, strings.Join(conversion.Flags, ","))
		for _, r := range conversion.Refunds {
			line("-", r.ID, r.Before.Text('f'), r.After.Text('f'), strings.Join(r.Flags, ","))
		}
	}
	for _, o := range c.Orphans {
		value := "-"
		if o.Value != nil {
			value = o.Value.Text('f') + o.Currency
		}
		line("!", o.ID, value)
	}
	return lines
}

func TestConversions(t *testing.T) {
	t.Parallel()
	buy := policy.Definition{Name: "purchase", Event: "Buy", RefundEvent: "Refund"}
	daily := buy
	daily.OnceWithinSeconds = 10
	where := buy
	where.Where = map[string]string{"country": "NO", "n": "17"}
	revenue := buy
	revenue.ValueProperties = []string{"revenue", "value"}
	tests := []struct {
		name       string
		definition policy.Definition
		facts      []hit.Fact
		want       []string
	}{
		{"copies of an order", buy, []hit.Fact{
			event("Buy", "b", 1, 1, `{"order_id": " 17 ", "value": 1, "currency": "eur"}`), event("Buy", "w", 3, 9, `{"order_id": 17, "total": "2.50"}`),
		}, []string{"order:17 2.5NOK"}},
		{"value and currency together", buy, []hit.Fact{
			event("Buy", "b", 1, 1, `{"order_id": "17", "value": 1, "currency": " eur"}`), event("Buy", "w", 3, 9, `{"order_id": "17", "value": null, "currency": "SEK"}`),
		}, []string{"order:17 1EUR"}},
		{"one event id of two sources", buy, []hit.Fact{event("Buy", "e", 1, 1, `{"value": 1}`), event("Buy", "e", 2, 2, `{"value": 3}`)}, []string{"e 3NOK"}},
		{"an order id and none are two", buy, []hit.Fact{event("Buy", "e", 1, 1, `{"value": 1}`), event("Buy", "e", 2, 2, `{"value": 3, "order_id": "e"}`)}, []string{"e 1NOK", "order:e 3NOK"}},
		{"names are exact", buy, []hit.Fact{event("buy", "e", 2, 1, `{"value": 1}`), event("Buy", "f", 2, 1, `{"Value": 1}`)}, []string{"f -"}},
		{"no finite number", buy, []hit.Fact{event("Buy", "e", 2, 1, `{"value": "Infinity"}`), event("Buy", "f", 2, 2, `{"value": true}`)}, []string{"e - value_not_a_number", "f - value_not_a_number"}},
		{"the next property after one that is no number", buy, []hit.Fact{event("Buy", "e", 2, 1, `{"value": "free", "total": "7"}`)}, []string{"e 7NOK value_not_a_number"}},
		{"value properties in their order", revenue, []hit.Fact{event("Buy", "e", 2, 1, `{"value": 1, "revenue": 2}`)}, []string{"e 2NOK"}},
		{"where holds", where, []hit.Fact{event("Buy", "e", 2, 1, `{"country": "NO", "n": 17}`)}, []string{"e -"}},
		{"where compares as text", where, []hit.Fact{event("Buy", "e", 2, 1, `{"country": "no", "n": 17}`), event("Buy", "f", 2, 1, `{"country": "NO", "n": 17.0}`), event("Buy", "g", 2, 1, `{"country": "NO"}`)}, nil},
		{"where looks at the most trusted copy that has it", where, []hit.Fact{
			event("Buy", "w", 3, 1, `{"order_id": "1", "country": "SE", "n": null}`), event("Buy", "b", 1, 1, `{"order_id": "1", "country": "NO", "n": 17}`),
		}, nil},
		{"once within", daily, []hit.Fact{
			event("Buy", "c", 2, 20_000_000, `{}`, "a"), event("Buy", "b", 2, 19_999_999, `{}`, "a"), event("Buy", "a", 2, 10_000_000, `{}`, "a"), event("Buy", "d", 2, 11_000_000, `{}`, "b"),
		}, []string{"a -", "d -", "c -"}},
		{"once within looks at no nobody", daily, []hit.Fact{event("Buy", "a", 2, 1, `{}`), event("Buy", "b", 2, 2, `{}`)}, []string{"a -", "b -"}},
		{"refunds never go below zero", buy, []hit.Fact{
			event("Buy", "e", 2, 1, `{"order_id": "1", "value": 100}`), event("Refund", "r1", 2, 5, `{"order_id": "1", "value": -30}`),
			event("Refund", "r2", 2, 6, `{"order_id": "1", "value": 80}`), event("Refund", "r3", 2, 7, `{"order_id": "1"}`),
		}, []string{"order:1 100NOK", "- r1 100 70", "- r2 70 0 refund_excess", "- r3 0 0"}},
		{"refunds by time and id", buy, []hit.Fact{
			event("Buy", "e", 2, 1, `{"order_id": "1", "value": 100}`), event("Refund", "r2", 2, 5, `{"order_id": "1", "value": 1}`),
			event("Refund", "r1", 2, 5, `{"order_id": "1", "value": 2}`), event("Refund", "r0", 2, 6, `{"order_id": "1", "value": 3}`),
		}, []string{"order:1 100NOK", "- r1 100 98", "- r2 98 97", "- r0 97 94"}},
		{"by time and id, not by trust", buy, []hit.Fact{
			event("Buy", "e", 2, 1, `{"order_id": "1", "value": 100}`), event("Refund", "r2", 3, 5, `{"order_id": "1", "value": 10}`),
			event("Refund", "r1", 2, 5, `{"order_id": "1", "value": 1}`),
		}, []string{"order:1 100NOK", "- r1 100 99", "- r2 99 89"}},
		{"one refund id is one refund, the most trusted", buy, []hit.Fact{
			event("Buy", "e", 2, 1, `{"order_id": "1", "value": 100}`), event("Refund", "r1", 2, 5, `{"order_id": "1", "refund_id": 9, "value": 30}`),
			event("Refund", "r2", 3, 6, `{"order_id": "1", "refund_id": "9", "value": 40}`),
		}, []string{"order:1 100NOK", "- r2 100 60"}},
		{"refund in another currency", buy, []hit.Fact{
			event("Buy", "e", 2, 1, `{"order_id": "1", "value": 100}`), event("Refund", "r1", 2, 5, `{"order_id": "1", "value": 30, "currency": "EUR"}`),
			event("Refund", "r2", 2, 5, `{"order_id": "1", "value": 30, "currency": "nok"}`),
		}, []string{"order:1 100NOK refund_currency_dropped", "- r2 100 70"}},
		{"refund of a negative value returns to zero", buy, []hit.Fact{
			event("Buy", "e", 2, 1, `{"order_id": "1", "value": -100}`), event("Refund", "r1", 2, 5, `{"order_id": "1", "value": 40}`), event("Refund", "r2", 2, 6, `{"order_id": "1"}`),
		}, []string{"order:1 -100NOK", "- r1 -100 -60", "- r2 -60 0"}},
		{"refund of nothing worth anything", where, []hit.Fact{
			event("Buy", "e", 2, 1, `{"order_id": "1", "value": 100}`), event("Refund", "r1", 2, 5, `{"order_id": "1"}`),
			event("Buy", "f", 2, 1, `{"order_id": "2", "country": "NO", "n": "17"}`), event("Refund", "r2", 2, 5, `{"order_id": "2"}`), event("Refund", "r3", 2, 5, `{}`),
		}, []string{"order:2 -"}},
		{"refund of an order nobody reported", buy, []hit.Fact{event("Refund", "r1", 2, 5, `{"order_id": "1", "value": 5}`), event("Refund", "r2", 2, 6, `{"order_id": "1"}`)}, []string{"! r1 -5NOK", "! r2 -"}},
		{"also when it is stated as negative", buy, []hit.Fact{event("Refund", "r1", 2, 5, `{"order_id": "1", "value": -5}`)}, []string{"! r1 -5NOK"}},
		{"one id of two things", buy, []hit.Fact{
			event("Buy", "order:1", 2, 9, `{}`), event("Buy", "e", 2, 9, `{"order_id": "1", "value": 4}`), event("Refund", "e2", 2, 10, `{"order_id": "1"}`), event("Buy", "e2", 1, 11, `{}`),
		}, []string{"order:1 4NOK", "- e2#2 4 0 conversion_id_taken", "order:1#2 - conversion_id_taken", "e2 -"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, count(tt.definition, tt.facts...)); diff != "" {
				t.Error(diff)
			}
			slices.Reverse(tt.facts)
			if diff := cmp.Diff(tt.want, count(tt.definition, tt.facts...)); diff != "" {
				t.Errorf("in another order:\n%s", diff)
			}
		})
	}
}

func TestCopies_InThread(t *testing.T) {
	t.Parallel()
	rules := keyword.Compile([]keyword.Rule{
		{Event: "yes", Any: []string{"yes"}, Value: "2", Currency: "EUR"}, {Event: "yes", Any: []string{"please"}, Value: "3"}, {Event: "please", Any: []string{"please"}},
	})
	in := func(i hit.Inbound) hit.Fact {
		return hit.Fact{Kind: hit.KindInbound, Channel: hit.ChannelWhatsApp, ID: "in", Trust: hit.TrustWebhook, Inbound: &i}
	}
	sms := in(hit.Inbound{Type: "text", Text: "yes"})
	sms.Channel = hit.ChannelSMS
	payment := hit.Fact{
		Kind: hit.KindStatus, Channel: hit.ChannelWhatsApp, ID: "m", Status: "payment:captured",
		Report: &hit.Report{Payment: &hit.Payment{Reference: "ref", Amount: hit.Amount{Amount: "9.90", Currency: "INR"}}},
	}
	pending := payment
	pending.Status = "payment:pending"
	tests := []struct {
		name string
		fact hit.Fact
		want []string
	}{
		{"a text", in(hit.Inbound{Type: "text", Text: "hello"}), []string{"whatsapp.message in {}"}},
		{"keywords, the first rule of a name", in(hit.Inbound{Type: "text", Text: "yes please"}), []string{
			"whatsapp.message in {}", `yes in:yes {"currency":"EUR","value":"2"}`, "please in:please {}",
		}},
		{"a caption is no text", in(hit.Inbound{Type: "image", Text: "yes"}), []string{"whatsapp.message in {}"}},
		{"an order", in(hit.Inbound{Type: "order", Order: &hit.Amount{Amount: "12", Currency: "NOK"}}), []string{"whatsapp.message in {}", `whatsapp.order in {"currency":"NOK","value":"12"}`}},
		{"an order that cannot be summed", in(hit.Inbound{Type: "order"}), []string{"whatsapp.message in {}", "whatsapp.order in {}"}},
		{"a button", in(hit.Inbound{Type: "button", Interact: "button", Payload: "BUY", Title: "Buy"}), []string{"whatsapp.message in {}", `whatsapp.button in {"payload":"BUY","title":"Buy"}`}},
		{"a flow", in(hit.Inbound{Type: "interactive", Interact: "nfm_reply", Fields: json.RawMessage(`{"size":"M"}`)}), []string{"whatsapp.message in {}", `whatsapp.flow in {"size":"M"}`}},
		{"a notice", in(hit.Inbound{Type: "system"}), nil},
		{"a removed reaction", in(hit.Inbound{Type: "reaction_removed"}), nil},
		{"unsupported", in(hit.Inbound{Type: "unsupported"}), []string{"whatsapp.message in {}"}},
		{"an SMS", sms, nil},
		{"a payment", payment, []string{`whatsapp.payment m:payment {"currency":"INR","reference":"ref","value":"9.90"}`}},
		{"a pending payment", pending, nil},
		{"nothing in it", hit.Fact{Kind: hit.KindInbound, Channel: hit.ChannelWhatsApp}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, c := range Copies(&tt.fact, rules) {
				properties, err := json.Marshal(c.Properties)
				if err != nil || !c.InThread {
					t.Errorf("%s: %v, in-thread %v", c.Name, err, c.InThread)
				}
				got = append(got, c.Name+" "+c.ID+" "+string(properties))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestEvent_PersonTimeAndThread(t *testing.T) {
	t.Parallel()
	server := event("Buy", "s", 2, 5, `{"order_id": "1"}`, "anna")
	server.Event.InThread = true
	events := eventsOf(event("Buy", "b", 1, 1, `{"order_id": "1"}`, "bo"), server, event("Buy", "w2", 3, 9, `{"order_id": "1"}`), event("Buy", "w1", 3, 9, `{"order_id": "1"}`))
	if len(events) != 1 {
		t.Fatalf("%d events", len(events))
	}
	at, _ := events[0].At()
	if lead := events[0].Lead(); lead.ID != "w1" || at != 9 || lead.InThread {
		t.Errorf("id, time and thread are %s's", lead.ID)
	}
	if whose := events[0].Whose(); whose.ID != "s" {
		t.Errorf("the person is %s's, want the most trusted copy's that names one", whose.ID)
	}
}

func TestEvents_EarliestPaymentStatus(t *testing.T) {
	t.Parallel()
	status := func(s hit.Status, at hit.Instant, ids ...hit.Identifier) *hit.Fact {
		return &hit.Fact{
			Kind: hit.KindStatus, Channel: hit.ChannelWhatsApp, ID: "m", Status: s, Trust: hit.TrustWebhook, At: at, Identifiers: ids,
			Report: &hit.Report{Payment: &hit.Payment{Amount: hit.Amount{Amount: "10", Currency: "INR"}}},
		}
	}
	later := status("payment:captured", 9, hit.Identifier{Kind: hit.Phone, Value: "p"})
	copies := slices.Concat(Copies(later, nil), Copies(status("payment:success", 5), nil))
	events := Events(copies)
	if len(events) != 1 || len(events[0].Copies) != 1 || events[0].Lead().Fact.At != 5 || len(events[0].Whose().Fact.Identifiers) != 0 {
		t.Errorf("events %+v, want one, of the earliest status alone", events)
	}
}

func TestParseAmount(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"1": "1", " 1.50 ": "1.5", "-0.0": "0", "1e3": "1000", "100.000": "100", "+5": "5", "0e-9999": "0",
		"12345678901234567890.123456789": "12345678901234567890.123456789",
		"":                               "-", "NaN": "-", "-Infinity": "-", "1,5": "-", "1e2000": "-", "1e-2000": "-", "1e99999999999": "-", "0x10": "-", "kr 5": "-",
	} {
		got := "-"
		if d, ok := ParseAmount(text); ok {
			got = d.Text('f')
		}
		if got != want {
			t.Errorf("ParseAmount(%q) = %s, want %s", text, got, want)
		}
	}
}

func TestDependencies(t *testing.T) {
	t.Parallel()
	deptest.Check(t, ".", deptest.Pure(
		"conversion decides what counts and what it is worth: it is pure",
		"github.com/cockroachdb/apd/v3", "github.com/google/uuid", "github.com/nyaruka/phonenumbers", "golang.org/x/text",
		"github.com/rivo/uniseg", "golang.org/x/net/publicsuffix", "golang.org/x/net/idna",
		"google.golang.org/protobuf", // by way of phonenumbers
		"github.com/touchline/touchline/services/internal/hit",
		"github.com/touchline/touchline/services/attribution/fact", "github.com/touchline/touchline/services/attribution/policy",
		"github.com/touchline/touchline/services/attribution/keyword", "github.com/touchline/touchline/services/attribution/channel",
		"github.com/touchline/touchline/services/attribution/touch",
	))
}
