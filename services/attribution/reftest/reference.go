// Package reftest holds a second reading of the contract (attribution.md), slow and plain, to be compared row for row with
// package timeline, and the random histories over which the two are compared. It shares with the product the types of facts
// (package hit) and the lists of sites and agents. A number in brackets is the contract's section; "left open" follows the product.
package reftest

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"net/url"
	"regexp"
	"slices"
	"strings"

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

// Document is a policy that can be had as the whole document of PUT /v1/policy, defaults written out.
type Document interface{ Document() []byte }

// Table derives the attribution table from facts in any order. Currency is the workspace's.
func Table(workspace uuid.UUID, currency string, policy Document, facts []hit.Fact) []Row {
	w := newWorld(workspace, currency, policy, facts)
	return flat(list[object](w.policy["conversions"]), w.convert)
}

// Engagements returns every engagement of every touchpoint, those of failed and of ignored session messages not among them.
func Engagements(workspace uuid.UUID, policy Document, facts []hit.Fact) []Engagement {
	return newWorld(workspace, "", policy, facts).engagements
}

// world is all that follows from facts, built up step by step. Identifiers are texts: the digit of their precedence, their value.
type world struct {
	workspace     uuid.UUID
	currency      string
	policy        object
	facts, claims []*fact   // one copy of each, by (time, id); who holds the device from At on
	events        [][]*fact // copies of one event, the most trusted first; by (time, conversion id)
	messages      []*message
	links         []link
	person        map[string]uuid.UUID
	engagements   []Engagement
}

func newWorld(workspace uuid.UUID, currency string, policy Document, facts []hit.Fact) *world {
	w := &world{workspace: workspace, currency: currency, policy: parse(policy.Document()), person: map[string]uuid.UUID{}}
	w.facts = each(groups(facts, func(f hit.Fact) string { return f.Key().String() }), w.inForce)
	w.facts = sorted(w.facts, func(f *fact) string { return order(n(f.At), f.ID) })
	reports := keep(w.facts, func(f *fact) bool { return in(f.Kind, "message", "status") })
	w.messages = each(groups(reports, func(f *fact) string { return order(f.Channel, f.ID) }), w.joined)
	copies := groups(flat(w.facts, w.eventsOf), func(f *fact) string { return order(f.Event.Name, f.orderID(), f.conversionID()) })
	w.events = sorted(each(copies, byTrust), func(e []*fact) string { return order(n(e[0].At), e[0].conversionID()) })
	w.linkAll()
	w.join()
	w.startSessions()
	w.claimDevices()
	w.engage()
	return w
}

// fact is a fact, or an event made of one, or one of its statements. Bodies that it has none of are empty instead of nil.
type fact struct {
	hit.Fact
	properties                  object     // of its event
	query                       url.Values // of its page
	first                       *fact      // page view of its session
	ids                         []string   // strong identifiers
	device, token, who, claimed string     // who: its first; claimed: that, or the one of its event's most trusted copy with one
}

// inForce is the copy that wins, "the smallest occurred_at, then the smallest canonical JSON" (1), without blocked identifiers (2).
func (w *world) inForce(copies []hit.Fact) *fact {
	f := &fact{Fact: one(sorted(copies, func(f hit.Fact) string {
		body, _, _ := hit.Content(&f)
		return order(n(f.At), string(body), n(f.Precision), n(9-f.Trust), f.Source.String()) // from the precision on left open
	}))}
	f.Message, f.Report, f.Click = cmp.Or(f.Message, &hit.Message{}), cmp.Or(f.Report, &hit.Report{}), cmp.Or(f.Click, &hit.Click{})
	f.Inbound, f.Page, f.Event = cmp.Or(f.Inbound, &hit.Inbound{}), cmp.Or(f.Page, &hit.Page{}), cmp.Or(f.Event, &hit.Event{})
	f.Identify, f.properties, f.query = cmp.Or(f.Identify, &hit.Identify{}), parse(f.Event.Properties), address(f.Page.URL).Query()
	usual := strings.Split("|null|undefined|none|nan|anonymous|guest|unknown|0|-1|[object Object]|"+uuid.Nil.String(), "|")
	blocked := each(append(list[string](w.policy["blocked_identifiers"]), usual...), hit.FoldCase)
	allowed := func(id hit.Identifier) bool { return !f.Report.Group && !in(hit.FoldCase(id.Value), blocked...) } // a group is no recipient
	device := []hit.Identifier{*cmp.Or(f.Device, &hit.Identifier{})}
	f.ids, f.device, f.token = each(keep(f.Identifiers, allowed), key), one(each(keep(device, allowed), key)), f.query.Get("mt")
	f.who, f.claimed = one(f.ids), one(f.ids)
	// "A registration counts as sent" (1); "an open marked as made by a machine counts as delivered" (3).
	f.Status = cmp.Or(when[hit.Status](f.Kind == "message", "sent"), when[hit.Status](f.Report.Machine, "delivered"), f.Status)
	return f
}

