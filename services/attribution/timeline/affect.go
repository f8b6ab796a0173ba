package timeline

import (
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/conversion"
	"github.com/touchline/touchline/services/attribution/fact"
	"github.com/touchline/touchline/services/attribution/identity"
	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/attribution/touch"
	"github.com/touchline/touchline/services/internal/hit"
)

// second is one second in units of [hit.Instant].
const second hit.Instant = 1_000_000

// Span is a time in a person's life, both ends inclusive.
type Span struct {
	Person   uuid.UUID
	From, To hit.Instant
}

// Windows are how far things reach under a policy.
type Windows struct {
	Longest hit.Instant // from an engagement to a conversion
	Reply   hit.Instant // from a message to an implicit reply; 0: there is none
}

// WindowsOf returns the windows of a policy.
func WindowsOf(p *policy.Policy) Windows {
	w := Windows{Reply: hit.Instant(p.ImplicitReplyWindowSeconds) * second}
	for _, rule := range p.Windows {
		w.Longest = max(w.Longest, hit.Instant(rule.Seconds)*second)
	}
	return w
}

// Effect is what a change can move, once it is known who is who.
type Effect struct {
	Engaged []Span // within which a person's engagements differ, or may, by implicit replies
	Replies []Span // when inbound messages may have come to answer another message
	Awaited []Span // when replies may come to messages that are among the facts

	Events   bool        // events or whose they are differ
	Anchors  []uuid.UUID // of all events, when they differ
	Bought   []Span      // when whom the events that are conversions befell, when they differ
	Once     bool        // one of them is of a definition with once_within
	Messages []uuid.UUID // anchors of all messages
}

// Who is who is who.
type Who struct {
	People  *identity.People
	Devices *identity.Devices
}

// Effect says what the change can move, given who is who before and after.
func (c *Change) Effect(before, after Who) Effect {
	c.before.assume(before.People, before.Devices)
	c.after.assume(after.People, after.Devices)
	var e Effect
	c.engage(&e)
	c.reply(&e)
	c.happen(&e)
	for _, w := range []*world{c.before, c.after} {
		for _, r := range w.book.Records() {
			e.Messages = append(e.Messages, r.Anchor)
		}
	}
	return e
}

// engagement is one thing that can earn a credit, with all that the credit shows.
type engagement struct {
	touch.Engagement
	person       uuid.UUID
	channel, key string
	label
}

// label is what a credit shows of a message besides its key. name and language are those of its
// template.
type label struct {
	campaign, variant, name, language string
}

func labelOf(campaign string, m *touch.Message) label {
	l := label{campaign: campaign}
	if m != nil {
		l.variant = m.Variant
		if m.Template != nil {
			l.name, l.language = m.Template.Name, m.Template.Language
		}
	}
	return l
}

// engagements lists all but the implicit replies.
func (w *world) engagements() []engagement {
	var all []engagement
	touches := w.touches(nil)
	for i := range touches {
		t := &touches[i]
		e := engagement{person: t.Person, channel: t.Channel, key: t.Key, label: labelOf(t.Campaign, t.Message)}
		for _, e.Engagement = range t.Engagements {
			all = append(all, e)
		}
	}
	return all
}

func (c *Change) engage(e *Effect) {
	for _, d := range differ(c.before.engagements(), c.after.engagements()) {
		e.engaged(d.person, d.At, d.At)
	}
}

func (e *Effect) engaged(person uuid.UUID, from, to hit.Instant) {
	if person != uuid.Nil {
		e.Engaged = append(e.Engaged, Span{person, from, to})
	}
}

// chat is what of a message or an inbound message decides implicit replies, and what a
// credit shows of those.
type chat struct {
	key     uuid.UUID // anchor of the message, key of the inbound
	inbound bool
	person  uuid.UUID
	at      hit.Instant
	numbers string // of the business
	label
}

// chats lists what takes part in implicit replies.
func (w *world) chats() []chat {
	var all []chat
	for _, r := range w.book.Records() {
		if touch.Answerable(r, w.policy) {
			all = append(all, chat{
				key: r.Anchor, person: r.Person, at: r.SentAt, numbers: strings.Join(r.Senders(), "\x00"), label: labelOf(r.Campaign, &r.Message),
			})
		}
	}
	for i := range w.facts {
		f := &w.facts[i]
		if f.Kind != hit.KindInbound || f.Inbound == nil || !touch.Unaddressed(f) {
			continue
		}
		if _, named := w.book.Explicit(f); !named {
			all = append(all, chat{key: f.Key(), inbound: true, person: w.owner(f).Person, at: f.At, numbers: f.Inbound.Business})
		}
	}
	return all
}

// reply notes whose implicit replies may move. A message that can be answered, or
// cannot any more, may take or leave every inbound message of its window.
func (c *Change) reply(e *Effect) {
	windows := WindowsOf(c.after.policy)
	if windows.Reply == 0 {
		return
	}
	for _, d := range differ(c.before.chats(), c.after.chats()) {
		if d.person == uuid.Nil {
			continue
		}
		s := Span{d.person, d.at, d.at}
		if !d.inbound {
			s.To += windows.Reply
		}
		e.Replies = append(e.Replies, s)
		e.engaged(s.Person, s.From, s.To)
	}
	for _, a := range c.after.chats() {
		if !a.inbound {
			e.Awaited = append(e.Awaited, Span{a.person, a.at, a.at + windows.Reply})
		}
	}
}

// happening is one copy of an event, whose the event is and whose the copy: a refund of
// an unknown order befalls the latter.
type happening struct {
	name, order, id string
	fact            uuid.UUID
	owner, own      conversion.Owner
}

func (w *world) happenings() []happening {
	var all []happening
	for _, e := range w.events {
		owner := w.owner(e.Whose().Fact)
		for i := range e.Copies {
			f := e.Copies[i].Fact
			all = append(all, happening{e.Name, e.OrderID, e.Copies[i].ID, f.Key(), owner, w.owner(f)})
		}
	}
	return all
}

// happen notes what events differ. When any does, all that are there count as moved:
// they may ask for one conversion id.
func (c *Change) happen(e *Effect) {
	if len(differ(c.before.happenings(), c.after.happenings())) == 0 {
		return
	}
	e.Events = true
	for _, w := range []*world{c.before, c.after} {
		for _, event := range w.events {
			w.moved(event, e)
		}
	}
}

func (w *world) moved(event *conversion.Event, e *Effect) {
	for i := range event.Copies {
		e.Anchors = append(e.Anchors, fact.Anchor(event.Copies[i].Fact).Value)
	}
	for _, d := range w.policy.Conversions {
		if d.Event != event.Name && d.RefundEvent != event.Name {
			continue
		}
		e.Once = e.Once || d.OnceWithinSeconds > 0
		at, _ := event.At()
		if person := w.owner(event.Whose().Fact).Person; person != uuid.Nil && d.Event == event.Name {
			e.Bought = append(e.Bought, Span{person, at, at})
		}
	}
}

// Spread widens spans by before and after.
func Spread(spans []Span, before, after hit.Instant) []Span {
	wide := slices.Clone(spans)
	for i := range wide {
		wide[i].From -= before
		wide[i].To += after
	}
	return wide
}
