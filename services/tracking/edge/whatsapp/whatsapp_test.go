package whatsapp

import (
	"testing"

	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/tracking/edge/edgetest"
	"github.com/touchline/touchline/services/tracking/intake"
)

func TestDecode(t *testing.T) {
	t.Parallel()
	edgetest.Payloads(t, edgetest.Env(hit.TrustWebhook), func(_ *testing.T, _ string, body []byte) []intake.Item {
		return Decode(body)
	})
}
