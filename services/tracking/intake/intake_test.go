package intake

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/touchline/touchline/services/internal/deptest"
	"github.com/touchline/touchline/services/internal/hit"
)

const received = hit.Instant(1_788_264_000_000_000) // 2026-09-01T12:00:00Z

func testEnv() Env {
	return Env{Workspace: uuid.UUID{1}, Source: uuid.UUID{2}, Country: "NO", Trust: hit.TrustServer, ReceivedAt: received, MaxItem: 100}
}

func event(change func(*Item)) Item {
	item := Item{
		Fact:  hit.Fact{Kind: hit.KindEvent, ID: "e1", Event: &hit.Event{Name: "E"}},
		Names: []Name{{Kind: hit.UserID, Text: "u"}},
		Raw:   []byte(`{}`),
	}
	if change != nil {
		change(&item)
	}
	return item
}

func TestRun_Origin(t *testing.T) {
	t.Parallel()
	h, refusal := Run(event(nil), testEnv())
	if refusal != nil {
		t.Fatal(refusal)
	}
	want := hit.Hit{Workspace: uuid.UUID{1}, Fact: hit.Fact{
		Kind: hit.KindEvent, Source: uuid.UUID{2}, Trust: hit.TrustServer, ID: "e1",
		At: received, ReceivedAt: received, Event: &hit.Event{Name: "E"},
		Identifiers: []hit.Identifier{{Kind: hit.UserID, Value: "u"}},
	}}
	if diff := cmp.Diff(want, h); diff != "" {
		t.Error(diff)
	}
}

func TestRun_Time(t *testing.T) {
	t.Parallel()
	second := hit.Instant(1_000_000)
	for _, c := range []struct {
		name      string
		stated    Stated
		at        hit.Instant
		precision hit.Precision
		corrected bool
	}{
		{"not stated", Stated{}, received, hit.PrecisionExact, false},
		{"not stated, sent", Stated{SentAt: "2026-09-01T11:00:00Z"}, received, hit.PrecisionExact, false},
		{"as stated", Stated{Text: "2026-09-01T11:00:00.000Z"}, received - 3600*second, hit.PrecisionExact, false},
		{"whole seconds", Stated{Text: "2026-09-01T13:00:00+02:00"}, received - 3600*second, hit.PrecisionSecond, false},
		{"by a clock an hour ahead", Stated{Text: "2026-09-01T13:00:00.000Z", SentAt: "2026-09-01T13:00:10.000Z"}, received - 10*second, hit.PrecisionExact, false},
		{"by a clock of 1970", Stated{Text: "1970-01-01T00:00:01.000Z", SentAt: "1970-01-01T00:00:03.000Z"}, received - 2*second, hit.PrecisionExact, false},
		{"unreadable sentAt", Stated{Text: "2026-09-01T11:00:00.000Z", SentAt: "now"}, received - 3600*second, hit.PrecisionExact, false},
		{"unreadable", Stated{Text: "now"}, received, hit.PrecisionExact, true},
		{"five minutes ahead", Stated{Text: "2026-09-01T12:05:00.000Z"}, received + 300*second, hit.PrecisionExact, false},
		{"more than that", Stated{Text: "2026-09-01T12:05:00.001Z"}, received, hit.PrecisionExact, true},
		{"before 2010", Stated{Text: "2009-12-31T23:59:59.000Z"}, received, hit.PrecisionExact, true},
		{"seconds", Stated{Text: "1788260400", Seconds: true}, received - 3600*second, hit.PrecisionSecond, false},
		{"seconds that are none", Stated{Text: "2026-09-01T11:00:00Z", Seconds: true}, received, hit.PrecisionExact, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h, _ := Run(event(func(i *Item) { i.Stated = c.stated }), testEnv())
			f := h.Fact
			if f.At != c.at || f.Precision != c.precision || slices.Contains(f.Flags, hit.FlagTimeCorrected) != c.corrected {
				t.Errorf("at %s, precision %d, flags %v", f.At.Time(), f.Precision, f.Flags)
			}
		})
	}
}

