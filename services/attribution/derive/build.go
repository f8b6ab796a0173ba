package derive

import (
	"bytes"
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/fact"
	"github.com/touchline/touchline/services/internal/hit"
)

// lead makes this process the one that builds a version, with a plan to do it by. It says
// no while another one is at it: what that one has found out would be lost.
func (s *step) lead(ctx context.Context, v Version) (bool, error) {
	if s.plan != nil && (s.plan.version != v.Number || v.Leader != s.name || s.plan.cursor != v.Cursor) {
		s.plan = nil // something else, or somebody else, was there since
	}
	if v.Leader != s.name && v.Leader != uuid.Nil && v.Idle < s.cfg.Lead {
		return false, nil
	}
	if s.plan == nil {
		var err error
		if s.plan, err = s.draw(ctx, v); err != nil {
			return false, err
		}
	}
	s.walked, s.ahead = progress{next: s.plan.next, cursor: s.plan.cursor}, s.plan.ahead
	return true, nil
}

// after is the plan as the committed step leaves it; nil: nothing is being built any more.
func (s *step) after() *plan {
	if s.plan == nil || s.done.Swap != nil {
		return nil
	}
	for first := range s.concluded {
		s.plan.done[first] = true
	}
	s.plan.next, s.plan.cursor, s.plan.ahead = s.walked.next, s.walked.cursor, s.ahead
	if s.plan.next == len(s.plan.order) {
		s.plan.forgetSupply()
	}
	return s.plan
}

// note says that all these facts, whole components, have been concluded from.
func (s *step) note(keys map[uuid.UUID]bool) {
	if s.plan == nil {
		return
	}
	for key := range keys {
		if place := s.plan.place(key); place >= 0 {
			s.concluded[s.plan.first[place]] = true
		}
	}
}

// build derives the next facts of a building version with everything connected to them.
// A crash costs no more than the step it interrupts, and drawing the plan again.
func (s *step) build(ctx context.Context, v Version) (err error) {
	advance := Build{Version: v.Number, Start: !v.Started, Cursor: v.Cursor, At: s.cfg.Now(), Alone: s.done.Touched == 0}
	if len(s.plan.keys) > 0 {
		err = s.buildPlanned(ctx, v, &advance)
	} else {
		err = s.buildUnplanned(ctx, v, &advance)
	}
	if err != nil {
		return err
	}
	s.done.Swap, err = s.tx.Advance(ctx, advance)
	return err
}

// buildPlanned derives the next components of the plan: those that were read ahead, or else
// the next ones. What comes after them is read ahead while they are written.
func (s *step) buildPlanned(ctx context.Context, v Version, advance *Build) error {
	with := basis{version: v, workspace: s.workspace, currency: s.info.Currency, parts: s.cfg.Parts}
	now := s.ahead
	if !now.ready(with) {
		// A short one: nothing goes on beside it.
		now = s.stretchFrom(progress{next: s.plan.next, cursor: s.plan.cursor}, with, max(1, s.cfg.WalkRows/firstPart))
		if err := now.conclude(ctx, s.tx.Load); err != nil {
			return err
		}
	}
	found, err := now.rest(ctx, s.tx.Load, func(first int32) bool { return s.plan.done[first] || s.concluded[first] })
	if err != nil {
		return err
	}
	s.readAhead(ctx, now, with)
	advance.Walked, advance.Cursor = now.to.next-s.plan.next, now.to.cursor
	// A large one is compared in a transaction of its own: when that has written nothing
	// either, others can see what it sees. It publishes all the same when facts have arrived.
	ended := s.plan.next == len(s.plan.order)
	advance.Publish = ended || now.to.next == len(s.plan.order) && len(s.plan.order) <= s.cfg.WalkRows
	advance.Unchanged = ended && advance.Alone
	// What was concluded from touched rows may add to the same sums, which would wait for each
	// other; and what is compared in this transaction has to be written in it.
	found.split = advance.Alone && !advance.Publish
	if err := s.rewrite(ctx, v, found); err != nil {
		return err
	}
	s.walked = now.to
	return nil
}

