package derive

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/fact"
	"github.com/touchline/touchline/services/attribution/identity"
	"github.com/touchline/touchline/services/attribution/timeline"
	"github.com/touchline/touchline/services/internal/hit"
)

// The checks that let go of shares.

// complete finds what else shares the ids of events, which there must be none, and what else
// is said of messages.
func (a *apart) complete(ctx context.Context) error {
	var refs []uuid.UUID
	own := make(map[*share][]uuid.UUID)
	for _, s := range a.shares {
		switch s.kind {
		case hit.KindMessage:
			refs = append(refs, s.ref)
		case hit.KindEvent:
			own[s] = contentOf(s.fresh[0])
			refs = append(refs, own[s]...)
		}
	}
	carry, err := a.meet(ctx, refs)
	if err != nil {
		return err
	}
	var members []uuid.UUID
	for _, s := range a.shares {
		if s.kind == hit.KindMessage {
			s.no = s.no || len(carry[s.ref]) > apartMost
			members = append(members, carry[s.ref]...)
		}
		for _, ref := range own[s] {
			s.no = s.no || len(carry[ref]) != 1
		}
	}
	if err := a.load(ctx, members); err != nil {
		return err
	}
	for _, s := range a.shares {
		if s.kind == hit.KindMessage && !s.no {
			a.gather(s, carry[s.ref])
		}
	}
	return nil
}

// contentOf returns a fact's references but for identifiers and devices.
func contentOf(f *hit.Fact) (refs []uuid.UUID) {
	for _, r := range fact.Refs(f) {
		if r.Kind >= fact.RefMessage {
			refs = append(refs, r.Value)
		}
	}
	return refs
}

