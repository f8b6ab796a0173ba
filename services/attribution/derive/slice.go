package derive

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/credit"
	"github.com/touchline/touchline/services/attribution/fact"
	"github.com/touchline/touchline/services/attribution/identity"
	"github.com/touchline/touchline/services/attribution/timeline"
	"github.com/touchline/touchline/services/attribution/touch"
	"github.com/touchline/touchline/services/internal/hit"
)

// second is one second in units of [hit.Instant].
const second hit.Instant = 1_000_000

// slice is what is derived again, and what that takes.
type slice struct {
	windows timeline.Windows
	effect  timeline.Effect

	conversions map[uuid.UUID]bool // anchors
	messages    map[uuid.UUID]bool // anchors

	earning   []timeline.Span // every engagement within counts
	answering []timeline.Span // every implicit reply within counts
}

// conclude derives the conversions and messages that the change can move and writes
// the differences.
func (r *reach) conclude(ctx context.Context) error {
	s := &slice{
		windows: timeline.WindowsOf(r.v.Policy), effect: r.change.Effect(r.before, r.after),
		conversions: make(map[uuid.UUID]bool), messages: make(map[uuid.UUID]bool),
	}
	if err := r.aim(ctx, s); err != nil {
		return err
	}
	if err := r.cut(ctx, s); err != nil {
		return err
	}
	if err := r.derive(ctx, s); err != nil {
		return err
	}
	changes, err := r.changes(ctx, r.v, r.current, r.outcome)
	if err != nil {
		return err
	}
	r.done.Facts += len(r.patch.facts)
	r.done.Changed += len(changes.Insert)
	if err := r.tx.Apply(ctx, r.v, changes, r.cfg.Now()); err != nil {
		return fmt.Errorf("write version %d: %w", r.v.Number, err)
	}
	return nil
}

// aim finds the conversions to derive again: those whose events changed, and those
// that a changed engagement may count for.
func (r *reach) aim(ctx context.Context, s *slice) error {
	if s.effect.Once {
		return refusedOnce
	}
	anchors := slices.Clone(s.effect.Anchors)
	if spans := merged(timeline.Spread(s.effect.Engaged, second, s.windows.Longest)); len(spans) > 0 {
		earned, err := r.tx.Bought(ctx, r.v, spans, r.patch.most+1)
		if err != nil {
			return fmt.Errorf("find conversions: %w", err)
		}
		if len(earned) > r.patch.most {
			return refusedSize
		}
		anchors = append(anchors, earned...)
	}
	for _, a := range anchors {
		s.conversions[a] = true
	}
	var err error
	if len(s.conversions) > 0 {
		if r.current.Conversions, err = r.tx.Conversions(ctx, r.v, mapKeys(s.conversions)); err != nil {
			return fmt.Errorf("read conversions: %w", err)
		}
	}
	bought := slices.Clone(s.effect.Bought)
	for _, row := range r.current.Conversions {
		if r.once(row.Key.Definition) {
			return refusedOnce
		}
		if !row.Refund && row.Person != uuid.Nil {
			bought = append(bought, timeline.Span{Person: row.Person, From: row.EventAt, To: row.EventAt})
		}
	}
	s.earning = merged(timeline.Spread(bought, s.windows.Longest, second))
	s.answering = merged(slices.Concat(s.earning, s.effect.Awaited, timeline.Spread(s.effect.Replies, s.windows.Reply, s.windows.Reply)))
	return nil
}

func (r *reach) once(definition string) bool {
	for _, d := range r.v.Policy.Conversions {
		if d.Name == definition {
			return d.OnceWithinSeconds > 0
		}
	}
	return true // it is not the policy's any more, which cannot be
}

// cut adds to the patch the facts that the conversions and messages follow from, as it
// is known who is who.
func (r *reach) cut(ctx context.Context, s *slice) error {
	if err := r.cutMessages(ctx, s); err != nil {
		return err
	}
	if err := r.patch.growFrom(ctx, slices.Concat(mapKeys(s.conversions), mapKeys(s.messages))); err != nil {
		return err
	}
	// Only the events tell the devices of anonymous persons.
	facts, err := r.patch.load(ctx)
	if err != nil {
		return err
	}
	r.noteDevices(facts)
	return r.cutPersons(ctx, s)
}

// cutMessages adds the messages that may earn something within the spans, and those
// that inbound messages within may answer. Those whose replies may differ are derived
// again.
func (r *reach) cutMessages(ctx context.Context, s *slice) error {
	for _, a := range s.effect.Messages {
		s.messages[a] = true
	}
	if len(s.answering) == 0 {
		return nil
	}
	list, err := r.tx.Messaged(ctx, r.v, timeline.Spread(s.answering, s.windows.Reply, 0), r.patch.most+1)
	if err != nil {
		return fmt.Errorf("find messages: %w", err)
	}
	if len(list) > r.patch.most {
		return refusedSize
	}
	moved := merged(timeline.Spread(s.effect.Replies, s.windows.Reply, 0))
	var near []uuid.UUID
	for _, m := range list {
		near = append(near, m.Anchor)
		if slices.ContainsFunc(moved, func(s timeline.Span) bool {
			return s.Person == m.Person && m.SentAt >= s.From && m.SentAt <= s.To
		}) {
			s.messages[m.Anchor] = true
		}
	}
	return r.patch.growFrom(ctx, near)
}

