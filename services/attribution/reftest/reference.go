// Package reftest holds a second reading of the contract (attribution.md), slow and plain, to be compared row for row with package
// timeline, and the random histories over which the two are compared. The reading is this file, it shares with the product the types
// of facts (package hit) and reference data. Numbers in brackets are the contract's sections; what is "left open" follows the product.
package reftest

import (
	"cmp"
	"math/big"
	"slices"
	"strings"

	"github.com/google/uuid"
	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"github.com/touchline/touchline/services/internal/hit"
)

// derive follows the contract from facts in any order to the table.
func derive(workspace uuid.UUID, currency string, policy settings, facts []hit.Fact) *world {
	w := &world{settings: policy, currency: currency, person: map[string]uuid.UUID{}}
	w.facts = each(groups(facts, func(f hit.Fact) string { return f.Key().String() }), w.inForce)
	w.facts = sorted(w.facts, func(f *fact) string { return order(n(f.At), f.ID) })
	reports := keep(w.facts, func(f *fact) bool { return in(f.Kind, "message", "status") })
	w.messages = each(groups(reports, func(f *fact) string { return order(f.Channel, f.ID) }), w.joined)
	for _, f := range w.facts { // by "context.id", else by token: of two messages with one "the smaller (channel, message id)" (3)
		f.named = one(keep(w.messages, func(m *message) bool {
			return !f.notice && (m.channel == f.Channel && m.id == f.message || f.message == "" && f.token != "" && m.Token == f.token)
		}))
		f.parameters = f.pairs(func(name string) bool { // of its page, those of campaigns, mt "when it names a known message" (3)
			return name == "mt" && f.named.id != "" || like(name, `^(utm_.*|gclid|gbraid|wbraid|fbclid|msclkid|ttclid|li_fat_id|twclid)$`)
		})
	}
	// Copies of one event, by "(trust, occurred_at, event id)" (4); the source is left open.
	events := sorted(flat(w.facts, w.eventsOf), func(f *fact) string { return order(n(9-f.Trust), n(f.At), f.ID, f.Source.String()) })
	w.events = groups(events, func(f *fact) string { return order(f.Event.Name, f.order, f.conversion) })
	w.events = sorted(w.events, func(e []*fact) string { return order(n(e[0].At), e[0].conversion) })
	for _, copies := range w.events {
		for _, f := range copies {
			f.claimed = cmp.Or(f.who, cmp.Or(each(copies, whom)...))
		}
	}
	w.join(workspace, w.links())
	for _, facts := range groups(keep(w.facts, func(f *fact) bool { return f.device != "" }), func(f *fact) string { return f.device }) {
		w.person[facts[0].device] = uuid.NewSHA1(workspace, digest(facts[0].device))
		w.claim(facts)
	}
	w.engage()
	w.rows = flat(w.Conversions, w.convert)
	return w
}

// inForce is the copy that wins, "the smallest occurred_at, then the smallest canonical JSON" (1), without blocked identifiers (2).
func (w *world) inForce(copies []hit.Fact) *fact {
	f := plain(sorted(copies, func(f hit.Fact) string { // from the precision on left open
		return order(n(f.At), canonical(f), n(f.Precision), n(9-f.Trust), f.Source.String())
	})[0])
	usual := strings.Split("|null|undefined|none|nan|anonymous|guest|unknown|0|-1|[object Object]|"+uuid.Nil.String(), "|")
	blocked := each(append(usual, w.BlockedIdentifiers...), hit.FoldCase)
	allowed := func(id string) bool { return !f.Report.Group && !in(hit.FoldCase(id[1:]), blocked...) } // a group is no recipient
	f.ids, f.device = keep(f.ids, allowed), cmp.Or(keep([]string{f.device}, allowed)...)
	f.who, f.claimed = cmp.Or(f.ids...), cmp.Or(f.ids...)
	f.links = f.who != "" && !f.Inbound.Group && (f.Trust > hit.TrustBrowser || w.BrowserLinks != "off") // (2)
	f.notice = in(f.Inbound.Type, "system", "request_welcome", "edit", "revoke", "reaction_removed")     // no reply, no whatsapp.message (3)
	// "A registration counts as sent" (1); "an open marked as made by a machine counts as delivered" (3).
	f.Status = cmp.Or(when[hit.Status](f.Kind == "message", "sent"), when[hit.Status](f.Report.Machine, "delivered"), f.Status)
	return f
}

