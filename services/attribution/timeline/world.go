package timeline

import (
	"slices"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/conversion"
	"github.com/touchline/touchline/services/attribution/fact"
	"github.com/touchline/touchline/services/attribution/identity"
	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/attribution/touch"
	"github.com/touchline/touchline/services/internal/hit"
)

// world is what is concluded from facts on the way to credits.
type world struct {
	policy   *policy.Policy
	rules    *Rules
	facts    []hit.Fact
	pages    []*hit.Fact // of facts
	book     *touch.Book
	events   []*conversion.Event
	sessions map[hit.Identifier][]touch.Session
	reached  map[*touch.Record]identity.Recipient // recipients of messages that name one
	people   *identity.People
	devices  *identity.Devices
}

// read gathers messages, sessions and events: what follows from facts alone, whoever
// is who.
func read(in Input, facts []hit.Fact) *world {
	w := &world{policy: in.Policy, rules: in.Rules, facts: facts, book: touch.NewBook(facts)}
	if w.rules == nil {
		w.rules = Compile(in.Policy)
	}
	var copies []conversion.Copy
	for i := range facts {
		if facts[i].Kind == hit.KindPage {
			w.pages = append(w.pages, &facts[i])
		}
		copies = append(copies, conversion.Copies(&facts[i], w.rules.keywords)...)
	}
	w.sessions = touch.Sessions(w.pages, w.book)
	w.events = conversion.Events(copies)
	w.reached = recipients(w.book)
	return w
}

// resolve concludes who is who.
func (w *world) resolve(workspace uuid.UUID) {
	people := identity.Resolve(identity.Facts{
		Workspace: workspace, Stated: w.stated(), Links: w.links(), Aliases: w.aliases(),
	})
	w.assume(people, identity.NewDevices(people, w.identifyClaims(), w.clicks(), w.spans()))
}

// assume takes who is who as given.
func (w *world) assume(people *identity.People, devices *identity.Devices) {
	w.people, w.devices = people, devices
	for r, recipient := range w.reached {
		r.Person = w.people.Person(recipient.Primary())
	}
}

// statement is a fact's word on identifiers.
func statement(f *hit.Fact) identity.Statement {
	return identity.Statement{Identifiers: f.Identifiers, Trust: f.Trust, At: f.At, Fact: f.ID}
}

func recipients(book *touch.Book) map[*touch.Record]identity.Recipient {
	reached := map[*touch.Record]identity.Recipient{}
	for _, r := range book.Records() {
		var registration *identity.Statement
		if r.Registration != nil {
			s := statement(r.Registration)
			registration = &s
		}
		others := make([]identity.Statement, 0, len(r.Statuses)+len(r.Responses))
		for _, f := range slices.Concat(r.Statuses, r.Responses) {
			others = append(others, statement(f))
		}
		if recipient, known := identity.NewRecipient(registration, others); known {
			reached[r] = recipient
		}
	}
	return reached
}

// stated lists every word on an identifier.
func (w *world) stated() []identity.Statement {
	var all []identity.Statement
	for i := range w.facts {
		if len(w.facts[i].Identifiers) > 0 {
			all = append(all, statement(&w.facts[i]))
		}
	}
	return all
}

// links lists what was stated together, by all four sources of links.
func (w *world) links() []identity.Link {
	var links []identity.Link
	for i := range w.facts {
		f := &w.facts[i]
		if !w.linking(f) {
			continue
		}
		links = append(links, identity.LinkFact(statement(f))...)
		if answered, _ := w.book.Explicit(f); answered != nil { // of an inbound message alone
			if recipient, known := w.reached[answered]; known {
				links = append(links, identity.LinkAnswer(statement(f), recipient)...)
			}
		}
	}
	for _, recipient := range w.reached {
		links = append(links, recipient.Links()...)
	}
	for _, e := range w.events {
		links = append(links, identity.LinkCopies(statements(e))...)
	}
	return links
}

