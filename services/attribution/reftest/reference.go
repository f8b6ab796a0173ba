// Package reftest holds a second reading of the contract (attribution.md), slow and plain, to be compared row for row with
// package timeline, and the random histories over which the two are compared. It shares with the product the types of facts
// (package hit) and the lists of sites. A number in brackets is the contract's section; "left open" follows the product.
package reftest

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/internal/hit"
)

// Row is a row of the table: Weight in parts of 10^12, Credited a [math/big.Rat]; what there is none of is zero.
type Row struct {
	Definition, ConversionID, Event, Model, Channel, Tier, TouchKey, Weight, Credited, Currency string
	InThread                                                                                    bool
	TouchAt                                                                                     hit.Instant
	Person                                                                                      uuid.UUID
}

// Document is a policy that can be had as the document of PUT /v1/policy. Of what may be left out, opt_out_terms and
// ignored_referrers must stand in it: their defaults are reference data.
type Document interface{ Document() []byte }

// defaults of the document (api.md).
const defaults = `{"models": ["last_touch", "linear"], "half_life_seconds": 604800, "position_first": 0.4, "position_last": 0.4,
	"tier_weights": {"click": 1, "reply": 0.8, "read": 0.4}, "implicit_reply_window_seconds": 86400,
	"windows": [{"tier": "click", "seconds": 604800}, {"tier": "reply", "seconds": 604800}, {"tier": "read", "seconds": 86400}],
	"conversions": [{"name": "purchase", "event": "Order Completed", "refund_event": "Order Refunded"},
		{"name": "whatsapp.order", "event": "whatsapp.order"}, {"name": "whatsapp.payment", "event": "whatsapp.payment"}]}`

// world is all that follows from a set of facts, built up step by step.
type world struct {
	object    // the policy
	workspace uuid.UUID
	currency  string
	facts     []*hit.Fact // one copy of each, by (time, id)
	messages  []*message
	events    [][]event // copies of one event, the most trusted first; by (time, conversion id)
	links     []link
	component map[hit.Identifier]hit.Identifier // is the same for all identifiers of one person
	names     map[hit.Identifier]uuid.UUID      // of the components
	sessions  []*session
	claims    []claim
	touches   []touch
}

// Table derives the attribution table from facts in any order. Currency is the workspace's.
func Table(workspace uuid.UUID, currency string, policy Document, facts []hit.Fact) []Row {
	w := newWorld(workspace, currency, policy, facts)
	return flat(w.objects("conversions"), w.convert)
}

func newWorld(workspace uuid.UUID, currency string, policy Document, facts []hit.Fact) *world {
	w := &world{object: parse([]byte(defaults)), workspace: workspace, currency: currency}
	maps.Copy(w.object, parse(policy.Document()))
	for _, copies := range groups(facts, func(f hit.Fact) string { return f.Key().String() }) {
		w.facts = append(w.facts, w.inForce(copies))
	}
	w.facts = sorted(w.facts, func(f *hit.Fact) string { return order(f.At, f.ID, f.Source.String(), string(f.Status)) })
	messages := keep(w.facts, func(f *hit.Fact) bool { return f.Message != nil || f.Report != nil })
	w.messages = flat(groups(messages, func(f *hit.Fact) string { return order(f.Channel, f.ID) }), joined)
	copies := groups(flat(w.facts, w.eventsOf), func(e event) string { return order(e.name, e.conversionID()) })
	for _, same := range copies { // "ordered by (trust, occurred_at, event id)" (4); the source is left open
		w.events = append(w.events, sorted(same, func(e event) string { return order(9-e.Trust, e.At, e.id, e.Source.String()) }))
	}
	w.events = sorted(w.events, func(e []event) string { return order(e[0].At, e[0].conversionID()) })
	w.linkAll()
	w.join()
	w.claimDevices()
	w.findTouches()
	return w
}