// cutPersons adds the inbound messages and page views of persons within the spans.
func (r *reach) cutPersons(ctx context.Context, s *slice) error {
	if len(s.answering) == 0 {
		return nil
	}
	persons := make(map[uuid.UUID]bool)
	for _, span := range s.answering {
		persons[span.Person] = true
	}
	named, err := r.tx.PersonsOf(ctx, r.v, mapKeys(persons), namesMost)
	if err != nil {
		return fmt.Errorf("read names: %w", err)
	}
	names := make(map[uuid.UUID][]uuid.UUID)
	for _, a := range named {
		names[a.Person] = append(names[a.Person], personKeyOf(a))
		if len(names[a.Person]) == namesMost {
			return refusedSize
		}
	}
	inbound, err := r.tx.Inbound(ctx, spansOf(s.answering, names), r.patch.most+1)
	if err != nil {
		return fmt.Errorf("find inbound messages: %w", err)
	}
	if len(inbound) > r.patch.most {
		return refusedSize
	}
	r.patch.add(inbound) // whatever they name does not matter here
	return r.cutDevices(ctx, s, names)
}

// cutDevices adds what happened within the earning spans on devices that the persons
// held, back to where a session must have begun, and the messages of click tokens
// there.
func (r *reach) cutDevices(ctx context.Context, s *slice, names map[uuid.UUID][]uuid.UUID) error {
	spans, err := r.tx.DevicesOf(ctx, r.v, spansOf(s.earning, names), r.patch.most+1)
	if err != nil {
		return fmt.Errorf("find devices: %w", err)
	}
	if len(spans) > r.patch.most {
		return refusedSize
	}
	for device := range r.devices { // anonymous ones have no name to find them by
		anonymous := identity.Name(r.workspace, device)
		for _, span := range s.earning {
			if span.Person == anonymous {
				spans = append(spans, RefSpan{Ref: fact.IdentifierRef(device).Value, From: span.From, To: span.To})
			}
		}
	}
	_, views, err := r.patch.runs(ctx, spans)
	if err != nil {
		return err
	}
	views = r.patch.add(views)
	if len(views) == 0 {
		return nil
	}
	carried, err := r.tx.Carry(ctx, views)
	if err != nil {
		return fmt.Errorf("read references: %w", err)
	}
	var tokens []uuid.UUID
	for _, c := range carried {
		if c.Ref.Kind == fact.RefToken {
			tokens = append(tokens, c.Ref.Value)
		}
	}
	return r.patch.growFrom(ctx, tokens)
}

// derive concludes from the patch and keeps what it suffices for.
func (r *reach) derive(ctx context.Context, s *slice) error {
	facts, err := r.patch.load(ctx)
	if err != nil {
		return err
	}
	if err := r.settled(ctx); err != nil {
		return err
	}
	devices := make(map[hit.Identifier]bool)
	var stated []uuid.UUID
	for i := range facts {
		f := &facts[i]
		stated = append(stated, digestsOf(f.Identifiers)...)
		if f.Device != nil {
			devices[hit.Identifier{Kind: f.Device.Kind, Value: f.Device.Value}] = true
		}
	}
	if err := r.assigned.read(ctx, r.tx, r.v, stated); err != nil {
		return err
	}
	claims, err := r.claims(ctx, devices)
	if err != nil {
		return err
	}
	claims = slices.DeleteFunc(claims, func(c identity.Claim) bool { return r.wholly[c.Device] })
	people, held := identity.Known(r.workspace, r.assigned.list(), slices.Concat(claims, r.outcome.Claims))
	outcome := timeline.Conclude(r.input(facts), people, held)
	r.outcome.Conversions = slices.DeleteFunc(outcome.Conversions, func(c credit.Conversion) bool { return !s.conversions[c.Anchor] })
	// One that does not count, and so is not in the table, may count here: the one that
	// it comes too soon after need not be in the slice.
	if slices.ContainsFunc(r.outcome.Conversions, func(c credit.Conversion) bool { return r.once(c.Definition) }) {
		return refusedOnce
	}
	r.outcome.Messages = slices.DeleteFunc(outcome.Messages, func(m touch.Message) bool { return !s.messages[m.Anchor] })
	r.current.Messages, err = r.tx.Messages(ctx, r.v, mapKeys(s.messages))
	if err != nil {
		return fmt.Errorf("read messages: %w", err)
	}
	return nil
}

// settled refuses a slice with facts that nothing was concluded from yet, but for those that
// the change holds. They may change who is who, which is known without them: what would
// be counted for one now would not be taken back when their turn comes.
func (r *reach) settled(ctx context.Context) error {
	rows, err := pending(ctx, r, r.patch.facts)
	if err != nil {
		return err
	}
	for _, row := range rows {
		if !r.fresh[row.Fact] {
			return refusedPending
		}
	}
	return nil
}

// spansOf are persons' spans as spans of their identifiers.
func spansOf(spans []timeline.Span, names map[uuid.UUID][]uuid.UUID) []RefSpan {
	var all []RefSpan
	for _, s := range spans {
		for _, name := range names[s.Person] {
			all = append(all, RefSpan{Ref: name, From: s.From, To: s.To})
		}
	}
	return all
}

// merged joins spans of one person that meet.
func merged(spans []timeline.Span) []timeline.Span {
	slices.SortFunc(spans, func(a, b timeline.Span) int {
		return cmp.Or(slices.Compare(a.Person[:], b.Person[:]), cmp.Compare(a.From, b.From))
	})
	var all []timeline.Span
	for _, s := range spans {
		if n := len(all); n > 0 && all[n-1].Person == s.Person && s.From <= all[n-1].To {
			all[n-1].To = max(all[n-1].To, s.To)
			continue
		}
		all = append(all, s)
	}
	return all
}