// joined is the message of a registration and statuses, and of the send responses that name it (1).
func (w *world) joined(reports []*fact) *message {
	registered := one(sorted(reports, func(f *fact) string { return string(f.Kind) })) // the registration, if there is one
	m := &message{Message: *registered.Message, channel: registered.Channel, id: registered.ID}
	m.facts = slices.Concat(reports, keep(w.facts, func(f *fact) bool { return f.Identify.Message == m.id && f.Channel == m.channel }))
	first := func(of ...hit.Status) hit.Instant {
		return one(keep(reports, func(f *fact) bool { return in(f.Status, of...) })).At
	}
	m.at = map[string]hit.Instant{"read": first("read", "played"), "delivered": first("delivered", "read", "played")}
	m.at["sent"] = first("sent", "delivered", "read", "played")                            // "a later stage implies the earlier ones"
	service := some(reports, func(f *fact) bool { return f.Report.Category == "service" }) // of an unregistered one (3)
	session := registered.Kind == "message" && m.templateName()+m.Campaign == "" || registered.Kind == "status" && service
	m.barred = session && w.SessionMessages != "count" || first("failed", "bounced") != 0 && m.at["delivered"] == 0
	// "First by precedence; two of one kind: one from the registration first, then the earliest stated" (2); the trust is left open.
	m.primary = one(sorted(stated(m.facts...), func(s *fact) string {
		return order(s.who[:1], when(registered.Kind == "status" || !in(s.who, registered.ids...), "later"), n(s.At), s.ID, n(9-s.Trust))
	})).who
	return m
}

// stated are facts once for each identifier that they state, "by (time, fact id, precedence)" (2); value and trust are left open.
func stated(facts ...*fact) []*fact {
	all := flat(facts, func(f *fact) []*fact { return each(f.ids, f.naming) })
	return sorted(all, func(s *fact) string { return order(n(s.At), s.ID, s.who, n(9-s.Trust)) })
}

// links are those in facts, answers, recipients and orders (2).
func (w *world) links() (all []link) {
	tie := func(id string, statements ...*fact) { // one identifier with each other: "the weaker trust, the later time and the larger id"
		ids := sorted(firsts(statements, whom), func(s *fact) string { return order(s.who[:1], n(s.At), s.ID, n(9-s.Trust)) })
		a := one(keep(ids, func(s *fact) bool { return s.who == id }))
		for position, b := range keep(ids, func(s *fact) bool { return s.who != id }) {
			trust, at, fact := 9-min(a.Trust, b.Trust), max(a.At, b.At), max(a.ID, b.ID)
			rank := order(n(trust), n(at), fact, n(position), a.who, b.who) // the identifiers are left open
			all = append(all, link{a.who, b.who, rank}, link{b.who, a.who, rank})
		}
	}
	for _, f := range keep(w.facts, func(f *fact) bool { return in(f.Kind, "identify", "event", "page", "inbound") && f.links }) {
		tie(f.who, each(f.ids, f.naming)...) // of one kind in the order stated, which is left open
		primary := keep(stated(f.named.facts...), func(s *fact) bool { return f.Kind == "inbound" && s.who == f.named.primary })
		tie(f.who, append(primary, f)...)
	}
	for _, m := range w.messages {
		tie(m.primary, stated(m.facts...)...)
	}
	for _, copies := range keep(w.events, func(copies []*fact) bool { return len(copies) > 1 }) {
		trusted := keep(copies, func(f *fact) bool { return f.Trust > hit.TrustBrowser && f.links })
		tie(one(trusted).who, stated(trusted...)...)
	}
	return all
}