// inForce is the copy of a fact that wins: "the smallest occurred_at, then the smallest canonical JSON" (1).
func (w *world) inForce(copies []hit.Fact) *hit.Fact {
	f := sorted(copies, func(f hit.Fact) string {
		body, _, _ := hit.Content(&f)
		return order(f.At, string(body), f.Precision, 9-f.Trust, f.Source.String()) // from the precision on left open
	})[0]
	blocked := append(w.texts("blocked_identifiers"), "", "null", "undefined", "none", "nan", "anonymous", "guest", "unknown", "0", "-1",
		"[object Object]", uuid.Nil.String())
	allowed := func(id hit.Identifier) bool { // a blocked identifier is as good as absent, a group is no recipient (2)
		is := func(term string) bool { return hit.FoldCase(term) == hit.FoldCase(id.Value) }
		return !slices.ContainsFunc(blocked, is) && (f.Report == nil || !f.Report.Group)
	}
	f.Identifiers = keep(f.Identifiers, allowed)
	if f.Device != nil && !allowed(*f.Device) {
		f.Device = nil
	}
	if f.Status == hit.StatusRead && f.Report.Machine {
		f.Status = hit.StatusDelivered // "an open marked as made by a machine counts as delivered" (3)
	}
	return &f
}

// message is the state of a message (1): sent, delivered and read are in order, the earliest counts.
type message struct {
	hit.Message           // empty when nobody registered it
	channel, id           string
	facts                 []*hit.Fact
	sent, delivered, read []hit.Instant
	failed, session       bool
	primary               hit.Identifier // of the recipient; empty when none is known
}

// joined makes a message of its registration and statuses.
func joined(facts []*hit.Fact) []*message {
	at := func(is ...hit.Status) []hit.Instant {
		return flat(keep(facts, func(f *hit.Fact) bool { return slices.Contains(is, f.Status) }), func(f *hit.Fact) []hit.Instant { return []hit.Instant{f.At} })
	}
	m := &message{channel: facts[0].Channel, id: facts[0].ID, facts: facts, read: at("read", "played")}
	m.delivered = append(at("delivered"), m.read...) // "a later stage implies the earlier ones"
	m.sent = append(at("", "sent"), m.delivered...)  // a registration counts as sent
	slices.Sort(m.delivered)
	slices.Sort(m.sent)
	m.failed = len(at("failed", "bounced")) > 0 && len(m.delivered) == 0
	m.session = slices.ContainsFunc(facts, func(f *hit.Fact) bool { return f.Report != nil && f.Report.Category == "service" }) // (3)
	for _, f := range keep(facts, func(f *hit.Fact) bool { return f.Message != nil }) {
		m.Message, m.session = *f.Message, f.Message.Template == nil && f.Message.Campaign == ""
	}
	// The primary: by precedence, one from the registration (kind message before status) first, then the earliest stated (2).
	m.primary = one(sorted(stated(facts...), func(s statement) string { return order(s.precedence(), string(s.Kind)) })).who
	return []*message{m}
}

func (m *message) template() string { return cmp.Or(m.Template, &hit.Template{}).Name }

// message is the one of a channel and id, tokenOf the one registered with a token: of several the smallest (channel, id).
func (w *world) message(channel, id string) *message {
	return one(keep(w.messages, func(m *message) bool { return m.channel == channel && m.id == id }))
}

func (w *world) tokenOf(token string) *message {
	owners := keep(w.messages, func(m *message) bool { return m.Token == token && token != "" })
	return one(sorted(owners, func(m *message) string { return order(m.channel, m.id) }))
}

// statement says that a fact names a strong identifier (2).
type statement struct {
	*hit.Fact
	who hit.Identifier
}

func (s statement) precedence() int { return s.who.Kind.Precedence() }

// stated is what facts state, by (time, fact id, precedence): so are persons named. Value and trust are left open.
func stated(facts ...*hit.Fact) (all []statement) {
	for _, f := range facts {
		all = append(all, flat(f.Identifiers, func(id hit.Identifier) []statement { return []statement{{f, id}} })...)
	}
	return sorted(all, func(s statement) string { return order(s.At, s.ID, s.precedence(), s.who.Value, 9-s.Trust) })
}

// link ties two strong identifiers; the smaller rank goes first.
type link struct {
	a, b hit.Identifier
	rank string
}

// link ties one identifier with each of the others: "the weaker trust, the later time (of each identifier's earliest
// statement) and the larger id of the two; position counts the linked identifiers by precedence, then earliest statement".
func (w *world) link(who hit.Identifier, all []statement) {
	all = firsts(all, func(s statement) string { return key(s.who) })
	a := one(keep(all, func(s statement) bool { return s.who == who }))
	others := keep(all, func(s statement) bool { return s.who != who && a.Fact != nil })
	for position, b := range sorted(others, func(s statement) string { return order(s.precedence()) }) {
		rank := order(9-min(a.Trust, b.Trust), max(a.At, b.At), max(a.ID, b.ID), position)
		w.links = append(w.links, link{who, b.who, rank + order(a.precedence(), who.Value, b.precedence(), b.who.Value)}) // left open
	}
}

