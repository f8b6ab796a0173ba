package webhook

import (
	"testing"

	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/tracking/edge/edgetest"
	"github.com/touchline/touchline/services/tracking/intake"
)

func TestDecode(t *testing.T) {
	t.Parallel()
	edgetest.Payloads(t, edgetest.Env(hit.TrustWebhook), func(t *testing.T, _ string, body []byte) []intake.Item {
		items, err := Decode(body)
		if err != nil {
			t.Fatal(err)
		}
		return items
	})
}

func TestDecode_Unreadable(t *testing.T) {
	t.Parallel()
	for _, body := range []string{``, `{`, `[{"event":"E"}]`, `null`} {
		if _, err := Decode([]byte(body)); err == nil {
			t.Errorf("%s was read as an event", body)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"id":"1","event":"E","at":"2026-09-01T11:00:00Z","phone":"1","properties":{"a":{"b":[]}}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if items, err := Decode(body); err == nil {
			edgetest.Check(t, items)
		}
	})
}