// join joins what the unshared links tie, strongest first, but never two different user_ids, of which aliases count as one (2).
func (w *world) join(workspace uuid.UUID, links []link) {
	component, alias, all := sets{}, sets{}, stated(w.facts...)
	users := keep(all, func(s *fact) bool { return s.who[0] == '0' })
	for _, s := range keep(users, func(s *fact) bool { return s.Identify.Call == "alias" && s.links }) {
		alias.join(s.ids[0], s.who)
	}
	shared := func(id string) bool { // "directly linked with more than 20 distinct identifiers of one kind"
		linked := firsts(keep(links, func(l link) bool { return l.a == id }), func(l link) string { return l.b })
		return some(groups(linked, func(l link) string { return l.b[:1] }), func(kind []link) bool { return len(kind) > 20 })
	}
	for _, l := range sorted(links, func(l link) string { return l.rank }) {
		both := keep(users, func(s *fact) bool { return in(component.of(s.who), component.of(l.a), component.of(l.b)) })
		if len(groups(both, func(s *fact) string { return alias.of(s.who) })) < 2 && !shared(l.a) && !shared(l.b) {
			component.join(l.a, l.b)
		}
	}
	for _, s := range all { // a person is named after "its earliest stated identifier"
		same := keep(all, func(o *fact) bool { return component.of(o.who) == component.of(s.who) })
		w.person[s.who] = uuid.NewSHA1(workspace, digest(same[0].who))
	}
}

// claim finds the sessions of a device (3) and who claims it (2), from all facts on it.
func (w *world) claim(facts []*fact) {
	pages := keep(facts, func(f *fact) bool { return f.Kind == "page" })
	sessions := runs(pages, func(first, before, f *fact) bool {
		return f.At-before.At > 30*minute || !in(f.parameters, "", first.parameters)
	})
	w.visits = append(w.visits, each(sessions, func(s []*fact) *fact { return s[0] })...)
	begin := func(f *fact) *fact { // first page view of the session: "up to and including 30 minutes after its last page view"
		lies := keep(sessions, func(s []*fact) bool { return s[0].At <= f.At && f.At-s[len(s)-1].At <= 30*minute })
		return last(append([]*fact{f}, each(lies, func(s []*fact) *fact { return s[0] })...))
	}
	claiming := keep(facts, func(f *fact) bool { return f.claimed != "" })
	identify := each(claiming, func(f *fact) *fact { // "no earlier identify claim does": from the start of the session
		c, start := f.naming(f.claimed), begin(f)
		earlier := some(claiming, func(o *fact) bool { return o.At < f.At && begin(o) == start })
		c.At = cmp.Or(when(!earlier, start.At), f.At)
		return c
	})
	click := keep(pages, func(f *fact) bool { // no more than 5 devices, no identify claim at or before it
		same := keep(w.facts, func(o *fact) bool { return o.Kind == "page" && o.device != "" && o.token == f.token })
		seen := groups(same, func(o *fact) string { return o.device })
		return f.named.primary != "" && len(seen) <= 5 && !some(identify, func(c *fact) bool { return c.At <= f.At })
	})
	w.claims = slices.Concat(w.claims, identify, each(click, func(f *fact) *fact { return f.naming(f.named.primary) }))
}

// owner is who's; of nobody "the latest claim at or before t; before the first claim, that of the first; without any", the device's (2).
func (w *world) owner(who string, f *fact) uuid.UUID {
	claims := sorted(keep(w.claims, func(c *fact) bool { return c.device == f.device }), func(c *fact) string {
		return order(n(max(0, c.At-f.At)), n(max(0, f.At-c.At)), when(c.claimed == "", "click"), c.ID, c.who) // who is left open
	})
	return w.person[cmp.Or(who, one(claims).who, f.device)]
}