// readAhead has the stretch behind that one read and derived in the background.
func (s *step) readAhead(ctx context.Context, behind *stretch, with basis) {
	s.ahead = nil
	if behind.to.next == len(s.plan.order) || s.beside.load == nil {
		return
	}
	s.stockUp(ctx, s.plan)
	next := s.stretchFrom(behind.to, with, s.stride())
	next.chunks = s.plan.supply != nil // by keys: at once, on one connection
	next.start(ctx, s.plan.supply.loader(s.beside.load), s.beside)
	s.ahead = next
}

// The steps of a large build are longer: keys are hashes, so that what a step writes lies all
// over the indexes, and less far apart the more of it there is.
const (
	longest = 2 // times Config.WalkRows
	strides = 8 // of which a build has at least so many
)

// stride is about how many facts a step of the plan walks.
func (s *step) stride() int {
	return min(max(s.cfg.WalkRows, len(s.plan.order)/strides), longest*s.cfg.WalkRows)
}

// firstPart says how much less than others a stretch has that was not read ahead.
const firstPart = 8

// stretchFrom is what a step walks from there on, about most facts, not read yet.
func (s *step) stretchFrom(from progress, with basis, most int) *stretch {
	a := &stretch{with: with, fresh: s.plan.fresh}
	if s.plan.fresh.Rows {
		a.drafted = drafted
	}
	a.keys, a.components, a.to = s.plan.walk(from, most, s.concluded)
	return a
}

// buildUnplanned derives the next facts, in order of their keys, and what they hang
// together with, which is found anew at each step: where there are too many facts for a
// plan.
func (s *step) buildUnplanned(ctx context.Context, v Version, advance *Build) error {
	keys, err := s.tx.Walk(ctx, v.Cursor, s.cfg.WalkRows)
	if err != nil {
		return err
	}
	advance.Walked, advance.Publish = len(keys), len(keys) < s.cfg.WalkRows
	if len(keys) == 0 {
		return nil
	}
	refs, err := s.tx.Refs(ctx, keys)
	if err != nil {
		return err
	}
	found, err := closure(ctx, s.tx, refs, []Version{v})
	if err != nil {
		return fmt.Errorf("gather facts: %w", err)
	}
	if found.facts, err = s.tx.Load(ctx, mapKeys(found.keys)); err != nil {
		return fmt.Errorf("load facts: %w", err)
	}
	advance.Cursor = keys[len(keys)-1]
	s.walked.cursor = advance.Cursor
	return s.rewrite(ctx, v, found.beyond(v))
}

// beyond leaves out the components that a step before has derived: those with a fact at
// or before the cursor. Such a component was derived whole when that fact was walked,
// and whenever one of its facts was touched since, which every version concludes from;
// so was one that came about when a touched fact joined two, and what is left of one
// that fell apart. Without this each component would be derived as often as it has
// facts in different steps.
func (g gathered) beyond(v Version) gathered {
	if v.Cursor == uuid.Nil {
		return g
	}
	rest := gathered{refs: make(map[uuid.UUID]fact.RefKind), keys: make(map[uuid.UUID]bool)}
	for _, component := range components(g.facts, v, len(g.facts)) {
		if walked(component, v.Cursor) {
			continue
		}
		for i := range component {
			rest.keys[component[i].Key()] = true
			for _, r := range fact.Refs(&component[i]) {
				rest.refs[r.Value] = r.Kind
			}
		}
		rest.facts = append(rest.facts, component...)
	}
	return rest
}

func walked(facts []hit.Fact, cursor uuid.UUID) bool {
	for i := range facts {
		if key := facts[i].Key(); bytes.Compare(key[:], cursor[:]) <= 0 {
			return true
		}
	}
	return false
}
