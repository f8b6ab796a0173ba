package timeline

import (
	"slices"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/fact"
	"github.com/touchline/touchline/services/attribution/identity"
	"github.com/touchline/touchline/services/internal/hit"
)

// Change compares what follows from some facts with what follows from them without
// those that are fresh. It is for facts that are complete by content: whatever shares
// a message, token, order or event with one of them is among them. All that does not
// depend on who is who then follows from them alone.
type Change struct {
	before, after *world
	fresh         map[uuid.UUID]bool // keys of facts
}

// Compare reads both sides of a change. In.Facts holds the facts with those that are
// fresh.
func Compare(in Input, fresh map[uuid.UUID]bool) *Change {
	old := in
	old.Facts = slices.DeleteFunc(slices.Clone(in.Facts), func(f hit.Fact) bool { return fresh[f.Key()] })
	return &Change{before: read(old, prepare(old)), after: read(in, prepare(in)), fresh: fresh}
}

// Links compares what was stated together: see [identity.Differ].
func (c *Change) Links() (better, gone []identity.Link) {
	return identity.Differ(c.before.links(), c.after.links())
}

// Aliased reports whether the change names user_ids that count as one.
func (c *Change) Aliased() bool { return len(c.before.aliases()) != len(c.after.aliases()) }

// Stated lists what the fresh facts state.
func (c *Change) Stated() []identity.Statement {
	var all []identity.Statement
	for i := range c.after.facts {
		if f := &c.after.facts[i]; c.fresh[f.Key()] && len(f.Identifiers) > 0 {
			all = append(all, statement(f))
		}
	}
	return all
}

// Identifiers lists, each once, the strong identifiers of all facts.
func (c *Change) Identifiers() []hit.Identifier {
	var all []hit.Identifier
	seen := map[hit.Identifier]bool{}
	for i := range c.after.facts {
		for _, id := range c.after.facts[i].Identifiers {
			id.Folded = ""
			if !seen[id] {
				seen[id] = true
				all = append(all, id)
			}
		}
	}
	return all
}

// States reports whether a fact, as the policy reads it, states an identifier.
func States(in Input, f *hit.Fact, id hit.Identifier) bool {
	in.Facts = []hit.Fact{*f}
	return slices.ContainsFunc(prepare(in)[0].Identifiers, func(has hit.Identifier) bool {
		return fact.IdentifierRef(has) == fact.IdentifierRef(id)
	})
}

// Devices concludes, of devices all of whose facts are there, who held them when.
func (c *Change) Devices(people *identity.People) *identity.Devices {
	w := c.after
	return identity.NewDevices(people, w.identifyClaims(), w.clicks(), w.spans())
}

// Stretches fills in the claims of stretches of devices that are not wholly there,
// whose facts within are. The second result is false when a claim outside of them,
// on a device that is not among wholly, differs too.
func (c *Change) Stretches(stretches []identity.Stretch, wholly map[hit.Identifier]bool) ([]identity.Stretch, bool) {
	covered := func(claim identity.Claim) bool {
		return wholly[claim.Device] || slices.ContainsFunc(stretches, func(s identity.Stretch) bool { return within(s, claim) })
	}
	clicks := differ(identity.Followed(c.before.clicks()), identity.Followed(c.after.clicks()))
	before, after := c.before.identifyClaims(), c.after.identifyClaims()
	for _, claim := range slices.Concat(clicks, differ(before, after)) {
		if !covered(claim) {
			return nil, false
		}
	}
	filled := slices.Clone(stretches)
	for i := range filled {
		s := &filled[i]
		s.Before = c.before.reachingBack(*s, before)
		s.After = c.after.reachingBack(*s, after)
		s.Clicks = slices.DeleteFunc(slices.Clone(clicks), func(claim identity.Claim) bool { return !within(*s, claim) })
	}
	return filled, true
}

func within(s identity.Stretch, c identity.Claim) bool {
	return c.Device == s.Device && c.At >= s.From && c.At < s.Until
}

// reachingBack returns a stretch's identify claims from when on they hold.
func (w *world) reachingBack(s identity.Stretch, claims []identity.Claim) []identity.Claim {
	claims = slices.DeleteFunc(slices.Clone(claims), func(c identity.Claim) bool { return !within(s, c) })
	return identity.ReachBack(claims, spansOf(w.sessions[s.Device]))
}

// differ returns what is in one of two lists alone, repetitions counted.
func differ[T comparable](before, after []T) []T {
	count := make(map[T]int, len(before))
	for _, b := range before {
		count[b]++
	}
	var all []T
	for _, a := range after {
		if count[a] > 0 {
			count[a]--
		} else {
			all = append(all, a)
		}
	}
	for _, b := range before {
		if count[b] > 0 {
			count[b]--
			all = append(all, b)
		}
	}
	return all
}
