package hit

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What a decoded fact says has one canonical form, which reads back as the same, and
// says the same whenever and from wherever it came.
func FuzzContent(f *testing.F) {
	for _, h := range []Hit{benchmarkHit(), {Fact: Fact{Kind: KindRaw, Raw: []byte(`{"b":1.0,"a":[null]}`)}}, {Fact: Fact{Kind: KindInbound, Inbound: &Inbound{Extra: []byte(`7`)}}}} {
		encoded, err := Encode(nil, &h)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(encoded)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := Decode(b)
		if err != nil {
			return
		}
		body, sum, err := Content(&h.Fact)
		if err != nil {
			return
		}
		other := h.Fact
		other.Source, other.Trust, other.At, other.Precision, other.ReceivedAt, other.Flags = h.Workspace, 3, 7, 1, 9, []string{"f"}
		if again, sumAgain, err := Content(&other); err != nil || !bytes.Equal(again, body) || sumAgain != sum {
			t.Fatalf("%s elsewhere says %s: %v", body, again, err)
		}
		read, err := FromContent(body)
		if err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		if again, sumAgain, err := Content(&read); err != nil || !bytes.Equal(again, body) || sumAgain != sum {
			t.Fatalf("%s reads back as %s: %v", body, again, err)
		}
		if read.Kind == h.Fact.Kind && read.ID == h.Fact.ID && read.Channel == h.Fact.Channel && read.Status == h.Fact.Status {
			read.Source = h.Fact.Source
			if read.Key() != h.Fact.Key() {
				t.Fatalf("%s reads back under another key", body)
			}
		}
	})
}

// What is normalised stays as it is when it is normalised again, whatever it was.
func FuzzNormalize(f *testing.F) {
	for _, seed := range []string{" A@B.Example ", "NO.77", "4740612345", "İ@x", "\x00", "\u00a0u\u2003", "ẞ@x", "\u13a5\uab75@x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if id, ok := NormalizeEmail(raw); ok {
			again, ok := NormalizeEmail(id.Value)
			if diff := cmp.Diff(id, again); diff != "" || !ok {
				t.Fatalf("%q: %v\n%s", raw, ok, diff)
			}
		}
		if id, ok := NormalizeID(UserID, raw); ok {
			again, ok := NormalizeID(UserID, id.Value)
			if id != again || !ok || strings.TrimSpace(id.Value) == "" {
				t.Fatalf("%q is %q, then %q", raw, id.Value, again.Value)
			}
		}
		id, valid, ok := NormalizeWaID(raw)
		if !ok {
			return
		}
		again, validAgain, _ := NormalizeWaID(id.Value)
		if id != again || valid != validAgain {
			t.Fatalf("%q is %+v (%v), then %+v (%v)", raw, id, valid, again, validAgain)
		}
	})
}

// Seconds read as the text that the instant writes.
func FuzzParseUnixSeconds(f *testing.F) {
	for _, seed := range []string{"1788220800", "0", "253402300799", "253402300800", "-1", "1/"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		at, err := ParseUnixSeconds(text)
		if err != nil {
			return
		}
		again, precision, err := ParseInstant(at.Time().Format("2006-01-02T15:04:05Z07:00"))
		if err != nil || again != at || precision != PrecisionSecond || at%microsPerSecond != 0 {
			t.Fatalf("%q is %d, written %d: %v", text, at, again, err)
		}
	})
}