func TestRun_Identifiers(t *testing.T) {
	t.Parallel()
	h, _ := Run(event(func(i *Item) {
		i.Country = "SE"
		i.Names = []Name{
			{Kind: hit.Device, Text: " d1 "},
			{Kind: hit.Device, Text: "d2"},
			{Kind: hit.Email, Text: " A@B.Example "},
			{Kind: hit.Phone, Text: "070-174 06 05"},
			{Kind: WaID, Text: "NO.77"},
			{Kind: WaID, Text: "46701740605"},
			{Kind: hit.Phone, Text: "12"},
			{Kind: hit.Phone, Text: "call me"},
			{Kind: hit.UserID, Text: ""},
		}
	}), testEnv())
	want := []hit.Identifier{
		{Kind: hit.Phone, Value: "+46701740605"},
		{Kind: hit.Phone, Value: "12"},
		{Kind: hit.BSUID, Value: "NO.77"},
		{Kind: hit.Email, Value: "a@b.example"},
	}
	if diff := cmp.Diff(want, h.Fact.Identifiers); diff != "" {
		t.Error(diff)
	}
	if h.Fact.Device == nil || h.Fact.Device.Value != "d1" {
		t.Errorf("device %v", h.Fact.Device)
	}
	if diff := cmp.Diff([]string{hit.FlagInvalidPhone, hit.FlagBlockedByDigits}, h.Fact.Flags); diff != "" {
		t.Error(diff)
	}
}

func TestRun_Drops(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(*Item)
		reason Reason
	}{
		{"unreadable", func(i *Item) { i.Refusal = &Refusal{Reason: BadField, Detail: "d", Pointer: "/x"} }, BadField},
		{"too large", func(i *Item) { i.Raw = bytes.Repeat([]byte("x"), 101) }, TooLarge},
		{"exactly as large as allowed", func(i *Item) { i.Raw = bytes.Repeat([]byte("x"), 100) }, ""},
		{"nobody", func(i *Item) { i.Names = []Name{{Kind: hit.UserID, Text: "  "}} }, NoIdentifier},
		{"nobody, allowed", func(i *Item) { i.Names, i.Anonymous = nil, true }, ""},
		{"only a device", func(i *Item) { i.Names = []Name{{Kind: hit.Device, Text: "d"}} }, ""},
		{"no event name", func(i *Item) { i.Fact.Event.Name = " " }, BadEventName},
		{"a long event name", func(i *Item) { i.Fact.Event.Name = strings.Repeat("x", 513) }, BadEventName},
		{"no id", func(i *Item) { i.Fact.ID = "" }, BadID},
		{"a long id", func(i *Item) { i.Fact.ID = strings.Repeat("x", 1025) }, BadID},
		{"nested as deep as allowed", func(i *Item) { i.Fact.Event.Properties = nested(30) }, ""},
		{"nested deeper", func(i *Item) { i.Fact.Event.Properties = nested(31) }, Malformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h, refusal := Run(event(c.change), testEnv())
			if c.reason == "" {
				if refusal != nil || h.Rejection != nil {
					t.Fatalf("refused: %+v", refusal)
				}
				if _, _, err := hit.Content(&h.Fact); err != nil {
					t.Errorf("can't be stored: %v", err)
				}
				return
			}
			if refusal == nil || refusal.Reason != c.reason || h.Rejection == nil || h.Rejection.Reason != string(c.reason) {
				t.Fatalf("refusal %+v, rejection %+v", refusal, h.Rejection)
			}
			want := hit.Fact{Source: uuid.UUID{2}, ReceivedAt: received}
			if diff := cmp.Diff(want, h.Fact); diff != "" || h.Workspace != (uuid.UUID{1}) {
				t.Errorf("a rejection says only where it came from:\n%s", diff)
			}
			if !slices.Contains(Reasons(), refusal.Reason) {
				t.Errorf("%s is not among the reasons", refusal.Reason)
			}
		})
	}
}

func nested(depth int) json.RawMessage {
	return json.RawMessage(strings.Repeat(`{"a":`, depth-1) + `{"b":"}]"}` + strings.Repeat(`}`, depth-1))
}

func TestRun_RejectionKeepsLittle(t *testing.T) {
	t.Parallel()
	h, _ := Run(event(func(i *Item) { i.Raw = make([]byte, 1<<20) }), testEnv())
	if len(h.Rejection.Raw) != maxRejected {
		t.Errorf("%d bytes kept", len(h.Rejection.Raw))
	}
}

