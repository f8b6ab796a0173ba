package fact

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/touchline/touchline/services/internal/hit"
)

func TestRefs_MeetsWhatCanHaveItsConversionID(t *testing.T) {
	t.Parallel()
	event := func(id, properties string) *hit.Fact {
		return &hit.Fact{Kind: hit.KindEvent, ID: id, Event: &hit.Event{Name: "e", Properties: json.RawMessage(properties)}}
	}
	inbound := &hit.Fact{Kind: hit.KindInbound, Channel: "whatsapp", ID: "wamid.1", Inbound: &hit.Inbound{Type: "text"}}
	payment := &hit.Fact{Kind: hit.KindStatus, Channel: "whatsapp", ID: "wamid.1", Status: "payment:success", Report: &hit.Report{Payment: &hit.Payment{}}}
	tests := []struct {
		name string
		a, b *hit.Fact
		want bool
	}{
		{"one event id, with and without an order", event("1", `{"order_id":"o"}`), event("1", `{}`), true},
		{"one order", event("1", `{"order_id":"o"}`), event("2", `{"order_id":" o "}`), true},
		{"an event named like an order", event("order:o", `{}`), event("2", `{"order_id":"o"}`), true},
		{"an event named like a message", event("wamid.1", `{}`), inbound, true},
		{"an event named like a keyword's", event("wamid.1:yes", `{}`), inbound, true},
		{"an event named like a payment's", event("wamid.1:payment", `{}`), payment, true},
		{"a send response and its message", &hit.Fact{
			Kind: hit.KindIdentify, Channel: "whatsapp", ID: "i", Identify: &hit.Identify{Message: "wamid.1"},
		}, payment, true},
		{"a click that names its message", &hit.Fact{
			Kind: hit.KindClick, Channel: "whatsapp", ID: "c", Click: &hit.Click{Message: "wamid.1"},
		}, payment, true},
		{"clicks of nothing", &hit.Fact{Kind: hit.KindClick, ID: "c", Click: &hit.Click{}}, &hit.Fact{Kind: hit.KindClick, ID: "d", Click: &hit.Click{}}, false},
		{"ids with one beginning", event("shop:1", `{}`), event("shop:2", `{}`), false},
		{"strangers", event("1", `{"order_id":"o"}`), event("2", `{"order_id":"p"}`), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			refs := Refs(tt.b)
			if got := slices.ContainsFunc(Refs(tt.a), func(r Ref) bool { return slices.Contains(refs, r) }); got != tt.want {
				t.Errorf("they meet: %v, want %v", got, tt.want)
			}
		})
	}
}

func TestRefs_AnchorFirstAndNoneTwice(t *testing.T) {
	t.Parallel()
	f := &hit.Fact{
		Kind: hit.KindInbound, Channel: "whatsapp", ID: "in",
		Identifiers: []hit.Identifier{{Kind: hit.Phone, Value: "p"}, {Kind: hit.Phone, Value: "p"}},
		Inbound:     &hit.Inbound{Context: "in", Token: "tk", Fields: json.RawMessage(`{"order_id":7}`)},
	}
	refs := Refs(f)
	want := []Ref{OrderRef("7"), IdentifierRef(f.Identifiers[0]), MessageRef("whatsapp", "in"), EventRef("in"), TokenRef("tk")}
	if !slices.Equal(refs, want) {
		t.Errorf("refs %v, want %v", refs, want)
	}
}

func TestOrderID(t *testing.T) {
	t.Parallel()
	for properties, want := range map[string]string{
		`{"order_id":" 17 "}`: "17", `{"order_id":17}`: "17", `{"order_id":null}`: "", `{"order_id":{"a":1}}`: "", `{"order_id":true}`: "true",
		`{"Order_ID":"x","y":{"order_id":1}}`: "", `not JSON "order_id"`: "", ``: "",
	} {
		if got := OrderID(json.RawMessage(properties)); got != want {
			t.Errorf("OrderID(%s) = %q, want %q", properties, got, want)
		}
	}
}

func TestPageToken(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"https://a.example/?mt=tk": "tk", "https://a.example/?x=1&mt=a%2Bb#mt=c": "a+b",
		"https://a.example/": "", "https://a.example/?amt=1": "", "https://a.example/?mt=%zz": "",
	} {
		if got := PageToken(url); got != want {
			t.Errorf("PageToken(%q) = %q, want %q", url, got, want)
		}
	}
}