// answered is the message that an inbound message answers: one that it names, else "the latest (sent_at, then message id) WhatsApp
// message from that business number to that person" (3). Left open: it is from the numbers of its registration and of its statuses.
func (w *world) answered(f *fact) *message {
	if f.message+f.token != "" || f.Inbound.Referral != nil || f.Inbound.Group || f.notice || f.Channel != "whatsapp" || w.ReplyWindow == 0 {
		return f.named
	}
	return last(sorted(keep(w.messages, func(m *message) bool {
		from := some(m.facts, func(s *fact) bool { return in(f.Inbound.Business, s.Message.Sender, s.Report.Sender) })
		to := m.primary != "" && w.person[m.primary] == w.owner(f.who, f)
		passed := duration(f.At - m.at["sent"])
		return m.channel == "whatsapp" && !m.barred && from && to && passed >= 0 && passed <= w.ReplyWindow && m.at["sent"] != 0
	}), func(m *message) string { return order(n(m.at["sent"]), m.id) }))
}

// engage finds all engagements: of messages, ads and visits (3).
func (w *world) engage() {
	add := func(e Engagement) { w.engagements = append(w.engagements, when(e.Channel != "", []Engagement{e})...) }
	of := func(m *message, tier string, at hit.Instant) { // of no message, which has no channel, none
		add(Engagement{w.person[m.primary], when(at != 0 && !m.barred, m.channel), m.id, tier, m.Campaign, m.templateName(), "", at})
	}
	for _, m := range w.messages {
		for tier, at := range m.at {
			of(m, tier, at)
		}
	}
	bare := func(text string) string { return replace(fold(text), `[^\pL\pN]`, "") }
	for _, f := range w.facts {
		click := f.Kind == "click" && f.Click.Method != "HEAD" && w.ConfirmClicks != "pixel" && !machine(f.Click.Agent)
		of(f.named, "click", when(click || f.Kind == "page", f.At))
		optsOut := f.Inbound.Type == "text" && bare(f.Inbound.Text) != "" && in(bare(f.Inbound.Text), each(w.OptOutTerms, bare)...)
		of(w.answered(f), "reply", when(f.Kind == "inbound" && !optsOut, f.At))
		add(Engagement{w.owner(f.who, f), when(f.Inbound.Referral != nil, "whatsapp_ad"), f.ID, "click", f.campaign, "", f.Source.String(), f.At})
	}
	for _, f := range w.visits { // "a session that begins with a known mt gives no visit"
		channel := when(f.named.id == "", w.classify(f))
		add(Engagement{w.owner("", f), channel, f.ID, "click", f.campaign, "", f.Source.String(), f.At})
	}
}

// classify names the channel of a session by its first page view, first match wins; "" is no touchpoint (3).
func (w *world) classify(f *fact) string {
	lower := func(name string) string { return strings.ToLower(f.query.Get(name)) }
	source, medium, campaign, params := lower("utm_source"), lower("utm_medium"), lower("utm_campaign"), f.parameters
	utm, from, kind, paid := like(params, `(?m)^utm_`), site(f.referrer), site(source), like(medium, `cp|^ppc$|^retargeting$|^paid`)
	shop := like(campaign, `shopping|(^|[e\PL])shop`)
	is := func(words ...string) bool { return in(source, words...) || in(medium, words...) }
	ignored := func(host string) bool { return strings.HasSuffix("."+f.referrer, "."+strings.ToLower(host)) }
	if params == "" {
		none := f.referrer == "" || domain(f.referrer) == domain(f.host) || some(w.IgnoredReferrers, ignored)
		return when(!none, cmp.Or(when(from != "", "organic_"+from), "referral"))
	}
	return cmp.Or(
		when(!utm && like(params, `(?m)^(gclid|gbraid|wbraid|msclkid)=`), "paid_search"),
		when(!utm && like(params, `(?m)^(ttclid|li_fat_id|twclid)=`), "paid_social"), when(!utm, "organic_social"),
		when(is("whatsapp"), "whatsapp"), when(is("messenger"), "messenger"), when(like(campaign, `cross-network`), "cross_network"),
		when(paid && shop, "paid_shopping"), when(paid && kind != "", "paid_"+kind),
		when(like(medium, `^(display|banner|expandable|interstitial|cpm)$`), "display"), when(paid, "paid_other"),
		when(kind == "shopping" || shop, "organic_shopping"),
		when(kind == "social" || like(medium, `^(social([- ](network|media))?|sm)$`), "organic_social"),
		when(kind == "video" || like(medium, `video`), "organic_video"), when(kind == "search" || medium == "organic", "organic_search"),
		when(like(medium, `^(referral|app|link)$`), "referral"), when(is("email", "e-mail", "e_mail", "e mail"), "email"),
		when(medium == "affiliate", "affiliates"), when(medium == "audio", "audio"), when(is("sms"), "sms"),
		when(like(medium, `push$|mobile|notification`) || source == "firebase", "mobile_push"), "unassigned")
}

