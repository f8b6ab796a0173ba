package segment

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/tracking/edge/edgetest"
	"github.com/touchline/touchline/services/tracking/intake"
)

func TestDecode(t *testing.T) {
	t.Parallel()
	edgetest.Payloads(t, edgetest.Env(hit.TrustBrowser), func(t *testing.T, name string, body []byte) []intake.Item {
		call, _, _ := strings.Cut(strings.TrimSuffix(name, ".json"), "_")
		r, err := Decode(body, Call(call), Meta{ReceivedAt: edgetest.ReceivedAt})
		if err != nil {
			t.Fatal(err)
		}
		return r.Items
	})
}

// The country of a national number: of the item's own address, else of where the device
// says that it is.
func TestDecode_Country(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"userId":"u","event":"E","context":{"location":{"country":"SE"}}}`:                                                        "SE",
		`{"userId":"u","event":"E","context":{"location":{"country":"SE"},"traits":{"address":{"country":"DK"}}}}`:                  "DK",
		`{"userId":"u","event":"E","properties":{"country":"FI"},"context":{"traits":{"address":{"country":"DK"}}}}`:                "FI",
		`{"userId":"u","event":"E","properties":{"shipping_address":{"country":"IS"},"country":"FI"},"context":{"traits":{}}}`:      "IS",
		`{"userId":"u","event":"E","context":{"location":{"country":"Sweden"}}}`:                                                    "",
		`{"userId":"u","event":"E","context":{"location":{"country":"SE"}},"properties":{"billing_address":{"country_code":"no"}}}`: "NO",
	} {
		r, err := Decode([]byte(body), Track, Meta{})
		if err != nil || len(r.Items) != 1 || r.Items[0].Country != want {
			t.Errorf("%s: %+v, %v, want %q", body, r.Items, err, want)
		}
	}
}

func TestDecode_Unreadable(t *testing.T) {
	t.Parallel()
	for _, body := range []string{``, `{`, `[]`, `"x"`, `{} {}`, `{"batch":{}}`, `{"userId":"u"}`, `{"batch":null}`} {
		if _, err := Decode([]byte(body), Batch, Meta{}); err == nil {
			t.Errorf("%s was read as a batch", body)
		}
	}
	if r, err := Decode([]byte(`{"batch":[]}`), Batch, Meta{}); err != nil || len(r.Items) != 0 {
		t.Errorf("an empty batch: %d items, %v", len(r.Items), err)
	}
}

func TestDecode_SentAtHeader(t *testing.T) {
	t.Parallel()
	body := []byte(`{"messageId":"m","userId":"u","event":"E","originalTimestamp":"2026-09-01T10:00:00.000Z"}`)
	r, err := Decode(body, Track, Meta{SentAt: "2026-09-01T10:00:05.000Z", ReceivedAt: edgetest.ReceivedAt})
	if err != nil {
		t.Fatal(err)
	}
	h, _ := intake.Run(r.Items[0], edgetest.Env(hit.TrustBrowser))
	if want := edgetest.ReceivedAt - 5_000_000; h.Fact.At != want {
		t.Errorf("at %s, want 5 s before the receipt", h.Fact.At.Time())
	}
}

func TestDecode_MadeID(t *testing.T) {
	t.Parallel()
	id := func(body string, at hit.Instant) string {
		r, err := Decode([]byte(body), Track, Meta{ReceivedAt: at})
		if err != nil {
			t.Fatal(err)
		}
		return r.Items[0].Fact.ID
	}
	timed := `{"userId":"u","event":"E","timestamp":"2026-09-01T10:00:00Z","sentAt":"A"}`
	if id(timed, 1) != id(strings.Replace(timed, `"A"`, `"B"`, 1), 2) {
		t.Error("a retry with a new sentAt must be the same fact")
	}
	if id(timed, 1) == id(strings.Replace(timed, `"E"`, `"F"`, 1), 1) {
		t.Error("another event must be another fact")
	}
	untimed := `{"userId":"u","event":"E"}`
	if id(untimed, 1) == id(untimed, 2) {
		t.Error("two calls without id and time must be two facts")
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{"batch":[{"type":"track","event":"E","userId":"u","properties":{"a":[1,{"b":null}]}}],"sentAt":"2026-09-01T10:00:00Z"}`,
		`{"type":"alias","userId":1,"previousId":"x","context":{"page":{"url":"u"},"traits":{"phone":"+47 1"}}}`,
		`{"batch":[[],1,null,{"type":"identify","traits":{"address":{"country":"xx"}}}]}`,
	} {
		f.Add([]byte(seed), "batch")
		f.Add([]byte(seed), "identify")
	}
	f.Fuzz(func(t *testing.T, body []byte, call string) {
		before := bytes.Clone(body)
		r, err := Decode(body, Call(call), Meta{ReceivedAt: edgetest.ReceivedAt})
		if err == nil {
			edgetest.Check(t, r.Items)
		}
		if !bytes.Equal(before, body) {
			t.Fatal("the body was changed")
		}
	})
}

// Items share the context of their batch, and what is read of it is read once: else one
// body makes thousands of copies of itself.
//
//nolint:paralleltest // it counts what is allocated
func TestDecode_ReadsTheContextOnce(t *testing.T) {
	for name, member := range map[string]func(int) string{
		"one key":    func(int) string { return `,"":0` },
		"other keys": func(i int) string { return fmt.Sprintf(`,"%x":0`, i) },
	} {
		var traits strings.Builder
		for i := range 40_000 {
			traits.WriteString(member(i))
		}
		body := []byte(`{"context":{"traits":{` + traits.String()[1:] + `}},"batch":[{}` + strings.Repeat(",{}", 4999) + `]}`)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r, err := Decode(body, Batch, Meta{})
		runtime.ReadMemStats(&after)
		if err != nil || len(r.Items) != 5000 {
			t.Fatalf("%s: %d items, %v", name, len(r.Items), err)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 64<<20 {
			t.Errorf("%s: %d bytes were allocated for a body of %d", name, took, len(body))
		}
	}
}
