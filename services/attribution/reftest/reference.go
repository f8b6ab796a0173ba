// Package reftest holds a second, slow and plain reading of attribution.md, written
// from the contract alone, to be compared row for row with package timeline, and the
// random histories over which the two are compared. It shares with the product the
// types of facts and policies, what package fact reads off one fact (click token,
// order id) and the tables of keyword and channel. Only tests may import it.
package reftest

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/channel"
	"github.com/touchline/touchline/services/attribution/fact"
	"github.com/touchline/touchline/services/attribution/keyword"
	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/internal/hit"
)

// Row is a row of the attribution table: Weight in parts of 10^12, Credited a
// [big.Rat]; what there is none of (touchpoint, value, person) is zero.
type Row struct {
	Definition, ConversionID, Event, Model, Channel, Tier, TouchKey, Weight, Credited, Currency string
	InThread                                                                                    bool
	TouchAt                                                                                     hit.Instant
	Person                                                                                      uuid.UUID
}

// world is all that follows from a set of facts, built up step by step.
type world struct {
	*policy.Policy
	workspace uuid.UUID
	currency  string
	facts     []*hit.Fact // one copy of each, unblocked, in order of statement
	messages  []*message  // by channel, id
	sessions  []*session
	events    [][]*event // copies of one event, the most trusted first
	persons   map[hit.Identifier]uuid.UUID
	claims    []claim // the latest first, of one instant the strongest
	touches   []touch
	rows      []Row
}

// Table returns the rows of the attribution table that follow from facts.
func Table(workspace uuid.UUID, currency string, p *policy.Policy, facts []hit.Fact) []Row {
	w := &world{Policy: p, workspace: workspace, currency: currency}
	w.setFacts(facts)
	for _, set := range []func(){w.setMessages, w.setSessions, w.setEvents, w.setPersons, w.setClaims, w.setTouches} {
		set()
	}
	for i := range p.Conversions {
		w.convert(&p.Conversions[i])
	}
	return w.rows
}

// setFacts keeps one copy of each fact (section 1), then forgets what is blocked.
func (w *world) setFacts(facts []hit.Fact) {
	best, open := map[uuid.UUID]hit.Fact{}, func(id hit.Identifier) bool { return !slices.Contains(w.Blocked(), hit.FoldCase(id.Value)) }
	for _, f := range facts {
		old, known := best[f.Key()]
		one, _, _ := hit.Content(&f)
		two, _, _ := hit.Content(&old)
		if !known || cmp.Or(cmp.Compare(f.At, old.At), bytes.Compare(one, two), int(f.Precision)-int(old.Precision), int(old.Trust)-int(f.Trust)) < 0 {
			best[f.Key()] = f
		}
	}
	for _, f := range best {
		if f.Identifiers = filter(f.Identifiers, open); f.Report != nil && f.Report.Group {
			f.Identifiers = nil
		}
		if f.Device != nil && !open(*f.Device) {
			f.Device = nil
		}
		w.facts = append(w.facts, &f)
	}
	slices.SortFunc(w.facts, inOrder)
}

// inOrder compares statements: the earlier, then the smaller fact id; trust only breaks ties.
func inOrder(a, b *hit.Fact) int {
	return cmp.Or(cmp.Compare(a.At, b.At), strings.Compare(a.ID, b.ID), cmp.Compare(b.Trust, a.Trust))
}

// compareIDs breaks the ties that the contract leaves open.
func compareIDs(a, b hit.Identifier) int {
	return cmp.Or(a.Kind.Precedence()-b.Kind.Precedence(), strings.Compare(a.Value, b.Value))
}

func filter[T any](all []T, keep func(T) bool) []T {
	return slices.DeleteFunc(slices.Clone(all), func(t T) bool { return !keep(t) })
}

func first[T any](all []T, is func(T) bool) T { return append(filter(all, is), *new(T))[0] }

// groups puts what is the same into one group, in order.
func groups[T any](all []T, same func(a, b T) bool) (groups [][]T) {
	for rest := all; len(rest) > 0; {
		head := rest[0]
		groups = append(groups, filter(rest, func(t T) bool { return same(head, t) }))
		rest = filter(rest, func(t T) bool { return !same(head, t) })
	}
	return groups
}

