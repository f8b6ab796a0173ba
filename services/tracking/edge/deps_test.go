package edge

import (
	"testing"

	"github.com/touchline/touchline/services/internal/deptest"
)

func TestDependencies_WireFormats(t *testing.T) {
	t.Parallel()
	for _, dir := range []string{"country", "handover", "lenient", "message", "pixel", "segment", "signature", "site", "webhook", "whatsapp"} {
		t.Run(dir, func(t *testing.T) {
			t.Parallel()
			deptest.Check(t, "./"+dir, deptest.Pure(
				"a wire format is read by a pure function, so that it can be fuzzed and moved; Echo and Redis stay in package edge",
				"github.com/touchline/touchline/services/tracking/edge",
				"github.com/touchline/touchline/services/tracking/intake",
				"github.com/touchline/touchline/services/internal/hit",
				"github.com/google/uuid",
				"github.com/nyaruka/phonenumbers",
				"google.golang.org/protobuf", // by way of phonenumbers
				"golang.org/x/net/publicsuffix",
				"golang.org/x/text",
			))
		})
	}
}