// message is the state of a message (1), without its registration's words when nobody registered it.
type message struct {
	hit.Message
	channel, id, template, primary string                   // primary: of the recipient, empty when none is known
	facts                          []*fact                  // registration, statuses, send responses
	at                             map[string][]hit.Instant // when it first came to the stages that it came to
	barred                         bool                     // failed, or an ignored session message: earns nothing
}

// joined is the message of a registration and statuses, and of the send responses that name it (1).
func (w *world) joined(reports []*fact) *message {
	first := one(sorted(reports, func(f *fact) string { return string(f.Kind) })) // the registration, if there is one
	m := &message{Message: *first.Message, channel: first.Channel, id: first.ID}
	m.facts = slices.Concat(reports, keep(w.facts, func(f *fact) bool { return f.Identify.Message == m.id && f.Channel == m.channel }))
	at := func(statuses ...hit.Status) []hit.Instant {
		reached := keep(reports, func(f *fact) bool { return in(f.Status, statuses...) })
		return each(reached[:min(1, len(reached))], func(f *fact) hit.Instant { return f.At })
	}
	// "A later stage implies the earlier ones."
	m.at = map[string][]hit.Instant{"read": at("read", "played"), "delivered": at("delivered", "read", "played")}
	m.at["sent"] = at("sent", "delivered", "read", "played")
	m.template = cmp.Or(m.Template, &hit.Template{}).Name
	service := some(reports, func(f *fact) bool { return f.Report.Category == "service" }) // of an unregistered one (3)
	session := first.Kind == "message" && m.template+m.Campaign == "" || first.Kind == "status" && service
	m.barred = session && text(w.policy, "session_messages") != "count" || len(at("failed", "bounced")) > 0 && len(m.at["delivered"]) == 0
	// "First by precedence; two of one kind: one from the registration first, then the earliest stated" (2); the trust is left open.
	m.primary = one(each(sorted(stated(m.facts...), func(s *fact) string {
		return order(s.who[:1], fmt.Sprint(first.Kind == "status" || !in(s.who, first.ids...)), n(s.At), s.ID, n(9-s.Trust))
	}), whom))
	return m
}

// find is the message of a channel and id, tokenOf that of a token: of several "the smaller (channel, message id)" (3).
func (w *world) find(channel, id string) *message {
	return one(keep(w.messages, func(m *message) bool { return m.channel == channel && m.id == id }))
}

func (w *world) tokenOf(token string) *message {
	return one(keep(w.messages, func(m *message) bool { return m.Token == token && token != "" }))
}

// stated are facts once for each identifier that they state, "by (time, fact id, precedence)" (2); value and trust are left open.
func stated(facts ...*fact) []*fact {
	all := flat(facts, func(f *fact) []*fact { return each(f.ids, f.naming) })
	return sorted(all, func(s *fact) string { return order(n(s.At), s.ID, s.who, n(9-s.Trust)) })
}

func (f fact) naming(id string) *fact {
	f.who = id
	return &f
}

func whom(f *fact) string          { return f.who }
func key(id hit.Identifier) string { return fmt.Sprint(id.Kind.Precedence()) + id.Value }

// link ties two strong identifiers, and again the other way round; the smaller rank goes first.
type link struct{ a, b, rank string }

// link ties one identifier with each other stated: "the weaker trust, the later time and the larger id of the two" (2).
func (w *world) link(id string, statements []*fact) {
	all := sorted(firsts(statements, whom), func(s *fact) string { return order(s.who[:1], n(s.At), s.ID, n(9-s.Trust)) })
	a := one(keep(all, func(s *fact) bool { return s.who == id }))
	for position, b := range keep(all, func(s *fact) bool { return s.who != id }) {
		trust, at, fact := 9-min(a.Trust, b.Trust), max(a.At, b.At), max(a.ID, b.ID)
		rank := order(n(trust), n(at), fact, n(position), a.who, b.who) // the identifiers are left open
		w.links = append(w.links, link{a.who, b.who, rank}, link{b.who, a.who, rank})
	}
}