// matches says whether a keyword rule's any, all and none allow a text (4).
func (r *rule) matches(said string) bool {
	words := func(text string) string { // between UAX 29 boundaries, in lines of their own; an emoji is one, which is left open
		all := keep(segments(fold(text)), func(word string) bool { return like(word, `[\pL\pN\pS]`) })
		return "\n" + strings.Join(all, "\n") + "\n"
	}
	has := func(term string) bool {
		unspaced := like(term, `\p{Han}|\p{Hiragana}|\p{Katakana}|\p{Hangul}|\p{Thai}|\p{Lao}|\p{Khmer}|\p{Myanmar}`)
		as := map[bool]func(string) string{true: fold, false: words}[unspaced || r.Mode == "substring"]
		return as(term) != "\n\n" && strings.Contains(as(said), as(term))
	}
	return (len(r.Any) == 0 || some(r.Any, has)) && len(keep(r.All, has)) == len(r.All) && !some(r.None, has)
}

// fold: "NFKC, full case folding, and removal of nonspacing marks on Latin, Greek, Cyrillic, Hebrew and Arabic letters" (4).
func fold(text string) string {
	text = norm.NFD.String(cases.Fold().String(norm.NFKC.String(text)))
	text = replace(text, `([\p{Latin}\p{Greek}\p{Cyrillic}\p{Hebrew}\p{Arabic}])\p{Mn}+`, "$1")
	return strings.NewReplacer("đ", "d", "ø", "o", "æ", "ae").Replace(norm.NFKC.String(text))
}

// eventsOf are the event that a fact states and the in-thread ones made of it (4).
func (w *world) eventsOf(f *fact) []*fact {
	all := when(f.Kind == "event", []*fact{f})
	made := func(is bool, id, name string, properties object) {
		e := *f
		e.ID, e.Event, e.properties = f.ID+id, &hit.Event{Name: name, InThread: true}, properties
		all = append(all, when(is && f.Channel == "whatsapp", []*fact{&e})...)
	}
	i, paid := f.Inbound, func(o *fact) bool { return o.ID == f.ID && in(o.Status, "payment:captured", "payment:success") }
	made(one(keep(w.facts, paid)) == f, ":payment", "whatsapp.payment", amount(&cmp.Or(f.Report.Payment, &hit.Payment{}).Amount))
	made(f.Kind == "inbound" && !f.notice, "", "whatsapp.message", nil)
	made(i.Order != nil, "", "whatsapp.order", amount(i.Order))
	made(in(i.Interact, "button", "button_reply", "list_reply"), "", "whatsapp.button", object{"payload": i.Payload, "title": i.Title})
	made(i.Interact == "nfm_reply", "", "whatsapp.flow", decode[object](i.Fields))
	said := keep(w.KeywordRules, func(r rule) bool { return i.Type == "text" && r.matches(i.Text) })
	for _, r := range firsts(said, func(r rule) string { return r.Event }) { // the first gives the value
		made(true, ":"+r.Event, r.Event, object{"value": r.Value, "currency": r.Currency})
	}
	for _, e := range all {
		given := func(name string) string { return strings.TrimSpace(text(e.properties[name])) }
		e.order, e.currency, e.refund = given("order_id"), strings.ToUpper(given("currency")), cmp.Or(given("refund_id"), "\n"+e.ID)
		e.conversion = cmp.Or(when(e.order != "", "order:"+e.order), e.ID)
	}
	return all
}

