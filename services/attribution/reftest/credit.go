package reftest

import (
	"cmp"
	"maps"
	"math/big"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/cockroachdb/apd/v3"
	"github.com/google/uuid"
	"github.com/rivo/uniseg"
	"golang.org/x/net/publicsuffix"
	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"github.com/touchline/touchline/services/attribution/agent/agents"
	"github.com/touchline/touchline/services/attribution/channel/sites"
	"github.com/touchline/touchline/services/internal/hit"
)

// Engagement is one engagement of a touchpoint of a person (3).
type Engagement struct {
	Person                                               uuid.UUID
	Channel, TouchKey, Tier, campaign, template, ofPages string
	TouchAt, age                                         hit.Instant // age: at the conversion that it counts for
}

// engage finds all engagements: of messages, visits and ads (3).
func (w *world) engage() {
	add := func(channel, campaign string, f *fact, person uuid.UUID) {
		e := Engagement{person, channel, f.ID, "click", campaign, "", f.Source.String(), f.At, 0}
		w.engagements = append(w.engagements, when(channel != "", []Engagement{e})...)
	}
	of := func(m *message, tier string, times ...hit.Instant) {
		for _, at := range when(m != nil && !m.barred, times) {
			w.engagements = append(w.engagements, Engagement{w.person[m.primary], m.channel, m.id, tier, m.Campaign, m.template, "", at, 0})
		}
	}
	for _, m := range w.messages {
		for tier, at := range m.at {
			of(m, tier, at...)
		}
	}
	for _, f := range w.facts {
		clicks := f.Kind == "click" && f.Click.Method != "HEAD" && text(w.policy, "confirm_clicks") != "pixel" && !machine(f.Click.Agent)
		of(cmp.Or(w.tokenOf(f.token), when(clicks, cmp.Or(w.tokenOf(f.Click.Token), w.find(f.Channel, f.Click.Message)))), "click", f.At)
		of(when(!w.optsOut(f), cmp.Or(w.answered(f), w.implied(f))), "reply", f.At)
		add(when(f.Inbound.Referral != nil, "whatsapp_ad"), cmp.Or(f.Inbound.Referral, &hit.Referral{}).SourceID, f, w.owner(f))
		if f.first == f && w.tokenOf(f.token) == nil { // "a session that begins with a known mt gives no visit"
			add(w.classify(f), f.query.Get("utm_campaign"), f, w.holder(f.device, f.At))
		}
	}
}

// notice says what is neither a reply nor whatsapp.message (3).
func notice(f *fact) bool {
	return in(f.Inbound.Type, "system", "request_welcome", "edit", "revoke", "reaction_removed")
}

// answered is the message that an inbound message answers by context, or else by token (3).
func (w *world) answered(f *fact) *message {
	named := cmp.Or(w.find(f.Channel, f.Inbound.Context), when(f.Inbound.Context == "", w.tokenOf(f.Inbound.Token)))
	return when(!notice(f), named)
}

// implied is "the latest (sent_at, then message id) WhatsApp message from that business number to that person" (3). Left open:
// a message is from the numbers of its registration and of its statuses.
func (w *world) implied(f *fact) *message {
	i, window := f.Inbound, micros(w.policy, "implicit_reply_window_seconds")
	may := i.Context+i.Token == "" && i.Referral == nil && !i.Group && !notice(f) && window > 0 && f.Kind == "inbound" && f.Channel == "whatsapp"
	sent := keep(w.messages, func(m *message) bool {
		from := func(s *fact) bool { return in(i.Business, s.Message.Sender, s.Report.Sender) }
		recent := func(sent hit.Instant) bool { return sent <= f.At && f.At-sent <= window }
		to := m.primary != "" && w.person[m.primary] == w.owner(f)
		return may && m.channel == "whatsapp" && !m.barred && to && some(m.facts, from) && some(m.at["sent"], recent)
	})
	return last(sorted(sent, func(m *message) string { return order(n(m.at["sent"][0]), m.id) }))
}

