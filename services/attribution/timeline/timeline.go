// Package timeline is where the pure packages meet: facts and a policy go in, the
// attribution table comes out. The result depends on the set of facts alone, not
// on their order or repetition.
package timeline

import (
	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/credit"
	"github.com/touchline/touchline/services/attribution/identity"
	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/attribution/touch"
	"github.com/touchline/touchline/services/internal/hit"
)

// Input is what conclusions are drawn from.
type Input struct {
	Workspace uuid.UUID
	Currency  string // ISO 4217, of values that name none
	Policy    *policy.Policy
	Facts     []hit.Fact // of one or more whole connected components (see package fact), in any order

	// Blocked reports whether an identifier is on the block list. Facts as stored
	// hold digests, so only the caller can tell; nil compares plain text.
	Blocked func(hit.Identifier) bool
}

// Outcome is everything that follows from an [Input], every list in a fixed order.
type Outcome struct {
	Conversions []credit.Conversion   // by definition, id
	Messages    []touch.Message       // by channel, id
	Persons     []identity.Assignment // strong identifiers, by kind, value
	Links       []identity.Link       // the best of each pair, in the order they were tried
	Claims      []identity.Claim      // by device, time, identify first, fact
}

// Derive draws all conclusions. It is total and deterministic: no input makes it
// panic, and neither order nor repetition of facts changes the result.
func Derive(in Input) Outcome {
	return Outcome{}
}