// convert makes the rows of one definition: of conversions, their refunds, and refunds of orders that nobody reported (4).
func (w *world) convert(d definition) (rows []Row) {
	worth := func(f *fact) *big.Rat { // the value that a copy states, if it does
		return cmp.Or(each(d.ValueProperties, func(name string) *big.Rat { return number(f.properties[name]) })...)
	}
	last, orders, none := map[uuid.UUID]hit.Instant{}, map[string]*conversion{}, rat(0)
	for _, copies := range keep(w.events, func(e []*fact) bool { return e[0].Event.Name == d.Event }) {
		f, c := copies[0], &conversion{}
		orders[f.order] = c
		differs := func(name string) bool { // "per property the most trusted copy that has it counts (null is absent)"
			value := one(keep(copies, func(f *fact) bool { return f.properties[name] != nil })).properties[name]
			return value == nil || text(value) != d.Where[name]
		}
		person := w.owner(f.claimed, f)
		before, again := last[person] // nobody is not the same person
		if again && person != uuid.Nil && duration(f.At-before) < d.OnceWithin || some(keys(d.Where), differs) {
			continue
		}
		last[person] = f.At
		valued := one(keep(copies, func(f *fact) bool { return worth(f) != nil })) // "the most trusted copy with a value"
		*c = conversion{person, cmp.Or(valued.currency, w.currency), f.At, w.eligible(d, f, person), none}
		rows = append(rows, w.credit(d, f, c, worth(valued))...)
	}
	refunds := keep(slices.Concat(w.events...), func(f *fact) bool { return f.Event.Name == d.RefundEvent && f.order != "" })
	refunds = firsts(refunds, func(f *fact) string { return order(f.order, f.refund) }) // "those of one order with one refund_id are one"
	for _, r := range sorted(refunds, func(r *fact) string { return order(n(r.At), r.ID) }) {
		value := worth(r) // without one "all that remains"
		orphan := &conversion{w.owner(r.who, r), cmp.Or(r.currency, w.currency), 0, nil, abs(cmp.Or(value, none))}
		c := cmp.Or(orders[r.order], orphan) // "one unattributed row of minus its value (null without one)"
		if c.value != nil && in(r.currency, "", c.currency) {
			taken := mul(least(abs(c.value), abs(cmp.Or(value, c.value))), rat(c.value.Sign())) // of a negative one: left open
			rows = append(rows, w.credit(d, r, c, when(c != orphan || value != nil, sub(c.value, taken)))...)
		}
	}
	return rows
}

// eligible are the engagements as which touchpoints count for a conversion: of each "the strongest tier, within it the latest" (5).
func (w *world) eligible(d definition, f *fact, person uuid.UUID) []Engagement {
	tiers := map[string]int{"click": 1, "reply": 1, "read": 2, "delivered": 3, "sent": 4}
	until := f.At + hit.Instant(f.Precision)*(secondMicros-1)
	all := keep(w.engagements, func(e Engagement) bool {
		rule := one(keep(w.Windows, func(r *window) bool { // what is left out matches all; no rule: never
			return in(r.Conversion, "", d.Name) && in(r.Channel, "", e.Channel) && in(r.Campaign, "", e.campaign) &&
				in(r.Template, "", e.template) && in(r.Tier, "", e.Tier)
		}))
		return e.Person == person && person != uuid.Nil && rule.Seconds > 0 && e.TouchAt <= until && duration(f.At-e.TouchAt) <= rule.Seconds
	})
	all = sorted(all, func(e Engagement) string { return order(n(tiers[e.Tier]), n(1<<62-e.TouchAt), e.Tier) })
	every := w.Precedence != "strongest_tier"
	all = keep(all, func(e Engagement) bool { return every || tiers[e.Tier] == tiers[all[0].Tier] })
	all = firsts(all, func(e Engagement) string { return order(e.Channel, e.TouchKey, e.source) })
	return sorted(all, func(e Engagement) string { return order(n(e.TouchAt), e.TouchKey, e.Channel) }) // the channel is left open
}