// optsOut: "a text that as a whole is one of opt_out_terms (folded as keywords are, letters and digits only)" (3).
func (w *world) optsOut(f *fact) bool {
	bare := func(text string) string { return regexp.MustCompile(`[^\pL\pN]`).ReplaceAllString(fold(text), "") }
	is := func(term string) bool { return bare(term) == bare(f.Inbound.Text) && bare(term) != "" }
	return f.Inbound.Type == "text" && some(list[string](w.policy["opt_out_terms"]), is)
}

// machine says whether a user agent is one that visits links by itself (3); the lists' README says how they are written.
func machine(agent string) bool {
	lower := strings.ToLower(agent)
	names := func(line string) bool { return strings.Contains("^"+agent+"$", line) }
	namesInLower := func(line string) bool { return strings.Contains("^"+lower+"$", line) }
	return like(strings.ReplaceAll(lower, "cubot", ""), `bot([^a-z]|$)`) ||
		some(lines(ok(agents.Lists.ReadFile("crawlers.txt"))), names) || some(lines(ok(agents.Lists.ReadFile("own.txt"))), namesInLower)
}

// lines are those of a list of reference data, without comments.
func lines(text []byte) []string {
	return keep(strings.Split(string(text), "\n"), func(line string) bool { return line != "" && line[0] != '#' })
}

func address(raw string) *url.URL { return cmp.Or(ok(url.Parse(raw)), &url.URL{}) } // unreadable: empty
func domain(host string) string   { return cmp.Or(ok(publicsuffix.EffectiveTLDPlusOne(host)), host) }

// campaignParams is the set of a page's campaign parameters as text; "mt when it names a known message" (3).
func (w *world) campaignParams(f *fact) string {
	pairs := flat(slices.Sorted(maps.Keys(f.query)), func(name string) []string {
		is := campaignParam.MatchString(name) || name == "mt" && w.tokenOf(f.token) != nil
		return each(f.query[name], func(value string) string { return when(is && value != "", name+"="+value+"\n") }) // none without a value: left open
	})
	return strings.Join(slices.Compact(slices.Sorted(slices.Values(pairs))), "")
}

// classify names the channel of a session by its first page view, first match wins; "" is no touchpoint (3).
func (w *world) classify(f *fact) string {
	host := func(raw string) string { return strings.ToLower(address(raw).Hostname()) }
	from, params := host(f.Page.Referrer), w.campaignParams(f)
	lower := func(name string) string { return strings.ToLower(f.query.Get(name)) }
	source, medium, campaign := lower("utm_source"), lower("utm_medium"), lower("utm_campaign")
	kind, shop, paid := site(source), like(campaign, `shopping|(^|[e\PL])shop`), like(medium, `cp|^ppc$|^retargeting$|^paid`)
	either := func(words ...string) bool { return in(source, words...) || in(medium, words...) }
	ignored := func(host string) bool { return strings.HasSuffix("."+from, "."+strings.ToLower(host)) }
	switch {
	case params == "" && (from == "" || domain(from) == domain(host(f.Page.URL)) || some(list[string](w.policy["ignored_referrers"]), ignored)):
		return ""
	case params == "":
		return cmp.Or(when(site(from) != "", "organic_"+site(from)), "referral")
	case !like(params, `(?m)^utm_`):
		return cmp.Or(when(like(params, `(?m)^(gclid|gbraid|wbraid|msclkid)=`), "paid_search"),
			when(like(params, `(?m)^(ttclid|li_fat_id|twclid)=`), "paid_social"), "organic_social")
	}
	return cmp.Or(
		when(either("whatsapp"), "whatsapp"), when(either("messenger"), "messenger"),
		when(like(campaign, `cross-network`), "cross_network"),
		when(paid && shop, "paid_shopping"),
		when(paid && kind != "", "paid_"+kind),
		when(like(medium, `^(display|banner|expandable|interstitial|cpm)$`), "display"),
		when(paid, "paid_other"),
		when(kind == "shopping" || shop, "organic_shopping"),
		when(kind == "social" || like(medium, `^(social([- ](network|media))?|sm)$`), "organic_social"),
		when(kind == "video" || like(medium, `video`), "organic_video"),
		when(kind == "search" || medium == "organic", "organic_search"),
		when(like(medium, `^(referral|app|link)$`), "referral"),
		when(either("email", "e-mail", "e_mail", "e mail"), "email"),
		when(medium == "affiliate", "affiliates"), when(medium == "audio", "audio"),
		when(either("sms"), "sms"),
		when(like(medium, `push$|mobile|notification`) || source == "firebase", "mobile_push"),
		"unassigned")
}