// mayLink: a group's messages link nothing, nor do browser facts when browser_links are off.
func (w *world) mayLink(f *hit.Fact) bool {
	return (f.Inbound == nil || !f.Inbound.Group) && (f.Trust > hit.TrustBrowser || w.text("browser_links") != "off")
}

func (w *world) linkAll() {
	for _, f := range keep(w.facts, func(f *hit.Fact) bool { return len(f.Identifiers) > 0 && w.mayLink(f) }) {
		if f.Identify != nil || f.Event != nil || f.Page != nil || f.Inbound != nil {
			w.link(f.Identifiers[0], stated(f)) // in a fact
		}
		if m := w.answered(f); m != nil { // answers
			w.link(f.Identifiers[0], keep(stated(append(m.facts, f)...), func(s statement) bool {
				return s.Fact == f && s.who == f.Identifiers[0] || s.Fact != f && s.who == m.primary
			}))
		}
	}
	for _, m := range w.messages { // recipients
		w.link(m.primary, stated(m.facts...))
	}
	for _, copies := range w.events { // orders; left open: a payment states its message's recipient and no more
		named := keep(copies, func(c event) bool { return len(c.Identifiers) > 0 && w.mayLink(c.Fact) && c.Report == nil })
		if trusted := keep(named, func(c event) bool { return c.Trust > hit.TrustBrowser }); len(trusted) > 0 {
			w.link(named[0].Identifiers[0], stated(flat(trusted, func(c event) []*hit.Fact { return []*hit.Fact{c.Fact} })...))
		}
	}
}

// join joins what the unshared links tie, strongest first, but never two different user_ids.
func (w *world) join() {
	w.component, w.names = map[hit.Identifier]hit.Identifier{}, map[hit.Identifier]uuid.UUID{}
	aliases, all := map[hit.Identifier]hit.Identifier{}, stated(w.facts...)
	for _, s := range all {
		w.component[s.who], aliases[s.who] = s.who, s.who
	}
	for _, s := range all { // "user_ids that an alias names as one count as one"
		if s.Identify != nil && s.Identify.Call == "alias" && s.who.Kind == hit.UserID && w.mayLink(s.Fact) {
			merge(aliases, s.Identifiers[0], s.who)
		}
	}
	for _, l := range sorted(w.links, func(l link) string { return l.rank }) {
		users := map[hit.Identifier]bool{}
		for id, component := range w.component {
			if id.Kind == hit.UserID && (component == w.component[l.a] || component == w.component[l.b]) {
				users[aliases[id]] = true
			}
		}
		if len(users) < 2 && !w.shared(l.a) && !w.shared(l.b) { // else it is refused, or links nothing
			merge(w.component, l.a, l.b)
		}
	}
	for _, s := range slices.Backward(all) { // the earliest stated comes last and stays
		w.names[w.component[s.who]] = w.named(s.who)
	}
}

func merge(sets map[hit.Identifier]hit.Identifier, a, b hit.Identifier) {
	from, to := sets[a], sets[b]
	for id := range sets {
		if sets[id] == from {
			sets[id] = to
		}
	}
}

// shared is what is directly linked with more than 20 distinct identifiers of one kind.
func (w *world) shared(id hit.Identifier) bool {
	others := flat(w.links, func(l link) []hit.Identifier {
		return map[hit.Identifier][]hit.Identifier{l.a: {l.b}, l.b: {l.a}}[id]
	})
	kinds := groups(firsts(others, key), func(o hit.Identifier) string { return string(o.Kind) })
	return slices.ContainsFunc(kinds, func(kind []hit.Identifier) bool { return len(kind) > 20 })
}

func key(id hit.Identifier) string { return order(string(id.Kind), id.Value) }

// named is the person whose earliest stated identifier is id, which is a digest or, left open, gets one here.
func (w *world) named(id hit.Identifier) uuid.UUID {
	if digest, err := hex.DecodeString(id.Value); err == nil && len(digest) == 16 {
		return uuid.NewSHA1(w.workspace, digest)
	}
	digest := sha256.Sum256(append([]byte{byte(id.Kind.Precedence() + 1)}, id.Value...))
	return uuid.NewSHA1(w.workspace, digest[:16])
}

