package derive

import (
	"context"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/fact"
	"github.com/touchline/touchline/services/attribution/identity"
	"github.com/touchline/touchline/services/attribution/timeline"
	"github.com/touchline/touchline/services/attribution/touch"
	"github.com/touchline/touchline/services/internal/hit"
)

const (
	// namesMost is how many identifiers of one person are looked at; a guess, far above
	// what links that are not shared join.
	namesMost = 1000
	// earliestMost is how many of an identifier's facts are looked at for one that
	// states it; a guess. Only statuses of groups name an identifier and state it not.
	earliestMost = 8
)

// identify holds the change against who is who. It refuses all that may change that,
// but for new identifiers that nothing joins to others, links of shared identifiers and
// devices that are wholly at hand.
func (r *reach) identify(ctx context.Context, stretches []identity.Stretch) error {
	if r.change.Aliased() {
		return refusedAlias
	}
	if err := r.assigned.read(ctx, r.tx, r.v, digestsOf(r.change.Identifiers())); err != nil {
		return err
	}
	for _, check := range []func(context.Context) error{r.checkLinks, r.checkNames} {
		if err := check(ctx); err != nil {
			return err
		}
	}
	return r.checkClaims(ctx, stretches)
}

// assigned says whose identifiers are as concluded so far, by their digests.
type assigned map[uuid.UUID]identity.Assignment

// read reads the persons of identifiers that were not read yet. What digests holds after that is not said.
func (a assigned) read(ctx context.Context, names Names, v Version, digests []uuid.UUID) error {
	unknown := slices.DeleteFunc(digests, func(digest uuid.UUID) bool {
		_, known := a[digest]
		return known
	})
	if len(unknown) == 0 {
		return nil
	}
	persons, err := names.Persons(ctx, v, unknown)
	if err != nil {
		return fmt.Errorf("read persons: %w", err)
	}
	for _, p := range persons {
		a[personKeyOf(p)] = p
	}
	return nil
}

func (a assigned) list() []identity.Assignment { return slices.Collect(maps.Values(a)) }

// checkNames lets new identifiers be persons of their own, as nothing joins them to
// others, and refuses statements from before the one that gave a person its name.
func (r *reach) checkNames(ctx context.Context) error {
	earliest := make(map[uuid.UUID]hit.Instant) // by person, of its other identifiers
	for _, s := range r.change.Stated() {
		for _, id := range s.Identifiers {
			name := identity.Name(r.workspace, id)
			digest := fact.IdentifierRef(id).Value
			a, known := r.assigned[digest]
			if !known {
				a = identity.Assignment{Identifier: hit.Identifier{Kind: id.Kind, Value: id.Value}, Person: name}
				r.assigned[digest] = a
				r.outcome.Persons = append(r.outcome.Persons, a)
			}
			if a.Person == name {
				continue // stating it earlier names the person no differently
			}
			if at, stated := earliest[a.Person]; !stated || s.At < at {
				earliest[a.Person] = s.At
			}
		}
	}
	if len(earliest) == 0 {
		return nil
	}
	names, err := r.tx.PersonsOf(ctx, r.v, mapKeys(earliest), namesMost)
	if err != nil {
		return fmt.Errorf("read names: %w", err)
	}
	for _, a := range names {
		if identity.Name(r.workspace, a.Identifier) != a.Person {
			continue
		}
		before, err := r.statedBefore(ctx, a.Identifier, earliest[a.Person])
		if err != nil {
			return err
		}
		if before {
			delete(earliest, a.Person)
		}
	}
	if len(earliest) > 0 {
		return refusedName
	}
	return nil
}

// statedBefore reports whether a fact that is not fresh stated an identifier before
// an instant.
func (r *reach) statedBefore(ctx context.Context, id hit.Identifier, at hit.Instant) (bool, error) {
	span := RefSpan{Ref: fact.IdentifierRef(id).Value, To: at - 1}
	moments, err := r.tx.Within(ctx, []RefSpan{span}, earliestMost)
	if err != nil {
		return false, fmt.Errorf("read statements: %w", err)
	}
	var keys []uuid.UUID
	for _, m := range moments {
		if !r.fresh[m.Fact] {
			keys = append(keys, m.Fact)
		}
	}
	facts, err := r.tx.Load(ctx, keys)
	if err != nil {
		return false, fmt.Errorf("load statements: %w", err)
	}
	return slices.ContainsFunc(facts, func(f hit.Fact) bool { return timeline.States(r.input(nil), &f, id) }), nil
}

// checkClaims concludes who held the devices that are wholly at hand and refuses when
// another may have changed hands.
func (r *reach) checkClaims(ctx context.Context, stretches []identity.Stretch) error {
	claims, err := r.claims(ctx, r.devices)
	if err != nil {
		return err
	}
	people, devices := identity.Known(r.workspace, r.assigned.list(), claims)
	r.before = timeline.Who{People: people, Devices: devices}
	filled, covered := r.change.Stretches(stretches, r.wholly)
	if !covered {
		return refusedClaim
	}
	for _, s := range filled {
		if !devices.Steady(s) {
			return refusedClaim
		}
	}
	concluded := r.change.Devices(people)
	var wholly []hit.Identifier
	for device := range r.wholly {
		wholly = append(wholly, device)
		r.outcome.Claims = append(r.outcome.Claims, concluded.Of(device)...)
	}
	for _, c := range claims {
		if r.wholly[c.Device] {
			r.current.Claims = append(r.current.Claims, c)
		}
	}
	r.after = timeline.Who{People: people, Devices: devices.With(concluded, wholly)}
	return nil
}

// claims reads the claims on devices, their holders with their persons.
func (r *reach) claims(ctx context.Context, devices map[hit.Identifier]bool) ([]identity.Claim, error) {
	var refs []uuid.UUID
	for device := range devices {
		refs = append(refs, fact.IdentifierRef(device).Value)
	}
	if len(refs) == 0 {
		return nil, nil
	}
	claims, err := r.tx.Claims(ctx, r.v, refs)
	if err != nil {
		return nil, fmt.Errorf("read claims: %w", err)
	}
	holders := make([]uuid.UUID, len(claims))
	for i, c := range claims {
		holders[i] = fact.IdentifierRef(c.Holder).Value
	}
	if err := r.assigned.read(ctx, r.tx, r.v, slices.Clone(holders)); err != nil {
		return nil, err
	}
	for i := range claims {
		if a, known := r.assigned[holders[i]]; known {
			claims[i].Holder = a.Identifier
		}
	}
	return claims, nil
}

func stretchesOf(runs []RefSpan) []identity.Stretch {
	stretches := make([]identity.Stretch, len(runs))
	for i, run := range runs {
		stretches[i] = identity.Stretch{
			Device: deviceOf(run.Ref), Span: identity.Span{From: run.From, Until: run.To + touch.Pause + 1},
		}
	}
	return stretches
}

func deviceOf(ref uuid.UUID) hit.Identifier {
	return hit.Identifier{Kind: hit.Device, Value: hex.EncodeToString(ref[:])}
}

func digestsOf(ids []hit.Identifier) []uuid.UUID {
	digests := make([]uuid.UUID, len(ids))
	for i, id := range ids {
		digests[i] = fact.IdentifierRef(id).Value
	}
	return digests
}