func TestRun_Texts(t *testing.T) {
	t.Parallel()
	item := Item{
		Fact: hit.Fact{Kind: hit.KindInbound, Channel: hit.ChannelWhatsApp, ID: "a\x00b", Inbound: &hit.Inbound{
			Type: "text", Text: strings.Repeat("æ", maxText), Extra: json.RawMessage(`{"b":1.0,"a":"\u0000"}`),
		}},
		Anonymous: true,
	}
	h, refusal := Run(item, testEnv())
	if refusal != nil {
		t.Fatal(refusal)
	}
	in := h.Fact.Inbound
	if h.Fact.ID != "a\uFFFDb" || !slices.Contains(h.Fact.Flags, hit.FlagTextCleaned) {
		t.Errorf("id %q, flags %v", h.Fact.ID, h.Fact.Flags)
	}
	if len(in.Text) > maxText || len(in.Text) < maxText-1 || !utf8.ValidString(in.Text) {
		t.Errorf("text of %d bytes", len(in.Text))
	}
	if string(in.Extra) != "{\"a\":\"\uFFFD\",\"b\":1}" {
		t.Errorf("extra %s", in.Extra)
	}
}

// Every text and document of a fact must be reached, also those that are added later:
// all are soiled, and what is still dirty after cleaning must be known to be ours or
// checked elsewhere.
func TestTextsAndDocuments_AreComplete(t *testing.T) {
	t.Parallel()
	f := &hit.Fact{}
	soil(reflect.ValueOf(f).Elem())
	for _, text := range texts(nil, f) {
		*text = "clean"
	}
	for _, document := range documents(nil, f) {
		*document = json.RawMessage(`1`)
	}
	var left []string
	dirty("", reflect.ValueOf(f).Elem(), &left)
	want := []string{
		"Kind", "Status", // of a closed set
		"Device.Kind", "Device.Value", "Device.Folded", // normalised
		"Message.Cost.Amount", "Message.Cost.Currency", // of a checked form
		"Report.Payment.Amount.Amount", "Inbound.Order.Amount", // calculated
		"Event.Country", "Identify.Call", "Consent.State", // of a closed set
	}
	slices.Sort(left)
	slices.Sort(want)
	if diff := cmp.Diff(want, left); diff != "" {
		t.Errorf("texts that nobody cleans (+):\n%s", diff)
	}
}

// soil fills every text and document below v, making what is optional.
func soil(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		soil(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			soil(v.Field(i))
		}
	case reflect.String:
		v.SetString("\x00")
	case reflect.Slice:
		if v.Type() == reflect.TypeFor[json.RawMessage]() {
			v.SetBytes([]byte("\x00"))
		}
	}
}

// dirty lists the paths of what soil left.
func dirty(path string, v reflect.Value, left *[]string) {
	switch v.Kind() {
	case reflect.Pointer:
		dirty(path, v.Elem(), left)
	case reflect.Struct:
		for i := range v.NumField() {
			dirty(strings.TrimPrefix(path+"."+v.Type().Field(i).Name, "."), v.Field(i), left)
		}
	case reflect.String:
		if v.String() == "\x00" {
			*left = append(*left, path)
		}
	case reflect.Slice:
		if v.Type() == reflect.TypeFor[json.RawMessage]() && string(v.Bytes()) == "\x00" {
			*left = append(*left, path)
		}
	}
}

func TestContentID(t *testing.T) {
	t.Parallel()
	if ContentID([]byte("ab"), []byte("c")) == ContentID([]byte("a"), []byte("bc")) {
		t.Error("parts run into one another")
	}
	first, again := ContentID([]byte("a")), ContentID([]byte("a"))
	if first != again {
		t.Error("not the same for the same")
	}
}

func TestSteps_AreListed(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range Steps() {
		if !strings.Contains(string(readme), "`"+step+"`") {
			t.Errorf("README.md does not name the step %s", step)
		}
	}
	for _, reason := range Reasons() {
		if !strings.Contains(string(readme), "`"+string(reason)+"`") {
			t.Errorf("README.md does not name the reason %s", reason)
		}
	}
}

func TestDependencies(t *testing.T) {
	t.Parallel()
	deptest.Check(t, ".", deptest.Pure(
		"intake is pure: what becomes of an item follows from the item, its request and nothing else",
		"github.com/touchline/touchline/services/internal/hit",
		"github.com/google/uuid",
		"github.com/nyaruka/phonenumbers",
		"google.golang.org/protobuf", // by way of phonenumbers
		"golang.org/x/text",
	))
}
