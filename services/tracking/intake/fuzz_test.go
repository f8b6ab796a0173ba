package intake

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/touchline/touchline/services/internal/hit"
)

// Whatever an item says, it becomes a hit or a refusal with a reason of the closed set.
// A hit goes through the stream and into storage unchanged, and taken through the steps
// again it stays what it is.
func FuzzRun(f *testing.F) {
	f.Add("e1", "Buy", "+47 406 12 345", "2026-09-01T11:00:00.000Z", "2026-09-01T11:00:01Z", []byte(`{"b":1.0,"a":"\u0000"}`), false)
	f.Add("a\x00b", " ", "NO.77", "1788260400", "", []byte(`[[1e400]]`), true)
	f.Fuzz(func(t *testing.T, id, text, name, stated, sentAt string, document []byte, seconds bool) {
		if len(document) == 0 {
			document = nil // the wire formats leave out what is not there
		}
		kinds := []Name{{hit.UserID, name}, {hit.Phone, name}, {hit.Email, name}, {WaID, name}, {hit.Device, text}}
		for _, item := range []Item{
			{Fact: hit.Fact{Kind: hit.KindEvent, ID: id, Event: &hit.Event{Name: text, Properties: document}}},
			{Fact: hit.Fact{Kind: hit.KindInbound, Channel: name, ID: id, Inbound: &hit.Inbound{Text: text, Fields: document, Token: name}}, Anonymous: true},
			{Fact: hit.Fact{Kind: hit.KindPage, ID: id, Page: &hit.Page{URL: text, Referrer: name, Properties: document}}},
		} {
			item.Names, item.Raw = kinds, document
			item.Stated = Stated{Text: stated, Seconds: seconds, SentAt: sentAt}
			h, refusal := Run(item, testEnv())
			if (refusal != nil) != (h.Rejection != nil) {
				t.Fatalf("refusal %+v, rejection %+v", refusal, h.Rejection)
			}
			encoded, err := hit.Encode(nil, &h)
			if err != nil {
				t.Fatal(err)
			}
			if back, err := hit.Decode(encoded); err != nil {
				t.Fatalf("%+v: %v", h, err)
			} else if diff := cmp.Diff(h, back); diff != "" {
				t.Fatalf("through the stream:\n%s", diff)
			}
			if refusal == nil {
				checkStorable(t, &h)
			}
		}
	})
}

func checkStorable(t *testing.T, h *hit.Hit) {
	t.Helper()
	f := &h.Fact
	body, _, err := hit.Content(f)
	if err != nil || !json.Valid(body) {
		t.Fatalf("%+v cannot be stored: %v", f, err)
	}
	if f.At > f.ReceivedAt+300_000_000 || f.At < 1_262_304_000_000_000 {
		t.Fatalf("it happened at %s", f.At.Time())
	}
	for _, text := range texts(nil, f) {
		if clean, changed := hit.CleanText(*text); changed {
			t.Fatalf("%q is not clean, which is %q", *text, clean)
		}
	}
	again := Item{Fact: *f, Anonymous: true, Stated: Stated{}}
	identifiers, device := f.Identifiers, f.Device
	if twice, refusal := Run(again, testEnv()); refusal != nil {
		t.Fatalf("refused the second time: %+v", refusal)
	} else if diff := cmp.Diff(identifiers, twice.Fact.Identifiers) + cmp.Diff(device, twice.Fact.Device) + cmp.Diff(documents(nil, f), documents(nil, &twice.Fact)); diff != "" {
		t.Fatal(diff)
	}
}