// said is the earliest statement of an identifier among some facts.
type said struct {
	id hit.Identifier
	by *hit.Fact
}

// statements returns what facts, in order, state: by precedence, then statement.
func statements(facts []*hit.Fact) (all []said) {
	for _, f := range facts {
		for _, id := range f.Identifiers {
			all = append(all, said{id, f})
		}
	}
	slices.SortStableFunc(all, func(a, b said) int {
		return cmp.Or(a.id.Kind.Precedence()-b.id.Kind.Precedence(), inOrder(a.by, b.by), strings.Compare(a.id.Value, b.id.Value))
	})
	for i := 0; i < len(all); i++ {
		all = append(all[:i+1:i+1], filter(all[i+1:], func(s said) bool { return s.id != all[i].id })...)
	}
	return all
}

// message is all that is known of one message.
type message struct {
	*hit.Fact // for channel and id
	facts     []*hit.Fact
	said      *hit.Message // by its registration; empty when there is none
	session   bool
	to        []said // its recipient, the primary first
}

// setMessages joins all that was said of each message.
func (w *world) setMessages() {
	about := filter(w.facts, func(f *hit.Fact) bool { return f.Message != nil || f.Status != "" })
	for _, facts := range groups(about, func(a, b *hit.Fact) bool { return a.Channel == b.Channel && a.ID == b.ID }) {
		f := first(facts, func(f *hit.Fact) bool { return f.Message != nil })
		service := slices.ContainsFunc(facts, func(f *hit.Fact) bool { return f.Report != nil && f.Report.Category == "service" })
		m := &message{facts[0], facts, new(hit.Message), f == nil && service, statements(facts)}
		if f != nil {
			m.said, m.session = f.Message, f.Message.Template == nil && f.Message.Campaign == ""
			primary := func(s said) bool { return s.id.Kind == m.to[0].id.Kind && slices.Contains(f.Identifiers, s.id) }
			i := max(0, slices.IndexFunc(m.to, primary))
			m.to = append(slices.Clone(m.to[i:min(i+1, len(m.to))]), slices.Delete(m.to, i, min(i+1, len(m.to)))...)
		}
		w.messages = append(w.messages, m)
	}
	slices.SortFunc(w.messages, func(a, b *message) int { return strings.Compare(a.Channel+" "+a.ID, b.Channel+" "+b.ID) })
}

const (
	delivered = "delivered read played"
	sent      = "sent " + delivered
	notices   = " system request_welcome edit revoke reaction_removed "
	second    = hit.Instant(1_000_000)
)

// since returns the earliest time of one of the stages, each of which implies it; 0: never.
func (m *message) since(stages string) hit.Instant {
	return cmp.Or(first(m.facts, func(f *hit.Fact) bool {
		machine := f.Report != nil && f.Report.Machine && stages != delivered && stages != sent
		return strings.Contains(stages, string(cmp.Or(f.Status, hit.StatusSent))) && !machine
	}), new(hit.Fact)).At
}

// live says whether a message can be a touchpoint.
func (w *world) live(m *message) bool {
	failed := m.since("failed bounced") != 0 && m.since(delivered) == 0
	return len(m.to) > 0 && !failed && (!m.session || w.SessionMessages != policy.SessionIgnore)
}

// carrier returns the message of a click token, nil when it is unknown.
func (w *world) carrier(token string) *message {
	return first(w.messages, func(m *message) bool { return token != "" && m.said.Token == token })
}

// opened returns the message whose token a page view carries.
func (w *world) opened(f *hit.Fact) *message {
	return w.carrier(fact.PageToken(cmp.Or(f.Page, new(hit.Page)).URL))
}