// linkAll finds the links in facts, answers, recipients and orders (2).
func (w *world) linkAll() {
	for _, f := range keep(w.facts, func(f *fact) bool { return in(f.Kind, "identify", "event", "page", "inbound") && w.mayLink(f) }) {
		w.link(f.who, each(f.ids, f.naming)) // of one kind in the order stated, which is left open
		answered := cmp.Or(w.answered(f), &message{})
		w.link(f.who, append(keep(stated(answered.facts...), func(s *fact) bool { return s.who == answered.primary }), f))
	}
	for _, m := range w.messages {
		w.link(m.primary, stated(m.facts...))
	}
	for _, copies := range keep(w.events, func(copies []*fact) bool { return len(copies) > 1 }) {
		trusted := keep(copies, func(f *fact) bool { return f.Trust > hit.TrustBrowser && w.mayLink(f) })
		w.link(one(each(trusted, whom)), stated(trusted...))
	}
}

// mayLink: "a group's messages link nothing", nor do browser facts when browser_links are off (2).
func (w *world) mayLink(f *fact) bool {
	return f.who != "" && !f.Inbound.Group && (f.Trust > hit.TrustBrowser || text(w.policy, "browser_links") != "off")
}

// join joins what the unshared links tie, strongest first, but never two different user_ids, of which aliases count as one (2).
func (w *world) join() {
	component, alias, all := map[string]string{}, map[string]string{}, stated(w.facts...)
	for _, s := range all {
		component[s.who], alias[s.who] = s.who, s.who
	}
	merge := func(sets map[string]string, from, to string) {
		for id, set := range sets {
			sets[id] = cmp.Or(when(set == from, to), set)
		}
	}
	users := keep(all, func(s *fact) bool { return s.who[:1] == "0" })
	for _, s := range keep(users, func(s *fact) bool { return s.Identify.Call == "alias" && w.mayLink(s) }) {
		merge(alias, alias[s.ids[0]], alias[s.who])
	}
	for _, l := range sorted(w.links, func(l link) string { return l.rank }) {
		both := keep(users, func(s *fact) bool { return in(component[s.who], component[l.a], component[l.b]) })
		if len(firsts(both, func(s *fact) string { return alias[s.who] })) < 2 && !w.shared(l.a) && !w.shared(l.b) {
			merge(component, component[l.a], component[l.b])
		}
	}
	for _, s := range all {
		w.person[s.who] = w.named(one(keep(all, func(o *fact) bool { return component[o.who] == component[s.who] })).who)
	}
}

// shared is what is "directly linked with more than 20 distinct identifiers of one kind" (2).
func (w *world) shared(id string) bool {
	linked := firsts(keep(w.links, func(l link) bool { return l.a == id }), func(l link) string { return l.b })
	return some(groups(linked, func(l link) string { return l.b[:1] }), func(kind []link) bool { return len(kind) > 20 })
}

// named is the person whose earliest stated identifier is id, which is a digest or, left open, gets one here (2).
func (w *world) named(id string) uuid.UUID {
	digest, made := ok(hex.DecodeString(id[1:])), sha256.Sum256(append([]byte{id[0] - '0' + 1}, id[1:]...))
	return uuid.NewSHA1(w.workspace, []byte(cmp.Or(when(len(digest) == 16, string(digest)), string(made[:16]))))
}

// startSessions: "after more than 30 minutes, or at a page view whose set of campaign parameters is not empty and differs" (3).
func (w *world) startSessions() {
	pages := keep(w.facts, func(f *fact) bool { return f.Kind == "page" && f.device != "" })
	for _, pages := range groups(pages, func(f *fact) string { return f.device }) {
		before := &fact{}
		for _, f := range pages {
			f.first = f
			if f.At-before.At <= 30*minute && in(w.campaignParams(f), "", w.campaignParams(before.first)) {
				f.first = before.first
			}
			before = f
		}
	}
}

// session is the first page view of the one in which a fact lies: "up to and including 30 minutes after its last page view" (2).
func (w *world) session(f *fact) *fact {
	in := func(page *fact) bool {
		return page.first != nil && page.device == f.device && page.At <= f.At && f.At-page.At <= 30*minute
	}
	return cmp.Or(last(keep(w.facts, in)), &fact{}).first
}

