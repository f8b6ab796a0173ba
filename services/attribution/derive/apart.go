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

const (
	// apartMost is how many facts of one message, device or event are looked at; a guess.
	apartMost = 64
	// forever is the last instant that a fact can have, in the year 9999.
	forever hit.Instant = 253_402_300_800*second - 1
)

// apart concludes from new facts without the persons they are of, where it can tell
// that they change nothing but the message that they are about: what just happened, and
// bore on nothing yet, costs no more when much happened before. What it does not see to be
// so is left to others, who gather all that there is; so it may always say no.
//
// It takes three kinds of shares. The table is what follows from all facts but these and
// perhaps others that wait for their turn; those are concluded from later, by somebody who
// sees these.
//
//   - Page views of a device, without a name or a click token, behind all else that happened
//     on it. They are in no session with a claim behind them, so that claims stay; they can
//     earn a credit only for what their holder buys from then on.
//   - An event that no definition counts, of one name and alone with its ids. It states
//     that name again, no more.
//   - All that is said of one message, by registration and statuses that give one name, on
//     which nobody clicked and which nobody answered. What it earns and which answers it may
//     take lie between its first time and the reply window behind its last, where the
//     person did nothing of the kind.
//
// A name that is stated again names its person no differently when the person bears it, or
// when an earlier fact stated it.
type apart struct {
	*step
	v      Version
	facts  map[uuid.UUID]*hit.Fact // read so far, by key
	bad    map[uuid.UUID]bool      // touched otherwise than by being new
	shares []*share
	names  assigned
}

// share is what is concluded from together.
type share struct {
	kind        hit.Kind
	ref         uuid.UUID       // of the device or message
	fresh       []*hit.Fact     // what is concluded from
	facts       []*hit.Fact     // of a message: all that is said of it
	name        uuid.UUID       // digest of the identifier; nil: none
	person      uuid.UUID       // whose it is
	from, until hit.Instant     // first and last of fresh, of a message of facts
	no          bool            // it is not known to change nothing else
	id          *hit.Identifier // of name
}

// apart concludes from those touched rows that it can conclude from by themselves and returns the
// others.
func (s *step) apart(ctx context.Context, touched []Touched) ([]Touched, error) {
	if !s.cfg.Apart || len(s.info.Versions) != 1 || s.info.Versions[0].Building {
		return touched, nil
	}
	a := &apart{step: s, v: s.info.Versions[0], facts: make(map[uuid.UUID]*hit.Fact), bad: make(map[uuid.UUID]bool), names: make(assigned)}
	s.read = a.facts
	if err := a.divide(ctx, touched); err != nil {
		return nil, err
	}
	for _, check := range []func(context.Context) error{a.complete, a.unclicked, a.named, a.held, a.unanswered, a.unbought} {
		a.shares = slices.DeleteFunc(a.shares, func(s *share) bool { return s.no })
		if len(a.shares) == 0 {
			return touched, nil
		}
		if err := check(ctx); err != nil {
			return nil, err
		}
	}
	a.shares = slices.DeleteFunc(a.shares, func(s *share) bool { return s.no })
	if err := a.write(ctx); err != nil {
		return nil, err
	}
	done := make(map[uuid.UUID]hit.Kind)
	for _, s := range a.shares {
		for _, f := range s.fresh {
			done[f.Key()] = f.Kind
		}
	}
	s.done.Apart = make(map[string]int)
	return slices.DeleteFunc(slices.Clone(touched), func(t Touched) bool {
		kind, is := done[t.Fact]
		if is {
			s.done.Apart[string(kind)]++
		}
		return is
	}), nil
}

// divide reads the touched facts and deals them out into shares.
func (a *apart) divide(ctx context.Context, touched []Touched) error {
	keys := make(map[uuid.UUID]bool, len(touched))
	for _, t := range touched {
		keys[t.Fact] = true
		if t.Term != termStored || len(t.OldRefs) > 0 {
			a.bad[t.Fact] = true
		}
	}
	for key := range a.bad {
		delete(keys, key)
	}
	if err := a.load(ctx, mapKeys(keys)); err != nil {
		return err
	}
	type place struct {
		kind hit.Kind
		ref  uuid.UUID
	}
	shares := make(map[place]*share)
	for key, f := range a.facts {
		of := place{f.Kind, fact.Anchor(f).Value}
		switch {
		case a.plainView(f):
			of.ref = fact.IdentifierRef(*f.Device).Value
		case a.plainEvent(f):
			of.ref = key
		case a.plainMessage(f):
			of.kind = hit.KindMessage
		default:
			continue
		}
		s := shares[of]
		if s == nil {
			s = &share{kind: of.kind, ref: of.ref, from: f.At, until: f.At}
			shares[of] = s
			a.shares = append(a.shares, s)
		}
		s.fresh = append(s.fresh, f)
		s.note(f)
	}
	return nil
}