// linking reports whether what a fact states together is one person's: registrations
// and statuses link by their message, a group's messages not at all, and a browser's
// word counts as the policy says.
func (w *world) linking(f *hit.Fact) bool {
	switch f.Kind {
	case hit.KindIdentify, hit.KindEvent, hit.KindPage:
		return f.Trust > hit.TrustBrowser || w.policy.BrowserLinks != policy.LinksOff
	case hit.KindInbound:
		return f.Inbound != nil && !f.Inbound.Group
	}
	return false
}

// statements lists what the copies of an event state, but for a group's messages,
// which make events and link nothing.
func statements(e *conversion.Event) []identity.Statement {
	list := make([]identity.Statement, 0, len(e.Copies))
	for i := range e.Copies {
		f := e.Copies[i].Fact
		if f.Inbound != nil && f.Inbound.Group {
			continue
		}
		s := statement(f)
		s.Fact = e.Copies[i].ID
		list = append(list, s)
	}
	return list
}

// aliases lists the pairs of user_ids that count as one.
func (w *world) aliases() [][2]hit.Identifier {
	var pairs [][2]hit.Identifier
	for i := range w.facts {
		f := &w.facts[i]
		if f.Kind != hit.KindIdentify || f.Identify == nil || f.Identify.Call != "alias" || !w.linking(f) {
			continue
		}
		var first *hit.Identifier
		for j := range f.Identifiers {
			switch id := &f.Identifiers[j]; {
			case id.Kind != hit.UserID:
			case first == nil:
				first = id
			default:
				pairs = append(pairs, [2]hit.Identifier{*first, *id})
			}
		}
	}
	return pairs
}

// identifyClaims lists the claims of facts that carry a device and a strong
// identifier, and those of an order's copies that carry a device alone.
func (w *world) identifyClaims() []identity.Claim {
	var claims []identity.Claim
	add := func(f *hit.Fact, holder hit.Identifier) {
		claims = append(claims, identity.NewClaim(*f.Device, f.At, f.ID, holder))
	}
	for i := range w.facts {
		if f := &w.facts[i]; f.Device != nil && len(f.Identifiers) > 0 {
			add(f, f.Identifiers[0])
		}
	}
	for _, e := range w.events {
		holder := e.Whose().Fact.Identifiers
		for i := range e.Copies {
			if f := e.Copies[i].Fact; f.Device != nil && len(f.Identifiers) == 0 && len(holder) > 0 {
				add(f, holder[0])
			}
		}
	}
	return claims
}

// clicks lists the page views that carry the click token of a known message.
func (w *world) clicks() []identity.Click {
	var clicks []identity.Click
	for _, f := range w.pages {
		if f.Device == nil || f.Page == nil {
			continue
		}
		token := fact.PageToken(f.Page.URL)
		r := w.book.FindToken(token)
		if r == nil {
			continue
		}
		clicks = append(clicks, w.reached[r].Click(*f.Device, f.At, f.ID, token))
	}
	return clicks
}

func (w *world) spans() map[hit.Identifier][]identity.Span {
	spans := make(map[hit.Identifier][]identity.Span, len(w.sessions))
	for device, sessions := range w.sessions {
		spans[device] = spansOf(sessions)
	}
	return spans
}

func spansOf(sessions []touch.Session) []identity.Span {
	spans := make([]identity.Span, len(sessions))
	for i := range sessions {
		spans[i] = identity.Span{From: sessions[i].First.At, Until: sessions[i].Until}
	}
	return spans
}

// owner says whose a fact is.
func (w *world) owner(f *hit.Fact) conversion.Owner {
	switch {
	case len(f.Identifiers) > 0:
		return conversion.Owner{Person: w.people.Person(f.Identifiers[0]), Identified: true}
	case f.Device != nil:
		person, identified := w.devices.Holder(*f.Device, f.At)
		return conversion.Owner{Person: person, Identified: identified}
	}
	return conversion.Owner{}
}
