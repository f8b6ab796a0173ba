// Package timeline is where the pure packages meet: facts and a policy go in, the
// attribution table comes out. The result depends on the set of facts alone, not
// on their order or repetition.
//
// The walk: prepare (one copy of each fact, blocked identifiers gone) -> messages
// and sessions -> who is who -> engagements -> conversions -> credits.
package timeline

import (
	"cmp"
	"slices"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/conversion"
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
	Rules     *Rules     // of Policy; nil: compiled here
	Facts     []hit.Fact // of one or more whole connected components (see package fact), in any order; not changed

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
	Claims      []identity.Claim      // by device, time, strongest first
}

// Derive draws all conclusions. It is total and deterministic: no input makes it
// panic, and neither order nor repetition of facts changes the result.
func Derive(in Input) Outcome {
	w := read(in, prepare(in))
	w.resolve(in.Workspace)
	out := w.outcome(in)
	out.Persons, out.Links, out.Claims = w.people.Assignments(), w.people.Links(), w.devices.Claims()
	return out
}

// Conclude draws the conclusions that follow once it is known who is who: conversions
// and messages. The facts may be a part of what a person did; then the caller knows
// which of the conclusions they suffice for.
func Conclude(in Input, people *identity.People, devices *identity.Devices) Outcome {
	w := read(in, prepare(in))
	w.assume(people, devices)
	return w.outcome(in)
}

func (w *world) outcome(in Input) Outcome {
	var out Outcome
	touches := credit.NewTouches(in.Policy, w.touches(touch.NewChats(w.book, w.policy)))
	for _, r := range w.book.Records() {
		r.Engage()
		out.Messages = append(out.Messages, r.Message)
	}
	count := conversion.Conversions(w.events, conversion.Rules{
		Definitions: in.Policy.Conversions, Currency: in.Currency, Owner: w.owner,
	})
	for _, c := range count.Conversions {
		out.Conversions = append(out.Conversions, credit.Assign(touches, c)...)
	}
	for i := range count.Orphans {
		out.Conversions = append(out.Conversions, credit.Orphan(in.Policy, &count.Orphans[i]))
	}
	slices.SortFunc(out.Conversions, func(a, b credit.Conversion) int {
		return cmp.Or(cmp.Compare(a.Definition, b.Definition), cmp.Compare(a.ID, b.ID))
	})
	return out
}