// explicit returns what f answers by context or token; final: it answers nothing implicitly.
func (w *world) explicit(f *hit.Fact) (m *message, final bool) {
	switch in := f.Inbound; {
	case strings.Contains(notices, " "+in.Type+" "):
		return nil, true
	case in.Context != "":
		return first(w.messages, func(m *message) bool { return m.Channel == f.Channel && m.ID == in.Context }), true
	case in.Token != "":
		return w.carrier(in.Token), true
	default:
		return nil, in.Referral != nil || in.Group || len(f.Identifiers) == 0 || f.Channel != hit.ChannelWhatsApp
	}
}

// answered returns the message that f is a reply to, nil when to none.
func (w *world) answered(f *hit.Fact) *message {
	best, final := w.explicit(f)
	for _, m := range w.messages { // by id
		from := func(g *hit.Fact) bool {
			return cmp.Or(g.Message, new(hit.Message)).Sender == f.Inbound.Business || cmp.Or(g.Report, new(hit.Report)).Sender == f.Inbound.Business
		}
		since, window := f.At-m.since(sent), hit.Instant(w.ImplicitReplyWindowSeconds)*second
		if !final && m.Channel == f.Channel && slices.ContainsFunc(m.facts, from) && w.live(m) && w.persons[m.to[0].id] == w.personOf(f) &&
			m.since(sent) != 0 && since >= 0 && since <= window && window > 0 && (best == nil || m.since(sent) >= best.since(sent)) {
			best = m
		}
	}
	if f.Inbound.Type == "text" && keyword.CompileTerms(w.OptOutTerms).Whole(f.Inbound.Text) {
		return nil
	}
	return best
}

// session is a device's page views without a break.
type session struct {
	*hit.Fact              // the first page view
	last, next hit.Instant // of the last one; of the device's next session
	params     channel.Params
}

func (s *session) holds(device hit.Identifier, at hit.Instant) bool {
	return *s.Device == device && s.At <= at && at <= s.last+1800*second && at < s.next
}

// setSessions cuts each device's page views into sessions (section 3).
func (w *world) setSessions() {
	latest := map[hit.Identifier]*session{}
	for _, f := range filter(w.facts, func(f *hit.Fact) bool { return f.Page != nil && f.Device != nil }) {
		params, s := channel.ParamsOf(f.Page.URL), latest[*f.Device]
		if w.opened(f) != nil {
			params = params.With("mt", fact.PageToken(f.Page.URL))
		}
		if s == nil || f.At-s.last > 1800*second || !params.Empty() && !params.Equal(s.params) {
			cmp.Or(s, new(session)).next = f.At
			s = &session{Fact: f, next: 1 << 62, params: params}
			latest[*f.Device], w.sessions = s, append(w.sessions, s)
		}
		s.last = f.At
	}
}

// link joins two identifiers of one person.
type link struct {
	a, b     said
	position int
}

// links returns every link, the best first.
func (w *world) links() (all []link) {
	star := func(head said, others []said) {
		for i, s := range filter(others, func(s said) bool { return s.id != head.id }) {
			all = append(all, link{head, s, i})
		}
	}
	for _, f := range filter(w.facts, func(f *hit.Fact) bool { return w.linking(f) && len(f.Identifiers) > 0 }) {
		head := said{f.Identifiers[0], f}
		for i, id := range f.Identifiers[1:] {
			if f.Identify != nil || f.Event != nil || f.Page != nil || f.Inbound != nil {
				all = append(all, link{head, said{id, f}, i})
			}
		}
		if f.Inbound != nil {
			m, _ := w.explicit(f)
			to := cmp.Or(m, new(message)).to
			star(head, to[:min(1, len(to))])
		}
	}
	for _, m := range filter(w.messages, func(m *message) bool { return len(m.to) > 0 }) {
		star(m.to[0], m.to)
	}
	for _, copies := range filter(w.events, func(copies []*event) bool { return len(copies) > 1 }) {
		trusted := filter(facts(copies), func(f *hit.Fact) bool { return f.Trust > hit.TrustBrowser && w.linking(f) })
		if head := naming(trusted); head != nil {
			star(first(statements(trusted), func(s said) bool { return s.id == head.Identifiers[0] }), statements(trusted))
		}
	}
	slices.SortFunc(all, func(l, k link) int {
		return cmp.Or(cmp.Compare(min(k.a.by.Trust, k.b.by.Trust), min(l.a.by.Trust, l.b.by.Trust)), cmp.Compare(max(l.a.by.At, l.b.by.At), max(k.a.by.At, k.b.by.At)),
			cmp.Compare(max(l.a.by.ID, l.b.by.ID), max(k.a.by.ID, k.b.by.ID)), l.position-k.position, compareIDs(l.a.id, k.a.id), compareIDs(l.b.id, k.b.id))
	})
	return all
}