// site says of which kind the site of a host or plain name is; the lists' README says how they are written.
func site(name string) string {
	bare := regexp.MustCompile(`^(www|m|mobile)\.`).ReplaceAllString(name, "")
	suffix, _ := publicsuffix.PublicSuffix(bare)
	is := func(host string) bool {
		return in(host, bare, strings.TrimSuffix(bare, suffix)+"*") || host[0] == '.' && strings.HasSuffix("."+name, host)
	}
	return one(keep([]string{"search", "social", "shopping", "video"}, func(kind string) bool {
		return some(lines(ok(sites.Lists.ReadFile(kind+".txt"))), func(line string) bool {
			names, hosts, _ := strings.Cut(line, ":")
			return in(name, strings.Fields(names)...) || some(strings.Fields(hosts), is)
		})
	}))
}

var (
	campaignParam = regexp.MustCompile(`^(utm_.*|gclid|gbraid|wbraid|fbclid|msclkid|ttclid|li_fat_id|twclid)$`)
	unspaced      = regexp.MustCompile(`\p{Han}|\p{Hiragana}|\p{Katakana}|\p{Hangul}|\p{Thai}|\p{Lao}|\p{Khmer}|\p{Myanmar}`)
	wordly        = regexp.MustCompile(`[\pL\pN\pS]`) // \pS, an emoji: left open
	marks         = regexp.MustCompile(`([\p{Latin}\p{Greek}\p{Cyrillic}\p{Hebrew}\p{Arabic}])\p{Mn}+`)
	decimal       = regexp.MustCompile(`^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?$`)
)

// matches says whether a keyword rule's any, all and none allow a text, in words, else anywhere (4).
func matches(rule object, said string) bool {
	has := func(term string) bool {
		as := words
		if text(rule, "mode") == "substring" || unspaced.MatchString(term) {
			as = fold
		}
		return as(term) != "\n" && strings.Contains(as(said), as(term))
	}
	either, all, none := list[string](rule["any"]), list[string](rule["all"]), list[string](rule["none"])
	return (len(either) == 0 || some(either, has)) && len(keep(all, has)) == len(all) && !some(none, has)
}

// words are those between UAX 29 boundaries, each between line breaks (4).
func words(text string) string {
	all, rest, state := "\n", fold(text), -1
	for rest != "" {
		var word string
		word, rest, state = uniseg.FirstWordInString(rest, state)
		all += when(wordly.MatchString(word), word+"\n")
	}
	return all
}

// fold: "NFKC, full case folding, and removal of nonspacing marks on Latin, Greek, Cyrillic, Hebrew and Arabic letters" (4).
func fold(text string) string {
	text = marks.ReplaceAllString(norm.NFD.String(cases.Fold().String(norm.NFKC.String(text))), "$1")
	return strings.NewReplacer("đ", "d", "ø", "o", "æ", "ae").Replace(norm.NFKC.String(text))
}

func (f *fact) property(name string) string { return strings.TrimSpace(text(f.properties, name)) }
func (f *fact) orderID() string             { return f.property("order_id") }
func (f *fact) conversionID() string {
	return cmp.Or(when(f.orderID() != "", "order:"+f.orderID()), f.ID)
}
func (f *fact) currency() string { return strings.ToUpper(f.property("currency")) }
func (f *fact) refundID() string {
	return order(f.property("refund_id"), when(f.property("refund_id") == "", f.ID))
}

// byTrust puts copies of one event in order, by "(trust, occurred_at, event id)" (4); the source is left open.
func byTrust(copies []*fact) []*fact {
	copies = sorted(copies, func(f *fact) string { return order(n(9-f.Trust), n(f.At), f.ID, f.Source.String()) })
	for _, f := range copies {
		f.claimed = cmp.Or(f.who, cmp.Or(each(copies, whom)...))
	}
	return copies
}