// meet returns the facts that carry references, by reference, up to one more than
// apartMost each.
func (a *apart) meet(ctx context.Context, refs []uuid.UUID) (map[uuid.UUID][]uuid.UUID, error) {
	if len(refs) == 0 {
		return nil, nil
	}
	slices.SortFunc(refs, func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
	met, err := a.tx.Meet(ctx, slices.Compact(refs), apartMost+1)
	if err != nil {
		return nil, fmt.Errorf("read facts of references: %w", err)
	}
	carry := make(map[uuid.UUID][]uuid.UUID, len(refs))
	for _, m := range met {
		carry[m.Ref.Value] = append(carry[m.Ref.Value], m.Fact)
	}
	return carry, nil
}

// gather takes in all that is said of a message.
func (a *apart) gather(s *share, members []uuid.UUID) {
	for _, key := range members {
		f := a.facts[key]
		if f == nil || a.bad[key] || !a.plainMessage(f) || fact.Anchor(f).Value != s.ref {
			s.no = true
			return
		}
		s.facts = append(s.facts, f)
		s.note(f)
	}
}

// unclicked lets go messages whose click token somebody else carries.
func (a *apart) unclicked(ctx context.Context) error {
	tokens := make(map[uuid.UUID]*share)
	var refs []uuid.UUID
	for _, s := range a.shares {
		for _, f := range s.facts {
			if f.Message == nil || f.Message.Token == "" {
				continue
			}
			ref := fact.TokenRef(f.Message.Token).Value
			if other := tokens[ref]; other != nil {
				s.no, other.no = true, true // which one it is of is not for here to say
			}
			tokens[ref], refs = s, append(refs, ref)
		}
	}
	carry, err := a.meet(ctx, refs)
	if err != nil {
		return err
	}
	for ref, s := range tokens {
		s.no = s.no || len(carry[ref]) != 1
	}
	return nil
}

// named says whose names are, and lets go those whose statement may give the person another name.
func (a *apart) named(ctx context.Context) error {
	first := make(map[uuid.UUID]hit.Instant) // by digest: the earliest of the new statements
	for _, s := range a.shares {
		for _, f := range s.fresh {
			if at, known := first[s.name]; s.name != uuid.Nil && (!known || f.At < at) {
				first[s.name] = f.At
			}
		}
	}
	if err := a.names.read(ctx, a.tx, a.v, mapKeys(first)); err != nil {
		return err
	}
	var spans []RefSpan
	for _, s := range a.shares {
		if s.name == uuid.Nil {
			continue
		}
		assigned, known := a.names[s.name]
		s.person, s.no = assigned.Person, s.no || !known
		if at, open := first[s.name]; open && known && identity.Name(a.workspace, *s.id) != s.person {
			spans = append(spans, RefSpan{Ref: s.name, To: at - 1})
		}
		delete(first, s.name)
	}
	lacking, err := a.lacking(ctx, spans)
	for _, s := range a.shares {
		s.no = s.no || lacking[s.name]
	}
	return err
}

// lacking returns the references that nothing is known to state in their spans.
func (a *apart) lacking(ctx context.Context, spans []RefSpan) (map[uuid.UUID]bool, error) {
	if len(spans) == 0 {
		return nil, nil
	}
	moments, err := a.tx.Within(ctx, spans, earliestMost)
	if err != nil {
		return nil, fmt.Errorf("read statements: %w", err)
	}
	keys := make(map[uuid.UUID]bool, len(moments))
	lacking := make(map[uuid.UUID]bool, len(spans))
	for _, s := range spans {
		lacking[s.Ref] = true
	}
	for _, m := range moments {
		keys[m.Fact] = true
	}
	if err := a.load(ctx, mapKeys(keys)); err != nil {
		return nil, err
	}
	for _, m := range moments {
		if f := a.facts[m.Fact]; f != nil && f.Kind != hit.KindStatus && f.Kind != hit.KindClick {
			delete(lacking, m.Ref)
		}
	}
	return lacking, nil
}

// held says who holds the devices of page views, and lets go those that something else happened
// on at their time or later.
func (a *apart) held(ctx context.Context) error {
	devices := make(map[uuid.UUID]*share)
	fresh := make(map[uuid.UUID]bool)
	var spans []RefSpan
	for _, s := range a.shares {
		if s.kind != hit.KindPage {
			continue
		}
		devices[s.ref] = s
		spans = append(spans, RefSpan{Ref: s.ref, From: s.from, To: forever})
		for _, f := range s.fresh {
			fresh[f.Key()] = true
		}
	}
	if len(spans) == 0 {
		return nil
	}
	moments, err := a.tx.Within(ctx, spans, apartMost+1)
	if err != nil {
		return fmt.Errorf("read what happened on devices: %w", err)
	}
	seen := make(map[uuid.UUID]int)
	for _, m := range moments {
		s := devices[m.Ref]
		seen[m.Ref]++
		s.no = s.no || !fresh[m.Fact] || seen[m.Ref] > apartMost
	}
	claims, err := a.tx.Claims(ctx, a.v, mapKeys(devices))
	if err != nil {
		return fmt.Errorf("read claims: %w", err)
	}
	last := make(map[uuid.UUID]identity.Claim)
	holders := make(map[uuid.UUID]bool)
	for _, c := range claims {
		ref := fact.IdentifierRef(c.Device).Value
		if l, known := last[ref]; !known || l.At < c.At {
			last[ref] = c
		}
		holders[fact.IdentifierRef(c.Holder).Value] = true
	}
	if err := a.names.read(ctx, a.tx, a.v, mapKeys(holders)); err != nil {
		return err
	}
	for ref, s := range devices {
		claim, claimed := last[ref]
		if !claimed {
			s.person = identity.Name(a.workspace, deviceOf(ref))
			continue
		}
		holder, known := a.names[fact.IdentifierRef(claim.Holder).Value]
		s.person, s.no = holder.Person, s.no || !known || claim.At >= s.from
	}
	return nil
}

// unanswered lets go messages to persons who wrote since, as far as that may be an answer.
func (a *apart) unanswered(ctx context.Context) error {
	window := timeline.WindowsOf(a.v.Policy).Reply
	persons := make(map[uuid.UUID]timeline.Span)
	for _, s := range a.shares {
		if s.kind != hit.KindMessage || window == 0 {
			continue
		}
		span, known := persons[s.person]
		if !known {
			span = timeline.Span{Person: s.person, From: s.from, To: s.until + window}
		}
		persons[s.person] = timeline.Span{Person: s.person, From: min(span.From, s.from), To: max(span.To, s.until+window)}
	}
	if len(persons) == 0 {
		return nil
	}
	named, err := a.tx.PersonsOf(ctx, a.v, mapKeys(persons), namesMost)
	if err != nil {
		return fmt.Errorf("read names: %w", err)
	}
	owner, count := make(map[uuid.UUID]uuid.UUID, len(named)), make(map[uuid.UUID]int)
	var spans []RefSpan
	for _, n := range named {
		owner[personKeyOf(n)] = n.Person
		count[n.Person]++
		spans = append(spans, RefSpan{Ref: personKeyOf(n), From: persons[n.Person].From, To: persons[n.Person].To})
	}
	inbound, err := a.tx.Inbound(ctx, spans, 1)
	if err != nil {
		return fmt.Errorf("find inbound messages: %w", err)
	}
	if err := a.load(ctx, slices.Clone(inbound)); err != nil {
		return err
	}
	for _, key := range inbound {
		for _, digest := range digestsOf(a.facts[key].Identifiers) {
			count[owner[digest]] = namesMost
		}
	}
	for _, s := range a.shares {
		s.no = s.no || s.kind == hit.KindMessage && window > 0 && (count[s.person] == 0 || count[s.person] >= namesMost)
	}
	return nil
}

// unbought lets go what could earn a credit for something that was bought.
func (a *apart) unbought(ctx context.Context) error {
	var spans []timeline.Span
	for _, s := range a.shares {
		if s.kind != hit.KindEvent {
			// A conversion whose time is known to the second counts what comes within it.
			spans = append(spans, timeline.Span{Person: s.person, From: s.from - second, To: forever})
		}
	}
	if len(spans) == 0 {
		return nil
	}
	anchors, err := a.tx.Bought(ctx, a.v, merged(spans), 1)
	if err != nil {
		return fmt.Errorf("find conversions: %w", err)
	}
	if len(anchors) == 0 {
		return nil
	}
	slices.SortFunc(anchors, func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
	rows, err := a.tx.Conversions(ctx, a.v, slices.Compact(anchors))
	if err != nil {
		return fmt.Errorf("read conversions: %w", err)
	}
	buyers := make(map[uuid.UUID]bool, len(rows))
	for _, row := range rows {
		buyers[row.Person] = true
	}
	for _, s := range a.shares {
		s.no = s.no || s.kind != hit.KindEvent && buyers[s.person]
	}
	return nil
}