// linking says whether what f states links at all.
func (w *world) linking(f *hit.Fact) bool {
	return (f.Trust > hit.TrustBrowser || w.BrowserLinks != policy.LinksOff) && (f.Inbound == nil || !f.Inbound.Group)
}

// naming returns the first of facts with a strong identifier, nil when none has one.
func naming(facts []*hit.Fact) *hit.Fact {
	return first(facts, func(f *hit.Fact) bool { return len(f.Identifiers) > 0 })
}

// join makes the components of a and b one.
func join(of map[hit.Identifier]int, a, b hit.Identifier) {
	to, from := of[a], of[b]
	for id := range of {
		if of[id] == from {
			of[id] = to
		}
	}
}

// setPersons joins what links join and names the components (section 2).
func (w *world) setPersons() {
	of, user, all, links := map[hit.Identifier]int{}, map[hit.Identifier]int{}, []said{}, w.links()
	for _, f := range w.facts {
		for _, id := range f.Identifiers {
			if all = append(all, said{id, f}); of[id] == 0 {
				of[id], user[id] = len(all), len(all)
			}
			if f.Identify != nil && f.Identify.Call == "alias" && id.Kind == hit.UserID && w.linking(f) {
				join(user, f.Identifiers[0], id)
			}
		}
	}
	shared := func(id hit.Identifier) bool {
		count := map[hit.IdentifierKind]int{}
		for other := range of {
			if slices.ContainsFunc(links, func(l link) bool { return l.a.id == id && l.b.id == other || l.b.id == id && l.a.id == other }) {
				count[other.Kind]++
			}
		}
		return max(count[hit.UserID], count[hit.Phone], count[hit.BSUID], count[hit.Email]) > 20
	}
	for _, l := range filter(links, func(l link) bool { return !shared(l.a.id) && !shared(l.b.id) }) {
		users := map[int]bool{}
		for id := range of {
			if id.Kind == hit.UserID && (of[id] == of[l.a.id] || of[id] == of[l.b.id]) {
				users[user[id]] = true
			}
		}
		if len(users) < 2 {
			join(of, l.a.id, l.b.id)
		}
	}
	slices.SortFunc(all, func(a, b said) int {
		return cmp.Or(cmp.Compare(a.by.At, b.by.At), strings.Compare(a.by.ID, b.by.ID), compareIDs(a.id, b.id))
	})
	w.persons = map[hit.Identifier]uuid.UUID{}
	for id := range of {
		w.persons[id] = w.named(first(all, func(s said) bool { return of[s.id] == of[id] }).id)
	}
}

// named returns the id of the person that is named after an identifier.
func (w *world) named(id hit.Identifier) uuid.UUID {
	digest := fact.IdentifierRef(id).Value
	return uuid.NewSHA1(w.workspace, digest[:])
}

// personOf says whose f is.
func (w *world) personOf(f *hit.Fact) uuid.UUID {
	if f.Device != nil && len(f.Identifiers) == 0 {
		return w.holder(*f.Device, f.At)
	}
	return w.persons[append(slices.Clone(f.Identifiers), hit.Identifier{})[0]]
}

// claim says who held a device from an instant on.
type claim struct {
	*hit.Fact
	to    hit.Identifier
	at    hit.Instant
	click int // 0: by identify
}