// eventsOf are the event that a fact states and the in-thread ones made of it (4).
func (w *world) eventsOf(f *fact) []*fact {
	all := when(f.Kind == "event", []*fact{f})
	made := func(is bool, id, name string, properties object) {
		e := *f
		e.ID, e.Event, e.properties = f.ID+id, &hit.Event{Name: name, InThread: true}, properties
		all = append(all, when(is && f.Channel == "whatsapp", []*fact{&e})...)
	}
	amount := func(a *hit.Amount) object { return object{"value": a.Amount, "currency": a.Currency} }
	i, paid := f.Inbound, func(o *fact) bool { return o.ID == f.ID && in(o.Status, "payment:captured", "payment:success") }
	made(one(keep(w.facts, paid)) == f, ":payment", "whatsapp.payment", amount(&cmp.Or(f.Report.Payment, &hit.Payment{}).Amount))
	made(f.Kind == "inbound" && !notice(f), "", "whatsapp.message", nil)
	made(i.Order != nil, "", "whatsapp.order", amount(cmp.Or(i.Order, &hit.Amount{})))
	made(in(i.Interact, "button", "button_reply", "list_reply"), "", "whatsapp.button", object{"payload": i.Payload, "title": i.Title})
	made(i.Interact == "nfm_reply", "", "whatsapp.flow", parse(i.Fields))
	said := keep(list[object](w.policy["keyword_rules"]), func(rule object) bool { return i.Type == "text" && matches(rule, i.Text) })
	for _, rule := range firsts(said, func(rule object) string { return text(rule, "event") }) { // the first gives the value
		made(true, ":"+text(rule, "event"), text(rule, "event"), object{"value": rule["value"], "currency": rule["currency"]})
	}
	return all
}

// worth is the value that a copy states, if it does (4).
func worth(d object, f *fact) *big.Rat {
	return cmp.Or(each(list[string](d["value_properties"]), func(name string) *big.Rat { return number(f.properties, name) })...)
}

// convert makes the rows of one definition: its conversions and their refunds (4).
func (w *world) convert(d object) (rows []Row) {
	last := map[uuid.UUID]hit.Instant{}
	for _, copies := range keep(w.events, func(copies []*fact) bool { return copies[0].Event.Name == text(d, "event") }) {
		f, person := copies[0], cmp.Or(w.person[copies[0].claimed], w.owner(copies[0]))
		before, again := last[person] // nobody is not the same person
		if !holds(d, copies) || again && person != uuid.Nil && f.At-before < micros(d, "once_within_seconds") {
			continue
		}
		last[person] = f.At
		// "Value and currency come together from the most trusted copy with a value."
		valued := one(append(keep(copies, func(f *fact) bool { return worth(d, f) != nil }), &fact{}))
		value, currency, touches := worth(d, valued), cmp.Or(valued.currency(), w.currency), w.eligible(d, f, person)
		rows = append(rows, w.rows(row(d, f, person, currency), touches, new(big.Rat), value)...)
		for _, r := range keep(w.refunds(d, f.orderID()), func(r *fact) bool { return value != nil && in(r.currency(), "", currency) }) {
			left := sub(abs(value), abs(cmp.Or(worth(d, r), value)))                                // without a value "all that remains"
			left = mul(slices.MaxFunc([]*big.Rat{new(big.Rat), left}, (*big.Rat).Cmp), sign(value)) // of a negative one: left open
			rows = append(rows, w.rows(row(d, r, person, currency), touches, value, left)...)
			value = left
		}
	}
	return append(rows, w.orphans(d)...)
}

// orphans makes the rows of refunds of orders that nobody reported: "one unattributed row of minus its value (null without one)" (4).
func (w *world) orphans(d object) []Row {
	reported := flat(w.events, func(e []*fact) []string { return when(e[0].Event.Name == text(d, "event"), []string{e[0].orderID()}) })
	refunds := flat(w.events, func(e []*fact) []*fact {
		return when(e[0].Event.Name == text(d, "refund_event") && !in(e[0].orderID(), reported...), w.refunds(d, e[0].orderID()))
	})
	return flat(refunds, func(r *fact) []Row {
		value, none := worth(d, r), new(big.Rat)
		return w.rows(row(d, r, w.owner(r), cmp.Or(r.currency(), w.currency)), nil, abs(cmp.Or(value, none)), when(value != nil, none))
	})
}

