package fact

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/internal/hit"
)

// References are stored: these numbers and digests may never change.
func TestRef_Stored(t *testing.T) {
	t.Parallel()
	id := func(kind hit.IdentifierKind) Ref { return IdentifierRef(hit.Identifier{Kind: kind, Value: "v"}) }
	for _, tt := range []struct {
		ref   Ref
		kind  RefKind
		value string // sha256 over the kind's byte and the value, 16 bytes
	}{
		{id(hit.UserID), 1, "dee9beda-41c6-b7fa-4e3b-aac8c03db747"},
		{id(hit.Phone), 2, "61556207-a689-236d-d84f-74c1eae0353e"},
		{id(hit.BSUID), 3, "b0d32d0a-0726-91ce-e22c-a270f34dbabc"},
		{id(hit.Email), 4, "edb5f443-8fc8-3557-2e6c-c4f7710f9f81"},
		{id(hit.Device), 5, "2b6e03ad-5595-5877-6cdc-7f0912226f49"},
		{MessageRef("whatsapp", "m"), 6, "e54f7f99-21b9-dd35-8b16-2e2f8b2f44ee"},
		{TokenRef("tk"), 7, "bc4c7d0c-02ef-1501-d34d-9eac31cd0a3d"},
		{OrderRef("o"), 8, "a4584b10-9a00-70fa-920f-3a55574a307f"},
		{EventRef("e"), 9, "5df4ac64-52f9-0d7b-783a-9aa57aaed115"},
	} {
		if tt.ref.Kind != tt.kind || tt.ref.Value.String() != tt.value {
			t.Errorf("kind %d, value %s, want %d and %s", tt.ref.Kind, tt.ref.Value, tt.kind, tt.value)
		}
	}
}

// A stored identifier's digest is its reference as it stands.
func TestDigest(t *testing.T) {
	t.Parallel()
	digest := uuid.MustParse("00112233-4455-6677-8899-aabbccddeeff")
	text := strings.ReplaceAll(digest.String(), "-", "")
	if got, ok := Digest(text); got != digest || !ok {
		t.Errorf("%s %v", got, ok)
	}
	if got := IdentifierRef(hit.Identifier{Kind: hit.Email, Value: text}); got != (Ref{RefEmail, digest}) {
		t.Errorf("%v", got)
	}
	for _, other := range []string{"", "v", text[1:], text + "0", "x" + text[1:], text[:31] + "g", digest.String()} {
		if got, ok := Digest(other); ok {
			t.Errorf("%q is the digest %s", other, got)
		}
		if got := IdentifierRef(hit.Identifier{Kind: hit.Email, Value: other}); got != ref(RefEmail, other) {
			t.Errorf("the reference of %q is %v", other, got)
		}
	}
}

func TestRefs_OfEachKind(t *testing.T) {
	t.Parallel()
	device := hit.Identifier{Kind: hit.Device, Value: "dv"}
	message, inbound, event := MessageRef("whatsapp", "x"), MessageRef("whatsapp", "in"), EventRef("x")
	whatsapp := func(kind hit.Kind, f hit.Fact) *hit.Fact {
		f.Kind, f.Channel, f.ID = kind, "whatsapp", "x"
		return &f
	}
	properties := func(text string) *hit.Event { return &hit.Event{Properties: json.RawMessage(text)} }
	for _, tt := range []struct {
		name string
		fact *hit.Fact
		want []Ref
	}{
		{"a registration", whatsapp(hit.KindMessage, hit.Fact{Message: &hit.Message{Token: "tk"}}), []Ref{message, TokenRef("tk")}},
		{"one without a token", whatsapp(hit.KindMessage, hit.Fact{Message: &hit.Message{}}), []Ref{message}},
		{"a status", whatsapp(hit.KindStatus, hit.Fact{Report: &hit.Report{}}), []Ref{message}},
		{"a payment", whatsapp(hit.KindStatus, hit.Fact{Report: &hit.Report{Payment: &hit.Payment{}}}), []Ref{message, EventRef("x")}},
		{"a click", &hit.Fact{Kind: hit.KindClick, ID: "x", Click: &hit.Click{Token: "tk"}}, []Ref{event, TokenRef("tk")}},
		{"a page view", &hit.Fact{Kind: hit.KindPage, ID: "x", Device: &device, Page: &hit.Page{URL: "https://a.example/?mt=tk"}}, []Ref{event, IdentifierRef(device), TokenRef("tk")}},
		{"one without a token, of a page", &hit.Fact{Kind: hit.KindPage, ID: "x", Page: &hit.Page{URL: "https://a.example/"}}, []Ref{event}},
		{"an event", &hit.Fact{Kind: hit.KindEvent, ID: "x", Event: properties(`{}`)}, []Ref{event}},
		{"an order", &hit.Fact{Kind: hit.KindEvent, ID: "x", Event: properties(`{"order_id": "o"}`)}, []Ref{OrderRef("o"), event}},
		{"an event named like an order", &hit.Fact{Kind: hit.KindEvent, ID: "order: o ", Event: properties(`{}`)}, []Ref{EventRef("order: o "), OrderRef("o")}},
		{"one whose message has no colon", &hit.Fact{Kind: hit.KindEvent, ID: "wamid.1", Event: properties(`{}`)}, []Ref{EventRef("wamid.1")}},
		{"an identify", &hit.Fact{Kind: hit.KindIdentify, ID: "x", Identifiers: []hit.Identifier{device, device}}, []Ref{event, IdentifierRef(device)}},
		{"a response", &hit.Fact{Kind: hit.KindIdentify, Channel: "whatsapp", ID: "r", Identify: &hit.Identify{Message: "x"}}, []Ref{EventRef("r"), message}},
		{"an identify of no message", &hit.Fact{Kind: hit.KindIdentify, Channel: "whatsapp", ID: "x", Identify: &hit.Identify{}}, []Ref{event}},
		{"an inbound message", whatsapp(hit.KindInbound, hit.Fact{Inbound: &hit.Inbound{}}), []Ref{message, event}},
		{"an answer", whatsapp(hit.KindInbound, hit.Fact{Inbound: &hit.Inbound{Context: "in", Token: "tk"}}), []Ref{message, event, inbound, TokenRef("tk")}},
		{"a fact of nothing", &hit.Fact{Kind: hit.KindRaw, ID: "x"}, []Ref{event}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := Refs(tt.fact); !slices.Equal(got, tt.want) {
				t.Errorf("refs %v, want %v", got, tt.want)
			}
			if got := Anchor(tt.fact); got != tt.want[0] {
				t.Errorf("anchor %v, want %v", got, tt.want[0])
			}
		})
	}
}