// setClaims finds who held which device: identify claims, reaching back, then clicks.
func (w *world) setClaims() {
	heads := map[*hit.Fact]*hit.Fact{}
	for _, copies := range w.events {
		for _, f := range facts(copies) {
			heads[f] = naming(facts(copies))
		}
	}
	for _, f := range filter(w.facts, func(f *hit.Fact) bool { return f.Device != nil }) {
		if head := cmp.Or(naming([]*hit.Fact{f}), heads[f]); head != nil {
			w.claims = append(w.claims, claim{f, head.Identifiers[0], f.At, 0})
		}
	}
	logins := slices.Clone(w.claims)
	for i, c := range logins {
		in := first(w.sessions, func(s *session) bool { return s.holds(*c.Device, c.At) })
		if in != nil && !slices.ContainsFunc(logins, func(d claim) bool { return d.At < c.At && in.holds(*d.Device, d.At) }) {
			w.claims[i].at = in.At
		}
	}
	logins = slices.Clone(w.claims)
	views := filter(w.facts, func(f *hit.Fact) bool { return f.Device != nil && w.opened(f) != nil })
	for _, f := range views {
		m := w.opened(f)
		seen := groups(filter(views, func(g *hit.Fact) bool { return w.opened(g) == m }), func(a, b *hit.Fact) bool { return *a.Device == *b.Device })
		known := slices.ContainsFunc(logins, func(c claim) bool { return *c.Device == *f.Device && c.at <= f.At })
		if len(m.to) > 0 && len(seen) <= 5 && !known {
			w.claims = append(w.claims, claim{f, m.to[0].id, f.At, 1})
		}
	}
	slices.SortStableFunc(w.claims, func(a, b claim) int {
		return cmp.Or(cmp.Compare(b.at, a.at), a.click-b.click, strings.Compare(a.ID, b.ID), compareIDs(a.to, b.to))
	})
}

// holder says whose a device was.
func (w *world) holder(device hit.Identifier, at hit.Instant) uuid.UUID {
	all := filter(w.claims, func(c claim) bool { return *c.Device == device })
	if len(all) == 0 {
		return w.named(device)
	}
	return w.persons[first(all, func(c claim) bool { return c.at <= max(at, all[len(all)-1].at) }).to]
}

// touch is one engagement of a touchpoint.
type touch struct {
	channel, key, campaign, template, tier string
	person                                 uuid.UUID
	at                                     hit.Instant
}

// setTouches lists every engagement of messages, visits and ads (section 3).
func (w *world) setTouches() {
	for _, m := range filter(w.messages, w.live) {
		add := func(tier string, at hit.Instant, is bool) {
			if template := cmp.Or(m.said.Template, new(hit.Template)).Name; is && at != 0 {
				w.touches = append(w.touches, touch{m.Channel, m.ID, m.said.Campaign, template, tier, w.persons[m.to[0].id], at})
			}
		}
		add(policy.TierSent, m.since(sent), true)
		add(policy.TierDelivered, m.since(delivered), true)
		add(policy.TierRead, m.since("read played"), true)
		for _, f := range w.facts {
			click := cmp.Or(f.Click, &hit.Click{Method: "HEAD"})
			add(policy.TierClick, f.At, click.Method != "HEAD" && w.ConfirmClicks == policy.ConfirmRedirect && w.carrier(click.Token) == m)
			add(policy.TierClick, f.At, w.opened(f) == m)
			add(policy.TierReply, f.At, f.Inbound != nil && w.answered(f) == m)
		}
	}
	for _, f := range filter(w.facts, func(f *hit.Fact) bool { return f.Inbound != nil && f.Inbound.Referral != nil }) {
		w.touches = append(w.touches, touch{"whatsapp_ad", f.ID, f.Inbound.Referral.SourceID, "", policy.TierClick, w.personOf(f), f.At})
	}
	for _, s := range filter(w.sessions, func(s *session) bool { return w.opened(s.Fact) == nil }) {
		if name, campaign, ok := channel.Classify(s.Page.URL, s.Page.Referrer, s.params, channel.Ignore(w.IgnoredReferrers)); ok {
			w.touches = append(w.touches, touch{name, s.ID, campaign, "", policy.TierClick, w.holder(*s.Device, s.At), s.At})
		}
	}
}