// claimDevices: identify claims reach back to the start of a session; click claims yield to earlier ones of those (2).
func (w *world) claimDevices() {
	onDevice := keep(w.facts, func(f *fact) bool { return f.device != "" })
	claiming := keep(onDevice, func(f *fact) bool { return f.claimed != "" })
	identify := each(claiming, func(f *fact) *fact {
		c, start := f.naming(f.claimed), cmp.Or(w.session(f), f)
		earlier := some(claiming, func(o *fact) bool { return o.At < f.At && w.session(o) == start })
		c.At = cmp.Or(when(!earlier, start.At), f.At)
		return c
	})
	click := each(onDevice, func(f *fact) *fact {
		c := f.naming(cmp.Or(w.tokenOf(f.token), &message{}).primary)
		seen := firsts(keep(onDevice, func(o *fact) bool { return o.token == f.token }), func(o *fact) string { return o.device })
		identified := some(identify, func(c *fact) bool { return c.device == f.device && c.At <= f.At })
		c.who, c.claimed = when(len(seen) <= 5 && !identified, c.who), ""
		return c
	})
	w.claims = slices.Concat(identify, keep(click, func(c *fact) bool { return c.who != "" }))
}

// holder has "the latest claim at or before t; before the first claim, that of the first; without any", the device itself (2).
func (w *world) holder(device string, t hit.Instant) uuid.UUID {
	claims := sorted(keep(w.claims, func(c *fact) bool { return c.device == device }), func(c *fact) string {
		return order(n(max(0, c.At-t)), n(max(0, t-c.At)), fmt.Sprint(c.claimed == ""), c.ID, c.who) // who is left open
	})
	return cmp.Or(w.person[one(each(claims, whom))], w.named(device))
}

// owner is whose a fact is: by its first identifier, else who holds its device at its time, else nobody (2).
func (w *world) owner(f *fact) uuid.UUID {
	if f.who == "" && f.device != "" {
		return w.holder(f.device, f.At)
	}
	return w.person[f.who]
}

// object is one of JSON: the policy, its parts, the properties of an event.
type object = map[string]any

func parse(raw []byte) (o object) {
	decoder := json.NewDecoder(strings.NewReader(string(raw)))
	decoder.UseNumber()
	_ = decoder.Decode(&o)
	return o
}

// text is a text, or a number or a boolean as text, trimmed of nothing; number a finite decimal, or nil; micros those of seconds.
func text(o object, name string) string {
	return when(in(fmt.Sprintf("%T", o[name]), "string", "json.Number", "bool"), fmt.Sprint(o[name]))
}

func number(o object, name string) *big.Rat {
	r, _ := new(big.Rat).SetString(decimal.FindString(strings.TrimSpace(text(o, name))))
	return r
}

func micros(o object, name string) hit.Instant {
	return hit.Instant(cmp.Or(number(o, name), new(big.Rat)).Num().Int64()) * secondMicros
}

func list[T any](value any) []T {
	items, _ := value.([]any)
	return each(items, func(item any) T { return item.(T) })
}

// each returns what of makes of each item, flat all in one.
func each[A, B any](items []A, of func(A) B) (all []B) {
	for _, item := range items {
		all = append(all, of(item))
	}
	return all
}

func flat[A, B any](items []A, of func(A) []B) []B { return slices.Concat(each(items, of)...) }

// keep returns the items of which is holds.
func keep[T any](items []T, is func(T) bool) []T {
	return slices.DeleteFunc(slices.Clone(items), func(item T) bool { return !is(item) })
}

// groups returns the items of one key together, by key; firsts the first of each as they were; sorted all by key, equals as they were.
func groups[T any](items []T, key func(T) string) [][]T {
	of := map[string][]T{}
	for _, item := range items {
		of[key(item)] = append(of[key(item)], item)
	}
	return each(slices.Sorted(maps.Keys(of)), func(key string) []T { return of[key] })
}

func firsts[T any](items []T, key func(T) string) []T {
	seen := map[string]bool{}
	return keep(items, func(item T) bool { defer func() { seen[key(item)] = true }(); return !seen[key(item)] })
}

func sorted[T any](items []T, key func(T) string) []T { return slices.Concat(groups(items, key)...) }
func one[T any](items []T) (none T)                   { return append(slices.Clip(items), none)[0] }
func last[T any](items []T) (none T)                  { return append([]T{none}, items...)[len(items)] }
func some[T any](items []T, is func(T) bool) bool     { return slices.ContainsFunc(items, is) }
func in[T comparable](item T, items ...T) bool        { return slices.Contains(items, item) }
func when[T any](is bool, value T) T                  { return map[bool]T{true: value}[is] }
func ok[T any](value T, _ error) T                    { return value }
func like(text, pattern string) bool                  { return regexp.MustCompile(pattern).MatchString(text) }

// order is a text that sorts as its parts do, n a number in it, not negative.
func order(parts ...string) string                { return strings.Join(parts, "\x00") }
func n[N ~int | ~uint8 | ~int64](number N) string { return fmt.Sprintf("%020d", number) }