func TestConversionRefs(t *testing.T) {
	t.Parallel()
	for id, want := range map[string][]Ref{
		"e1":        {EventRef("e1")},
		"e#2":       {EventRef("e#2"), EventRef("e")},
		"e1#2":      {EventRef("e1#2"), EventRef("e1")},
		"e1#2#3":    {EventRef("e1#2#3"), EventRef("e1#2")},
		"#2":        {EventRef("#2")},
		"a:b:c":     {EventRef("a:b:c"), EventRef("a"), EventRef("a:b")},
		"a:b#2":     {EventRef("a:b#2"), EventRef("a"), EventRef("a:b"), EventRef("a")},
		"order:7":   {EventRef("order:7"), OrderRef("7"), EventRef("order")},
		"order:7#2": {EventRef("order:7#2"), OrderRef("7#2"), EventRef("order"), EventRef("order:7"), OrderRef("7"), EventRef("order")},
	} {
		if got := ConversionRefs(id); !slices.Equal(got, want) {
			t.Errorf("ConversionRefs(%q) = %v, want %v", id, got, want)
		}
	}
}

func TestPageToken_Edges(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"mt=tk": "", "https://a.example/mt=tk": "", "?mt=tk": "tk", "https://a.example/?mt=%zz&mt=tk": "tk", "https://a.example/?mt=&mt=tk": "", "https://a.example/?mt=%zz": "",
	} {
		if got := PageToken(url); got != want {
			t.Errorf("PageToken(%q) = %q, want %q", url, got, want)
		}
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		` " a b " `: "a b", ` 17.50 `: "17.50", "\ttrue\n": "true", `null`: "", `{}`: "", ` ["a"]`: "", ``: "", ` `: "", `"\ud800"`: "\uFFFD", `"a`: "", `""`: "",
	} {
		if got := Text(json.RawMessage(value)); got != want {
			t.Errorf("Text(%s) = %q, want %q", value, got, want)
		}
	}
}

func TestOrderID_OfNoObject(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`["order_id"]`, `"order_id"`, `{"order_id":"1"`, `{"order_id":"1"} {}`, `null`} {
		if got := OrderID(json.RawMessage(text)); got != "" {
			t.Errorf("OrderID(%s) = %q", text, got)
		}
	}
}

// The smallest copy is in force: by time, content, exactness, trust, source.
func TestCopy_Compare(t *testing.T) {
	t.Parallel()
	order := []Copy{
		{At: 1, Body: []byte("z"), Precision: 1, Trust: 1, Source: uuid.UUID{9}},
		{At: 2, Body: nil, Precision: 1, Trust: 1, Source: uuid.UUID{9}},
		{At: 2, Body: []byte("a"), Precision: 1, Trust: 1, Source: uuid.UUID{9}},
		{At: 2, Body: []byte("b"), Precision: 0, Trust: 1, Source: uuid.UUID{9}},
		{At: 2, Body: []byte("b"), Precision: 1, Trust: 3, Source: uuid.UUID{9}},
		{At: 2, Body: []byte("b"), Precision: 1, Trust: 2, Source: uuid.UUID{1}},
		{At: 2, Body: []byte("b"), Precision: 1, Trust: 2, Source: uuid.UUID{2}},
	}
	for i, c := range order {
		for j, d := range order {
			if got, want := c.Compare(d), max(-1, min(1, i-j)); got != want {
				t.Errorf("copy %s against %s: %d, want %d", fmt.Sprint(c), fmt.Sprint(d), got, want)
			}
		}
	}
}