func row(d object, f *fact, person uuid.UUID, currency string) Row {
	id := cmp.Or(when(f.Event.Name == text(d, "event"), f.conversionID()), f.ID)
	return Row{Definition: text(d, "name"), ConversionID: id, Event: f.Event.Name, InThread: f.Event.InThread, Person: person, Currency: currency}
}

// holds: conditions are "equal as text, on the merged properties", of each that of the most trusted copy that has it (4).
func holds(d object, copies []*fact) bool {
	where, _ := d["where"].(object)
	return !some(slices.Collect(maps.Keys(where)), func(name string) bool {
		f := one(append(keep(copies, func(f *fact) bool { return f.properties[name] != nil }), &fact{}))
		return f.properties[name] == nil || text(f.properties, name) != text(where, name)
	})
}

// refunds are those of an order by (time, event id): "those with one refund_id, or without one with one event id, are one" (4).
func (w *world) refunds(d object, orderID string) []*fact {
	all := keep(slices.Concat(w.events...), func(r *fact) bool {
		return r.Event.Name == text(d, "refund_event") && r.orderID() == orderID && orderID != ""
	})
	return sorted(firsts(all, (*fact).refundID), func(r *fact) string { return order(n(r.At), r.ID) })
}

// eligible are the engagements as which touchpoints count for a conversion: of each "the strongest tier, within it the latest" (5).
func (w *world) eligible(d object, f *fact, person uuid.UUID) []Engagement {
	tiers, until := map[string]int{"click": 1, "reply": 1, "read": 2, "delivered": 3, "sent": 4}, f.At+hit.Instant(f.Precision)*(secondMicros-1)
	all := keep(w.engagements, func(e Engagement) bool {
		has := map[string]string{"conversion": text(d, "name"), "channel": e.Channel, "campaign": e.campaign, "template": e.template, "tier": e.Tier}
		window := micros(one(keep(list[object](w.policy["windows"]), func(rule object) bool { // what is left out matches all; no rule: never
			return !some(slices.Collect(maps.Keys(has)), func(name string) bool { return !in(text(rule, name), "", has[name]) })
		})), "seconds")
		return e.Person == person && person != uuid.Nil && window > 0 && e.TouchAt <= until && f.At-e.TouchAt <= window
	})
	all = sorted(all, func(e Engagement) string { return order(n(tiers[e.Tier]), n(1<<62-e.TouchAt), e.Tier) })
	every := text(w.policy, "precedence") != "strongest_tier"
	all = keep(all, func(e Engagement) bool { return every || tiers[e.Tier] == tiers[all[0].Tier] })
	all = firsts(all, func(e Engagement) string { return order(e.Channel, e.TouchKey, e.ofPages) })
	for i := range all {
		all[i].age = max(0, f.At-all[i].TouchAt)
	}
	return sorted(all, func(e Engagement) string { return order(n(e.TouchAt), e.TouchKey, e.Channel) }) // the channel is left open
}

// weights are those of a model, up to a common factor (6).
func (w *world) weights(model string, touches []Engagement) []*big.Rat {
	none, all, l := new(big.Rat), big.NewRat(1, 1), len(touches)-1
	first, last := number(w.policy, "position_first"), number(w.policy, "position_last")
	rest := mul(sub(sub(all, first), last), big.NewRat(1, int64(max(1, l-1))))
	weights := each(touches, func(e Engagement) *big.Rat {
		return map[string]*big.Rat{
			"linear": all, "first_touch": none, "last_touch": none, "position_based": rest,
			"time_decay": w.decay(when(model == "time_decay", e.age)), "tier_weighted": cmp.Or(number(w.policy["tier_weights"].(object), e.Tier), none),
		}[model]
	})
	weights[l] = cmp.Or(map[string]*big.Rat{"last_touch": all, "position_based": last}[model], weights[l])
	weights[0] = cmp.Or(map[string]*big.Rat{"first_touch": all, "position_based": first}[model], weights[0])
	if !some(weights, func(r *big.Rat) bool { return r.Sign() > 0 }) {
		return w.weights("linear", touches) // all 0; of position_based left open
	}
	return weights
}