func (w *world) person(id hit.Identifier) uuid.UUID { return w.names[w.component[id]] }

// owner is whose a fact is: by its first identifier, else who holds its device at its time, else nobody (2).
func (w *world) owner(f *hit.Fact) uuid.UUID {
	if len(f.Identifiers) == 0 && f.Device != nil {
		return w.holder(*f.Device, f.At)
	}
	return w.person(one(f.Identifiers))
}

// session is a run of a device's page views (3); the next one begins at next.
type session struct {
	pages  []*hit.Fact
	params string // the campaign parameters it began with
	next   hit.Instant
}

// has: "up to and including 30 minutes after its last page view, or before the next session" (2).
func (s *session) has(f *hit.Fact) bool {
	return *f.Device == *s.pages[0].Device && s.pages[0].At <= f.At && f.At <= s.last() && (s.next == 0 || f.At < s.next)
}

func (s *session) last() hit.Instant { return s.pages[len(s.pages)-1].At + 30*minute }

// claim says who held a device from a time on (2).
type claim struct {
	*hit.Fact
	who  hit.Identifier
	at   hit.Instant
	rank int // 0: identify, 1: click
}

func (w *world) claimDevices() {
	onDevice := keep(w.facts, func(f *hit.Fact) bool { return f.Device != nil })
	for _, pages := range groups(onDevice, func(f *hit.Fact) string { return key(*f.Device) }) {
		s := &session{}
		for _, f := range keep(pages, func(f *hit.Fact) bool { return f.Page != nil }) { // by (time, event id)
			if params := w.campaignParams(f); s.pages == nil || f.At > s.last() || params != "" && params != s.params {
				s.next = f.At
				s = &session{params: params}
				w.sessions = append(w.sessions, s)
			}
			s.pages = append(s.pages, f)
		}
	}
	for _, f := range onDevice { // "any fact that carries the device and a strong identifier (the first counts)"
		w.claims = append(w.claims, flat(f.Identifiers[:min(1, len(f.Identifiers))], func(id hit.Identifier) []claim { return []claim{{f, id, f.At, 0}} })...)
	}
	for _, copies := range w.events { // "each copy of an order that carries a device and no strong identifier"
		named := one(keep(copies, func(c event) bool { return len(c.Identifiers) > 0 }))
		for _, c := range keep(copies, func(c event) bool { return named.Fact != nil && c.Device != nil && len(c.Identifiers) == 0 }) {
			w.claims = append(w.claims, claim{c.Fact, named.Identifiers[0], c.At, 0})
		}
	}
	for i, c := range w.claims { // "from the start of that session", unless an earlier identify claim lies in it
		for _, s := range keep(w.sessions, func(s *session) bool { return s.has(c.Fact) }) {
			if !slices.ContainsFunc(w.claims, func(o claim) bool { return o.At < c.At && s.has(o.Fact) }) {
				w.claims[i].at = s.pages[0].At
			}
		}
	}
	identified := slices.Clone(w.claims)
	for _, f := range onDevice { // click claims; a token seen on more than 5 devices was passed on
		m := w.tokenOf(pageToken(f))
		if m == nil || m.primary.Value == "" {
			continue
		}
		seen := keep(onDevice, func(o *hit.Fact) bool { return pageToken(o) == m.Token })
		passedOn := len(groups(seen, func(o *hit.Fact) string { return key(*o.Device) })) > 5
		if !passedOn && !slices.ContainsFunc(identified, func(o claim) bool { return *o.Device == *f.Device && o.at <= f.At }) {
			w.claims = append(w.claims, claim{f, m.primary, f.At, 1})
		}
	}
}

// holder is who has "the latest claim at or before t; before the first claim, that of the first; without any, the device's own
// anonymous person. Of several claims at that instant: identify, then the smaller fact id"; from the identifier on left open.
func (w *world) holder(device hit.Identifier, t hit.Instant) uuid.UUID {
	claims := keep(w.claims, func(c claim) bool { return *c.Device == device })
	if len(claims) == 0 {
		return w.named(device)
	}
	best := sorted(claims, func(c claim) string {
		return order(max(0, c.at-t), max(0, t-c.at), c.rank, c.ID, c.who.Kind.Precedence(), c.who.Value)
	})
	return w.person(best[0].who)
}
