package hit

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/touchline/touchline/services/internal/hit/canonical"
)

func TestContent_RoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := drawFact(t)
		body, sum, err := Content(&want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := FromContent(body)
		if err != nil {
			t.Fatal(err)
		}
		want.Source, want.Trust, want.At, want.Precision, want.ReceivedAt, want.Flags = uuid.Nil, 0, 0, 0, 0, nil
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("round trip (-want +got):\n%s", diff)
		}
		again, sumAgain, err := Content(&got)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(body, again) || sum != sumAgain {
			t.Fatalf("content of what was read back differs:\n%s\n%s", body, again)
		}
	})
}

func TestContent_LeavesOut(t *testing.T) {
	t.Parallel()
	f := Fact{Kind: KindEvent, ID: "e1", Event: &Event{Name: "Order", Properties: json.RawMessage(`{"b":1.50,"a":"<&>"}`)}}
	body, sum, err := Content(&f)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"event":{"name":"Order","properties":{"a":"<&>","b":1.5}},"id":"e1","kind":"event"}`
	if string(body) != want {
		t.Errorf("got  %s\nwant %s", body, want)
	}
	f.Source, f.Trust, f.At, f.Precision, f.ReceivedAt = uuid.Max, TrustWebhook, 5, PrecisionSecond, 6
	f.Flags = []string{FlagTimeCorrected}
	if _, other, err := Content(&f); err != nil || other != sum {
		t.Errorf("source, trust, times or flags are in the content: %v %v", other, err)
	}
	f.Consent = &Consent{State: ConsentGranted, GCM: json.RawMessage(`{"ad_storage":"denied"}`)}
	body, other, err := Content(&f)
	if err != nil || other == sum || !strings.HasPrefix(string(body), `{"consent":{"gcm":{"ad_storage":"denied"},"state":"granted"},"event"`) {
		t.Errorf("consent is part of what a fact says: %s %v", body, err)
	}
	f.Event.Name, f.Consent = "Other", nil
	if _, other, err := Content(&f); err != nil || other == sum {
		t.Errorf("another name has the same sum: %v %v", other, err)
	}
}

func TestContent_Refuses(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", canonical.MaxDepth+1) + strings.Repeat("]", canonical.MaxDepth+1)
	for _, properties := range []string{"{", "nope", deep} {
		f := Fact{Kind: KindEvent, Event: &Event{Properties: json.RawMessage(properties)}}
		if body, _, err := Content(&f); err == nil {
			t.Errorf("%s: got %s", properties, body)
		}
	}
	if _, err := FromContent([]byte("{")); err == nil {
		t.Error("FromContent reads half an object")
	}
}

func TestFact_Key(t *testing.T) {
	t.Parallel()
	source, other := uuid.UUID{1}, uuid.UUID{2}
	same := [][2]Fact{
		{{Kind: KindMessage, Channel: "sms", ID: "m", Source: source}, {Kind: KindMessage, Channel: "sms", ID: "m", Source: other}},
		{{Kind: KindClick, ID: "c", Source: source}, {Kind: KindClick, ID: "c", Source: other, Channel: "email"}},
	}
	for _, pair := range same {
		if pair[0].Key() != pair[1].Key() {
			t.Errorf("keys of %+v and %+v differ", pair[0], pair[1])
		}
	}
	different := [][2]Fact{
		{{Kind: KindMessage, Channel: "sms", ID: "m"}, {Kind: KindMessage, Channel: "whatsapp", ID: "m"}},
		{{Kind: KindMessage, Channel: "sms", ID: "m"}, {Kind: KindInbound, Channel: "sms", ID: "m"}},
		{{Kind: KindMessage, Channel: "a", ID: "bc"}, {Kind: KindMessage, Channel: "ab", ID: "c"}},
		{{Kind: KindStatus, ID: "m", Status: StatusRead}, {Kind: KindStatus, ID: "m", Status: StatusSent}},
		{{Kind: KindStatus, Channel: "sms", ID: "m", Status: StatusRead}, {Kind: KindStatus, Channel: "whatsapp", ID: "m", Status: StatusRead}},
		{{Kind: KindPage, ID: "e", Source: source}, {Kind: KindPage, ID: "e", Source: other}},
		{{Kind: KindIdentify, ID: "e", Source: source}, {Kind: KindIdentify, ID: "e", Source: other}},
		{{Kind: KindIdentify, ID: "e", Source: source}, {Kind: KindPage, ID: "e", Source: source}},
		{{Kind: KindEvent, ID: "e", Source: source}, {Kind: KindEvent, ID: "e", Source: other}},
	}
	for _, pair := range different {
		if pair[0].Key() == pair[1].Key() {
			t.Errorf("keys of %+v and %+v agree", pair[0], pair[1])
		}
	}
}

func TestSortIdentifiers(t *testing.T) {
	t.Parallel()
	got := SortIdentifiers([]Identifier{
		{Kind: Email, Value: "b"},
		{Kind: Email, Value: "a"},
		{Kind: Device, Value: "d"},
		{Kind: UserID, Value: "u"},
		{Kind: Email, Value: "b"},
		{Kind: BSUID, Value: "US.1"},
		{Kind: Phone, Value: "1"},
	})
	want := []Identifier{
		{Kind: UserID, Value: "u"},
		{Kind: Phone, Value: "1"},
		{Kind: BSUID, Value: "US.1"},
		{Kind: Email, Value: "b"},
		{Kind: Email, Value: "a"},
		{Kind: Device, Value: "d"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
