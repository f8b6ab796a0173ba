package hit

import (
	"errors"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

// Every field has the tag that hits in old streams have it under. The path is that of
// the tags from the hit inward; the value "x" is written as its length and itself.
func TestEncode_Tags(t *testing.T) {
	t.Parallel()
	x := "\x01x"
	for _, tt := range []struct {
		path  string
		value string
		set   func(*Hit)
	}{
		{"\x04\x01", x, func(h *Hit) { h.Rejection = &Rejection{Reason: "x"} }},
		{"\x04\x02", x, func(h *Hit) { h.Rejection = &Rejection{Detail: "x"} }},
		{"\x04\x03", x, func(h *Hit) { h.Rejection = &Rejection{Raw: []byte("x")} }},
		{"\x03\x01", x, func(h *Hit) { h.Fact.Kind = "x" }},
		{"\x03\x02", "0123456789abcdef", func(h *Hit) { h.Fact.Source = uuid.UUID([]byte("0123456789abcdef")) }},
		{"\x03\x03", "\x06", func(h *Hit) { h.Fact.Trust = TrustWebhook }},
		{"\x03\x04", x, func(h *Hit) { h.Fact.Channel = "x" }},
		{"\x03\x05", x, func(h *Hit) { h.Fact.ID = "x" }},
		{"\x03\x06", x, func(h *Hit) { h.Fact.Status = "x" }},
		{"\x03\x07", "\x02", func(h *Hit) { h.Fact.At = 1 }},
		{"\x03\x07", "\x7f", func(h *Hit) { h.Fact.At = -64 }}, // the largest single byte
		{"\x03\x07", "\x80\x01", func(h *Hit) { h.Fact.At = 64 }},
		{"\x03\x08", "\x02", func(h *Hit) { h.Fact.Precision = PrecisionSecond }},
		{"\x03\x09", "\x02", func(h *Hit) { h.Fact.ReceivedAt = 1 }},
		{"\x03\x0a", x, func(h *Hit) { h.Fact.Flags = []string{"x"} }},
		{"\x03\x0b\x01", x, func(h *Hit) { h.Fact.Identifiers = []Identifier{{Kind: "x"}} }},
		{"\x03\x0b\x02", x, func(h *Hit) { h.Fact.Identifiers = []Identifier{{Value: "x"}} }},
		{"\x03\x0c\x03", x, func(h *Hit) { h.Fact.Device = &Identifier{Folded: "x"} }},
		{"\x03\x0d\x01", x, func(h *Hit) { h.Fact.Message = &Message{Sender: "x"} }},
		{"\x03\x0d\x02\x01", x, func(h *Hit) { h.Fact.Message = &Message{Template: &Template{Name: "x"}} }},
		{"\x03\x0d\x02\x02", x, func(h *Hit) { h.Fact.Message = &Message{Template: &Template{Language: "x"}} }},
		{"\x03\x0d\x03", x, func(h *Hit) { h.Fact.Message = &Message{Campaign: "x"} }},
		{"\x03\x0d\x04", x, func(h *Hit) { h.Fact.Message = &Message{Variant: "x"} }},
		{"\x03\x0d\x05", x, func(h *Hit) { h.Fact.Message = &Message{Token: "x"} }},
		{"\x03\x0d\x06\x01", x, func(h *Hit) { h.Fact.Message = &Message{Cost: &Amount{Amount: "x"}} }},
		{"\x03\x0d\x06\x02", x, func(h *Hit) { h.Fact.Message = &Message{Cost: &Amount{Currency: "x"}} }},
		{"\x03\x0e\x01", x, func(h *Hit) { h.Fact.Report = &Report{Sender: "x"} }},
		{"\x03\x0e\x02", x, func(h *Hit) { h.Fact.Report = &Report{Category: "x"} }},
		{"\x03\x0e\x03", x, func(h *Hit) { h.Fact.Report = &Report{Reason: "x"} }},
		{"\x03\x0e\x04", "\x02", func(h *Hit) { h.Fact.Report = &Report{Code: 1} }},
		{"\x03\x0e\x05", "", func(h *Hit) { h.Fact.Report = &Report{Machine: true} }},
		{"\x03\x0e\x06", "", func(h *Hit) { h.Fact.Report = &Report{Group: true} }},
		{"\x03\x0e\x07\x02\x01", x, func(h *Hit) { h.Fact.Report = &Report{Payment: &Payment{Amount: Amount{Amount: "x"}}} }},
		{"\x03\x0e\x08", x, func(h *Hit) { h.Fact.Report = &Report{Extra: []byte("x")} }},
		{"\x03\x0f\x01", x, func(h *Hit) { h.Fact.Click = &Click{Token: "x"} }},
		{"\x03\x0f\x02", x, func(h *Hit) { h.Fact.Click = &Click{URL: "x"} }},
		{"\x03\x0f\x03", x, func(h *Hit) { h.Fact.Click = &Click{Method: "x"} }},
		{"\x03\x0f\x04", x, func(h *Hit) { h.Fact.Click = &Click{Agent: "x"} }},
		{"\x03\x0f\x05", x, func(h *Hit) { h.Fact.Click = &Click{Message: "x"} }},
		{"\x03\x10\x01", x, func(h *Hit) { h.Fact.Inbound = &Inbound{Business: "x"} }},
		{"\x03\x10\x02", x, func(h *Hit) { h.Fact.Inbound = &Inbound{Type: "x"} }},
		{"\x03\x10\x03", x, func(h *Hit) { h.Fact.Inbound = &Inbound{Text: "x"} }},
		{"\x03\x10\x04", x, func(h *Hit) { h.Fact.Inbound = &Inbound{Context: "x"} }},
		{"\x03\x10\x05", x, func(h *Hit) { h.Fact.Inbound = &Inbound{Payload: "x"} }},
		{"\x03\x10\x06", x, func(h *Hit) { h.Fact.Inbound = &Inbound{Title: "x"} }},
		{"\x03\x10\x07", x, func(h *Hit) { h.Fact.Inbound = &Inbound{Token: "x"} }},
		{"\x03\x10\x08", x, func(h *Hit) { h.Fact.Inbound = &Inbound{Interact: "x"} }},
		{"\x03\x10\x09", x, func(h *Hit) { h.Fact.Inbound = &Inbound{Fields: []byte("x")} }},
		{"\x03\x10\x0a\x02", x, func(h *Hit) { h.Fact.Inbound = &Inbound{Order: &Amount{Currency: "x"}} }},
		{"\x03\x10\x0b", x, func(h *Hit) { h.Fact.Inbound = &Inbound{Items: []byte("x")} }},
		{"\x03\x10\x0c\x01", x, func(h *Hit) { h.Fact.Inbound = &Inbound{Referral: &Referral{SourceID: "x"}} }},
		{"\x03\x10\x0c\x02", x, func(h *Hit) { h.Fact.Inbound = &Inbound{Referral: &Referral{SourceType: "x"}} }},
		{"\x03\x10\x0c\x03", x, func(h *Hit) { h.Fact.Inbound = &Inbound{Referral: &Referral{SourceURL: "x"}} }},
		{"\x03\x10\x0c\x04", x, func(h *Hit) { h.Fact.Inbound = &Inbound{Referral: &Referral{Headline: "x"}} }},
		{"\x03\x10\x0c\x05", x, func(h *Hit) { h.Fact.Inbound = &Inbound{Referral: &Referral{ClickID: "x"}} }},
		{"\x03\x10\x0d", "", func(h *Hit) { h.Fact.Inbound = &Inbound{Group: true} }},
		{"\x03\x10\x0e", x, func(h *Hit) { h.Fact.Inbound = &Inbound{Extra: []byte("x")} }},
		{"\x03\x11\x01", x, func(h *Hit) { h.Fact.Page = &Page{URL: "x"} }},
		{"\x03\x11\x02", x, func(h *Hit) { h.Fact.Page = &Page{Referrer: "x"} }},
		{"\x03\x11\x03", x, func(h *Hit) { h.Fact.Page = &Page{Name: "x"} }},
		{"\x03\x11\x04", x, func(h *Hit) { h.Fact.Page = &Page{Title: "x"} }},
		{"\x03\x11\x05", "", func(h *Hit) { h.Fact.Page = &Page{Screen: true} }},
		{"\x03\x11\x06", x, func(h *Hit) { h.Fact.Page = &Page{Properties: []byte("x")} }},
		{"\x03\x12\x01", x, func(h *Hit) { h.Fact.Event = &Event{Name: "x"} }},
		{"\x03\x12\x02", "", func(h *Hit) { h.Fact.Event = &Event{InThread: true} }},
		{"\x03\x12\x03", x, func(h *Hit) { h.Fact.Event = &Event{Properties: []byte("x")} }},
		{"\x03\x12\x04", x, func(h *Hit) { h.Fact.Event = &Event{Country: "x"} }},
		{"\x03\x13\x01", x, func(h *Hit) { h.Fact.Identify = &Identify{Call: "x"} }},
		{"\x03\x13\x02", x, func(h *Hit) { h.Fact.Identify = &Identify{Group: "x"} }},
		{"\x03\x13\x03", x, func(h *Hit) { h.Fact.Identify = &Identify{Traits: []byte("x")} }},
		{"\x03\x13\x04", x, func(h *Hit) { h.Fact.Identify = &Identify{Message: "x"} }},
		{"\x03\x14", x, func(h *Hit) { h.Fact.Raw = []byte("x") }},
	} {
		var h Hit
		tt.set(&h)
		got, err := Encode(nil, &h)
		if err != nil {
			t.Fatal(err)
		}
		// Receipt and fact are always there; each structure on the path has an end.
		ends := strings.Repeat("\x00", len(tt.path)-1)
		want := "\x01\x02\x00" + tt.path + tt.value + ends + "\x00"
		if tt.path[0] == 4 {
			want = "\x01\x02\x00\x03\x00" + tt.path + tt.value + ends + "\x00"
		}
		if string(got) != want {
			t.Errorf("%x: got %q, want %q", tt.path, got, want)
		}
		if back, err := Decode([]byte(want)); err != nil || !cmp.Equal(h, back) {
			t.Errorf("%x reads back as %+v, %v", tt.path, back, err)
		}
	}
}

func TestEncode_ExactlyAsLargeAsAllowed(t *testing.T) {
	t.Parallel()
	const around = 13 // bytes of a rejection with nothing but this much raw text
	h := Hit{Rejection: &Rejection{Raw: make([]byte, MaxEncoded-around)}}
	prefix := make([]byte, 100)
	got, err := Encode(prefix, &h)
	if err != nil || len(got)-len(prefix) != MaxEncoded {
		t.Fatalf("%d bytes, %v", len(got)-len(prefix), err)
	}
	if _, err := Decode(got[len(prefix):]); err != nil {
		t.Error(err)
	}
	h.Rejection.Raw = append(h.Rejection.Raw, 0)
	got, err = Encode(prefix, &h)
	if !errors.Is(err, ErrTooLarge) || len(got) != len(prefix) || !strings.Contains(err.Error(), "8388609 bytes") {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	// One byte more, as a hostile writer would have written it.
	larger, err := Encode(nil, &Hit{Rejection: &Rejection{Raw: make([]byte, MaxEncoded-around-2), Reason: ""}})
	if err != nil {
		t.Fatal(err)
	}
	larger = slices.Insert(larger, 5, []byte("\x04\x01\x01x\x00")...) // another rejection before it
	if len(larger) <= MaxEncoded {
		t.Fatalf("%d bytes are no more than allowed", len(larger))
	}
	if _, err := Decode(larger); !errors.Is(err, ErrMalformed) {
		t.Errorf("%d bytes: %v", len(larger), err)
	}
}

func TestDecode_Broken(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"a workspace cut short":           "\x01\x01\x00",
		"a text longer than what is left": "\x01\x04\x01\x05\x00\x00",
		"a number of eleven bytes":        "\x01\x03\x07" + strings.Repeat("\x80", 10) + "\x01\x00\x00",
		"a number of more than 64 bits":   "\x01\x03\x07" + strings.Repeat("\x80", 9) + "\x02\x00\x00",
		"an unknown tag":                  "\x01\x05\x00",
		"no end":                          "\x01",
		"something after the end":         "\x01\x00\x00",
	} {
		if h, err := Decode([]byte(text)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %+v, %v", name, h, err)
		}
	}
	if _, err := Decode([]byte("\x07")); !errors.Is(err, ErrVersion) || !strings.Contains(err.Error(), "7") {
		t.Errorf("another version: %v", err)
	}
	if h, err := Decode([]byte("\x01\x03\x07" + strings.Repeat("\xff", 9) + "\x01\x00\x00")); err != nil || h.Fact.At != math.MinInt64 {
		t.Errorf("the smallest number is %d, %v", h.Fact.At, err)
	}
}

func TestDecode_ListsAreBounded(t *testing.T) {
	t.Parallel()
	for name, one := range map[string]string{"flags": "\x0a\x00", "identifiers": "\x0b\x00"} {
		for n, want := range map[int]error{1 << 16: nil, 1<<16 + 1: ErrMalformed} {
			if _, err := Decode([]byte("\x01\x03" + strings.Repeat(one, n) + "\x00\x00")); !errors.Is(err, want) {
				t.Errorf("%d %s: %v", n, name, err)
			}
		}
	}
}

func TestPrecedence(t *testing.T) {
	t.Parallel()
	for i, kind := range []IdentifierKind{UserID, Phone, BSUID, Email, Device, "other"} {
		if got := kind.Precedence(); got != i {
			t.Errorf("%s: %d, want %d", kind, got, i)
		}
	}
}

func TestSortIdentifiers_Repetitions(t *testing.T) {
	t.Parallel()
	got := SortIdentifiers([]Identifier{{Kind: Email, Value: "a"}, {Kind: UserID, Value: "b"}, {Kind: UserID, Value: "a"}, {Kind: Email, Value: "a", Folded: "f"}, {Kind: UserID, Value: "b"}})
	want := []Identifier{{Kind: UserID, Value: "b"}, {Kind: UserID, Value: "a"}, {Kind: Email, Value: "a"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Keys are stored. Each is over the columns of attribution.md section 1 and no other.
func TestFact_KeyColumns(t *testing.T) {
	t.Parallel()
	base := Fact{Source: uuid.UUID{1}, Channel: "c", ID: "i", Status: "s"}
	for _, tt := range []struct {
		kind                    Kind
		source, channel, status bool // whether it counts
	}{
		{KindMessage, false, true, false},
		{KindInbound, false, true, false},
		{KindStatus, false, true, true},
		{KindClick, false, false, false},
		{KindPage, true, false, false},
		{KindEvent, true, false, false},
		{KindIdentify, true, false, false},
	} {
		f := base
		f.Kind = tt.kind
		with := func(change func(*Fact)) bool {
			g := f
			change(&g)
			return g.Key() != f.Key()
		}
		if !with(func(g *Fact) { g.ID = "j" }) || !with(func(g *Fact) { g.Kind = KindRaw }) || f.Key() == uuid.Nil {
			t.Errorf("%s: kind and id count", tt.kind)
		}
		if with(func(g *Fact) { g.Source = uuid.UUID{2} }) != tt.source || with(func(g *Fact) { g.Channel = "d" }) != tt.channel || with(func(g *Fact) { g.Status = "t" }) != tt.status {
			t.Errorf("%s has the key of other columns", tt.kind)
		}
	}
	a, b := Fact{Kind: KindMessage, Channel: "ab", ID: "c"}, Fact{Kind: KindMessage, Channel: "a", ID: "bc"}
	if a.Key() == b.Key() {
		t.Error("columns run into one another")
	}
	zeros := strings.Repeat("\x00", 8)
	a, b = Fact{Kind: KindMessage, Channel: "x" + zeros + "y", ID: "z"}, Fact{Kind: KindMessage, Channel: "x", ID: "y" + zeros + "z"}
	if a.Key() == b.Key() {
		t.Error("columns without their lengths run into one another")
	}
}

func TestContent_NoJSON(t *testing.T) {
	t.Parallel()
	f := Fact{ID: "f7", Raw: []byte("{")}
	if body, sum, err := Content(&f); err == nil || body != nil || sum != uuid.Nil || !strings.Contains(err.Error(), "encode fact f7") {
		t.Errorf("%s %s %v", body, sum, err)
	}
}

func TestParseInstant_Broken(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"202:-01-01T00:00:00Z", "202/-01-01T00:00:00Z", "2024/01/01T00:00:00Z", "2024-01x01T00:00:00Z", "2024-01-01x00:00:00Z", "2024-01-01T00x00:00Z",
		"2024-01-01T00:00:00.5", "2024-01-01T00:00:00.5/Z", "2024-01-01T00:00:00.5:Z", "2024-01-01T00:00:00.Z", "2024-01-01T00:00:00+05:60", "2024-01-01T00:00:00+0560",
		"2024-01-01T00:00:00+24:00", "2024-01-01T00:00:00x", "2024-01-01T00:00:00", "", "2024", "2024-01-01T00:00:00Z ,",
	} {
		if at, precision, err := ParseInstant(text); !errors.Is(err, ErrTime) || at != 0 || precision != PrecisionExact {
			t.Errorf("%q is %d, %d, %v", text, at, precision, err)
		}
	}
	for text, want := range map[string]Instant{
		"2024-01-01T00:00:00+05:59":        InstantOf(Instant(1_704_067_200_000_000).Time()) - 359*60_000_000,
		"2024-01-01T00:00:00-2359":         1_704_067_200_000_000 + 1439*60_000_000,
		"2024-01-01T00:00:00.0000019+0000": 1_704_067_200_000_001,
	} {
		if at, _, err := ParseInstant(text); err != nil || at != want {
			t.Errorf("%q is %d, want %d: %v", text, at, want, err)
		}
	}
}

func TestParseUnixSeconds_Broken(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", " ", "1/", "1:", "-1", "1.5", "253402300800", "99999999999999999999999"} {
		if at, err := ParseUnixSeconds(text); !errors.Is(err, ErrTime) || at != 0 {
			t.Errorf("%q is %d, %v", text, at, err)
		}
	}
	if at, err := ParseUnixSeconds(" 253402300799 "); err != nil || at != 253_402_300_799_000_000 {
		t.Errorf("%d %v", at, err)
	}
}

// subtract is exact, held at the ends of the range.
func TestSubtract(t *testing.T) {
	t.Parallel()
	edges := []Instant{math.MinInt64, math.MinInt64 + 1, -2, -1, 0, 1, 2, math.MaxInt64 - 1, math.MaxInt64}
	lowest, highest := big.NewInt(math.MinInt64), big.NewInt(math.MaxInt64)
	for _, a := range edges {
		for _, b := range edges {
			want := new(big.Int).Sub(big.NewInt(int64(a)), big.NewInt(int64(b)))
			if want.Cmp(lowest) < 0 {
				want = lowest
			}
			if want.Cmp(highest) > 0 {
				want = highest
			}
			if got := subtract(a, b); int64(got) != want.Int64() {
				t.Errorf("%d - %d = %d, want %s", a, b, got, want)
			}
		}
	}
}

func TestNormalizeWaID_BusinessScoped(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]bool{
		"NO.77": true, "AZ.1": true, "ZA.1": true, " NO.77 ": true, "NO.": true, "NO": false, "N": false, "": false, "no.77": false, "nO.7": false, "No.7": false,
		"N0.77": false, "NOO77": false, "@A.1": false, "[A.1": false, "A@.1": false, "A[.1": false, "47.1": false,
	} {
		id, valid, ok := NormalizeWaID(raw)
		if (id.Kind == BSUID) != want || want && (!valid || !ok || id.Value != strings.TrimSpace(raw)) {
			t.Errorf("%q is %+v, %v, %v", raw, id, valid, ok)
		}
	}
	if id, valid, ok := NormalizeWaID("nobody"); ok || valid || id != (Identifier{}) {
		t.Errorf("no digit is %+v, %v, %v", id, valid, ok)
	}
}

func TestNormalizePhone_Signs(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		raw, country, want string
		valid              bool
	}{
		{"+47 406 12 345", "", "+4740612345", true},
		{"＋47 406 12 345", "", "+4740612345", true},
		{"﹢47 406 12 345", "", "+4740612345", true},
		{"⁺47 406 12 345", "", "+4740612345", true},
		{"\u200e+47\u200b406\u00a012\u202f345\x00", "", "+4740612345", true},
		{"0047 406 12 345", "", "+4740612345", true},
		{"4740612345", "", "4740612345", false}, // without a country or a sign it is not international
		{"406 12 345", "no", "+4740612345", true},
		{"٤٠٦١٢٣٤٥", "NO", "+4740612345", true},
		{"𝟒𝟎𝟔𝟏𝟐𝟑𝟒𝟓", "NO", "+4740612345", true}, // digits beyond 16 bits
		{"+55 11 6000-0000", "", "+5511960000000", true},
		{"+55 11 96000-0000", "", "+5511960000000", true},
		{"+52 1 55 1234 5678", "", "+525512345678", true},
		{"+54 9 11 2345 6789", "", "+541123456789", true},
		{"12", "NO", "12", false},
	} {
		id, valid, ok := NormalizePhone(tt.raw, tt.country)
		if id.Value != tt.want || valid != tt.valid || !ok {
			t.Errorf("%q in %q is %q, %v, %v, want %q, %v", tt.raw, tt.country, id.Value, valid, ok, tt.want, tt.valid)
		}
	}
}