// weights are those of a model for a conversion at an instant, up to a common factor (6).
func (w *world) weights(model string, at hit.Instant, touches []Engagement) []*big.Rat {
	all, first, last, end := rat(1), number(w.PositionFirst), number(w.PositionLast), len(touches)-1
	rest := quo(sub(sub(all, first), last), rat(max(1, end-1)))
	age := func(i int) hit.Instant { return max(0, at-touches[i].TouchAt) } // of the last it is the least
	weights := each(count(len(touches)), map[string]func(int) *big.Rat{
		"linear":         func(int) *big.Rat { return all },
		"first_touch":    func(i int) *big.Rat { return rat(when(i == 0, 1)) },
		"last_touch":     func(i int) *big.Rat { return rat(when(i == end, 1)) },
		"position_based": func(i int) *big.Rat { return cmp.Or(when(i == 0, first), when(i == end, last), rest) },
		"time_decay":     func(i int) *big.Rat { return halved(int64(age(i)-age(end)), int64(w.HalfLife)) },
		"tier_weighted":  func(i int) *big.Rat { return cmp.Or(number(w.TierWeights[touches[i].Tier]), rat(0)) },
	}[model])
	if !some(weights, func(weight *big.Rat) bool { return weight.Sign() > 0 }) { // all 0; of position_based left open
		return w.weights("linear", at, touches)
	}
	return weights
}

// share divides whole units in proportion to weights: "floor each share, hand the missing units to the largest remainders" (6).
func share(whole *big.Rat, weights []*big.Rat) []*big.Rat {
	exact := each(weights, func(weight *big.Rat) *big.Rat { return mul(whole, quo(weight, sum(weights...))) })
	shares := each(exact, floor)
	rest := func(i int) *big.Rat { return sub(exact[i], shares[i]) }
	missing := int(sub(whole, sum(shares...)).Num().Int64())
	for _, i := range descending(rest, len(exact))[:missing] { // "ties to the earlier"
		shares[i] = sum(shares[i], rat(1))
	}
	return shares
}

// split divides an amount in its currency's minor unit, a finer one in its own last digit, a negative one by its absolute (6).
func split(value *big.Rat, currency string, weights []*big.Rat) []*big.Rat {
	own, _ := value.FloatPrec()
	unit := power(10, max(minor(currency), own))
	return each(share(mul(abs(value), unit), weights), func(s *big.Rat) *big.Rat { return mul(quo(s, unit), rat(value.Sign())) })
}

// credit makes the rows of the difference between the splits of what a conversion is worth after and before, nil for no value (4, 6).
func (w *world) credit(d definition, f *fact, c *conversion, after *big.Rat) (rows []Row) {
	id, before, is := cmp.Or(when(f.Event.Name == d.Event, f.conversion), f.ID), c.value, after != nil
	touches := slices.Concat(c.touches, when(len(c.touches) == 0, []Engagement{{Channel: "unattributed"}}))
	for _, model := range w.Models {
		weights := share(rat(int64(1e12)), w.weights(model, c.at, touches))
		from, to := split(before, c.currency, weights), split(cmp.Or(after, before), c.currency, weights)
		for i, e := range touches {
			rows = append(rows, when(weights[i].Sign() > 0, []Row{{
				d.Name, id, f.Event.Name, model, e.Channel, e.Tier, e.TouchKey, weights[i].RatString(),
				when(is, sub(to[i], from[i]).RatString()), when(is, c.currency), f.Event.InThread, e.TouchAt, c.person,
			}})...)
		}
	}
	c.value = after
	return rows
}