// decay is 2^-(age / half_life) (6).
func (w *world) decay(age hit.Instant) *big.Rat {
	context, power := apd.BaseContext.WithPrecision(40), new(apd.Decimal)
	_, _ = context.Quo(power, apd.New(int64(age), 0), apd.New(int64(micros(w.policy, "half_life_seconds")), 0))
	_, _ = context.Pow(power, apd.New(5, -1), power)
	r, _ := new(big.Rat).SetString(power.Text('e'))
	return r
}

// share divides whole units in proportion to weights, by largest remainder, ties to the earlier (6).
func share(whole *big.Rat, weights []*big.Rat) []*big.Rat {
	total, missing, unit := new(big.Rat), whole, big.NewRat(1, 1)
	for _, weight := range weights {
		total.Add(total, weight)
	}
	rests := each(weights, func(weight *big.Rat) *big.Rat { return mul(whole, new(big.Rat).Quo(weight, total)) })
	shares := each(rests, func(r *big.Rat) *big.Rat { return new(big.Rat).SetInt(new(big.Int).Quo(r.Num(), r.Denom())) })
	for i, share := range shares {
		missing, rests[i] = sub(missing, share), sub(rests[i], share)
	}
	for ; missing.Sign() > 0; missing = sub(missing, unit) {
		most := slices.Index(rests, slices.MaxFunc(rests, (*big.Rat).Cmp)) // the first of the largest
		shares[most], rests[most] = shares[most].Add(shares[most], unit), new(big.Rat)
	}
	return shares
}

func abs(r *big.Rat) *big.Rat    { return new(big.Rat).Abs(r) }
func sign(r *big.Rat) *big.Rat   { return big.NewRat(int64(r.Sign()), 1) }
func mul(a, b *big.Rat) *big.Rat { return new(big.Rat).Mul(a, b) }
func sub(a, b *big.Rat) *big.Rat { return new(big.Rat).Sub(a, b) }

// places are the digits after the point of a currency's minor unit where they are not two (ISO 4217).
var places = map[int]string{0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF", 3: "BHD IQD JOD KWD LYD OMR TND", 4: "CLF UYW"}

// split divides an amount in its currency's minor unit, a finer one in its own last digit, a negative one by its absolute (6).
func split(value *big.Rat, currency string, weights []*big.Rat) []*big.Rat {
	digits := keep([]int{0, 3, 4, 2}, func(n int) bool { return n == 2 || in(currency, strings.Fields(places[n])...) })
	own, _ := value.FloatPrec()
	unit := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(digits[0], own))), nil))
	return each(share(mul(abs(value), unit), weights), func(s *big.Rat) *big.Rat { return mul(s.Quo(s, unit), sign(value)) })
}

// rows credits the difference between the splits of what a conversion is worth after and before (4, 6).
func (w *world) rows(c Row, touches []Engagement, before, after *big.Rat) (rows []Row) {
	if len(touches) == 0 {
		touches = []Engagement{{Channel: "unattributed"}}
	}
	for _, model := range list[string](w.policy["models"]) {
		weights := share(big.NewRat(1e12, 1), w.weights(model, touches))
		from, to := split(before, c.Currency, weights), split(cmp.Or(after, before), c.Currency, weights)
		for i, e := range touches {
			r := c
			r.Model, r.Channel, r.Tier, r.TouchKey, r.TouchAt, r.Weight = model, e.Channel, e.Tier, e.TouchKey, e.TouchAt, weights[i].RatString()
			r.Credited, r.Currency = when(after != nil, sub(to[i], from[i]).RatString()), when(after != nil, c.Currency)
			rows = append(rows, when(weights[i].Sign() > 0, []Row{r})...)
		}
	}
	return rows
}