func TestFirstUnclean(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{"": -1, "a": -1, "é": -1, "\uFFFD": -1, "a\x00": 1, "\x00": 0, "é\xff": 2, "\x7f": -1, "a\x80": 1} {
		if got := firstUnclean(text); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}

func TestFoldCase(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"INFO": "info", "Straße": "strasse", "ΣΊΣΥΦΟΣ": "σίσυφοσ", "İ": "i\u0307", "ﬁ": "fi",
		"\u13a5\u13f0": "\u13a5\u13f0", "\uab75\u13f8": "\u13a5\u13f0", // Cherokee folds to its capitals
	} {
		if got := FoldCase(text); got != want || FoldCase(got) != got {
			t.Errorf("FoldCase(%+q) = %+q, want %+q", text, got, want)
		}
	}
}

// The digits of every script stand for themselves, from its zero on.
func TestDecimalDigit_Scripts(t *testing.T) {
	t.Parallel()
	for _, zero := range []rune{'0', '٠', '۰', '०', '๐', '０', 0x104A0, 0x1D7CE, 0x1D7D8, 0x1D7F6, 0x1E950} {
		for n := range rune(10) {
			if got, ok := decimalDigit(zero + n); !ok || got != byte('0'+n) {
				t.Errorf("%U is %q, %v", zero+n, got, ok)
			}
		}
	}
	for _, r := range []rune{'/', ':', 'a', '²', 'Ⅳ', '一', 0x7f, 0x80, -1} {
		if got, ok := decimalDigit(r); ok || got != 0 {
			t.Errorf("%U is %q", r, got)
		}
	}
}
