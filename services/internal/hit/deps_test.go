package hit_test

import (
	"testing"

	"github.com/touchline/touchline/services/internal/deptest"
)

func TestDependencies(t *testing.T) {
	t.Parallel()
	for _, dir := range []string{".", "./canonical"} {
		deptest.Check(t, dir, deptest.Pure(
			"hit is the contract of both services and pure: it reaches the standard library, uuid, phonenumbers and x/text only, and neither waits nor does I/O",
			"github.com/touchline/touchline/services/internal/hit", // what is below it
			"github.com/google/uuid",
			"github.com/nyaruka/phonenumbers",
			"google.golang.org/protobuf", // by way of phonenumbers
			"golang.org/x/text",
		))
	}
}