// note takes account of a fact's time and name.
func (s *share) note(f *hit.Fact) {
	s.from, s.until = min(s.from, f.At), max(s.until, f.At)
	for i := range f.Identifiers {
		name := fact.IdentifierRef(f.Identifiers[i]).Value
		if s.name != uuid.Nil && s.name != name {
			s.no = true
		}
		s.name, s.id = name, &f.Identifiers[i]
	}
}

// load reads facts that were not read yet.
func (a *apart) load(ctx context.Context, keys []uuid.UUID) error {
	missing := slices.DeleteFunc(keys, func(key uuid.UUID) bool { return a.facts[key] != nil })
	if len(missing) == 0 {
		return nil
	}
	facts, err := a.tx.Load(ctx, missing)
	if err != nil {
		return fmt.Errorf("load facts: %w", err)
	}
	for i := range facts {
		a.facts[facts[i].Key()] = &facts[i]
	}
	return nil
}

// one reports whether a fact gives one name, and no device.
func (a *apart) one(f *hit.Fact) bool {
	return f.Device == nil && len(f.Identifiers) == 1 && f.Identifiers[0].Kind != hit.Device && !a.v.blocked(f.Identifiers[0])
}

func (a *apart) plainView(f *hit.Fact) bool {
	return f.Kind == hit.KindPage && f.Page != nil && f.Device != nil && len(f.Identifiers) == 0 && !a.v.blocked(*f.Device) &&
		fact.PageToken(f.Page.URL) == ""
}

func (a *apart) plainEvent(f *hit.Fact) bool {
	if f.Kind != hit.KindEvent || f.Event == nil || !a.one(f) {
		return false
	}
	for _, d := range a.v.Policy.Conversions {
		if d.Event == f.Event.Name || d.RefundEvent == f.Event.Name {
			return false
		}
	}
	return true
}

func (a *apart) plainMessage(f *hit.Fact) bool {
	return (f.Kind == hit.KindMessage || f.Kind == hit.KindStatus) && !makesEvents(f) && (f.Report == nil || !f.Report.Group) && a.one(f)
}

// write derives the messages and writes what differs.
func (a *apart) write(ctx context.Context) error {
	var facts []hit.Fact
	var anchors []uuid.UUID
	of := make(assigned)
	for _, s := range a.shares {
		if s.kind != hit.KindMessage {
			a.done.Facts += len(s.fresh)
			continue
		}
		anchors = append(anchors, s.ref)
		of[s.name] = a.names[s.name]
		for _, f := range s.facts {
			facts = append(facts, *f)
		}
	}
	if len(facts) == 0 {
		return nil
	}
	people, devices := identity.Known(a.workspace, of.list(), nil)
	outcome := timeline.Conclude(timeline.Input{
		Workspace: a.workspace, Currency: a.info.Currency, Policy: a.v.Policy, Rules: a.v.Rules, Facts: facts, Blocked: a.v.blocked,
	}, people, devices)
	if len(outcome.Conversions) > 0 {
		return fmt.Errorf("%d conversions follow from messages alone", len(outcome.Conversions))
	}
	messages, err := a.tx.Messages(ctx, a.v, anchors)
	if err != nil {
		return fmt.Errorf("read messages: %w", err)
	}
	changes, err := a.changes(ctx, a.v, Current{Messages: messages}, timeline.Outcome{Messages: outcome.Messages})
	if err != nil {
		return err
	}
	a.done.Facts += len(facts)
	if err := a.tx.Apply(ctx, a.v, changes, a.cfg.Now()); err != nil {
		return fmt.Errorf("write version %d: %w", a.v.Number, err)
	}
	return nil
}
