package reftest

import (
	"cmp"
	"encoding/json"
	"math/big"
	"regexp"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/fact"
	"github.com/touchline/touchline/services/attribution/keyword"
	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/internal/hit"
)

// event is one copy of an event.
type event struct {
	*hit.Fact
	name, id string
	inThread bool
	has      map[string]json.RawMessage
}

func (e *event) text(property string) string { return fact.Text(e.has[property]) }

func facts(copies []*event) (all []*hit.Fact) {
	for _, e := range copies {
		all = append(all, e.Fact)
	}
	return all
}

// setEvents gathers what the API sent and what messages make (section 4).
func (w *world) setEvents() {
	var all []*event
	for _, f := range w.facts {
		add := func(is bool, name, id string, properties any) {
			e := &event{Fact: f, name: name, id: id, inThread: f.Event == nil || f.Event.InThread}
			raw, _ := json.Marshal(properties)
			_ = json.Unmarshal(raw, &e.has)
			made := func(o *event) bool { return f.Event == nil && o.Event == nil && o.name == name && o.id == id }
			if is && !slices.ContainsFunc(all, made) {
				all = append(all, e)
			}
		}
		worth := func(a hit.Amount) map[string]string {
			return map[string]string{"value": a.Amount, "currency": a.Currency}
		}
		own, in, pay := cmp.Or(f.Event, new(hit.Event)), cmp.Or(f.Inbound, new(hit.Inbound)), cmp.Or(cmp.Or(f.Report, new(hit.Report)).Payment, new(hit.Payment))
		chat := f.Inbound != nil && f.Channel == hit.ChannelWhatsApp
		add(f.Event != nil, own.Name, f.ID, own.Properties)
		add(f.Status == "payment:captured" || f.Status == "payment:success", "whatsapp.payment", f.ID+":payment", worth(pay.Amount))
		add(chat && !strings.Contains(notices, " "+in.Type+" "), "whatsapp.message", f.ID, nil)
		add(chat && in.Type == "order", "whatsapp.order", f.ID, worth(*cmp.Or(in.Order, new(hit.Amount))))
		add(chat && in.Interact == "nfm_reply", "whatsapp.flow", f.ID, in.Fields)
		add(chat && slices.Contains([]string{"button", "button_reply", "list_reply"}, in.Interact), "whatsapp.button", f.ID, map[string]string{"payload": in.Payload, "title": in.Title})
		for _, r := range w.KeywordRules {
			rule := keyword.Rule{Event: r.Event, Any: r.Any, All: r.All, None: r.None, Mode: keyword.Mode(r.Mode)}
			is := chat && in.Type == "text" && len(keyword.Compile([]keyword.Rule{rule}).Match(in.Text)) > 0
			add(is, r.Event, f.ID+":"+r.Event, worth(hit.Amount{Amount: string(r.Value), Currency: r.Currency}))
		}
	}
	slices.SortStableFunc(all, func(a, b *event) int {
		return cmp.Or(cmp.Compare(b.Trust, a.Trust), cmp.Compare(a.At, b.At), strings.Compare(a.id, b.id))
	})
	w.events = groups(all, func(a, b *event) bool { return a.name == b.name && one(a, b, "order_id") })
}

// one says whether two events agree in a property or, where neither has it, in the event id.
func one(a, b *event, property string) bool {
	return a.text(property) == b.text(property) && (a.text(property) != "" || a.id == b.id)
}

// conversion is one event as a definition sees it.
type conversion struct {
	*event
	key, currency string
	person        uuid.UUID
	value         *big.Rat // nil: none
	counts        bool
}

var decimal = regexp.MustCompile(`^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?$`)

// conversion merges the copies of one event: where and value look at all of them.
func (w *world) conversion(d *policy.Definition, copies []*event) *conversion {
	merged := &event{has: map[string]json.RawMessage{}}
	c := &conversion{event: copies[0], key: copies[0].id, person: w.personOf(cmp.Or(naming(facts(copies)), copies[0].Fact)), counts: true}
	for _, e := range copies {
		for name, value := range e.has {
			if merged.has[name] == nil && string(value) != "null" {
				merged.has[name] = value
			}
		}
		for _, property := range d.ValueProperties {
			if c.value == nil && decimal.MatchString(e.text(property)) {
				c.value, _ = new(big.Rat).SetString(e.text(property))
				c.currency = cmp.Or(strings.ToUpper(e.text("currency")), w.currency)
			}
		}
	}
	for name, text := range d.Where {
		c.counts = c.counts && merged.has[name] != nil && merged.text(name) == text
	}
	return c
}

// convert writes the rows of one definition.
func (w *world) convert(d *policy.Definition) {
	var all, refunds []*conversion
	byTime := func(a, b *conversion) int { return cmp.Or(cmp.Compare(a.At, b.At), strings.Compare(a.key, b.key)) }
	for _, copies := range filter(w.events, func(copies []*event) bool { return copies[0].name == d.Event }) {
		all = append(all, w.conversion(d, copies))
		if order := copies[0].text("order_id"); order != "" {
			all[len(all)-1].key = "order:" + order
		}
	}
	for _, order := range filter(w.events, func(copies []*event) bool { return copies[0].name == d.RefundEvent && copies[0].text("order_id") != "" }) {
		for _, copies := range groups(order, func(a, b *event) bool { return one(a, b, "refund_id") }) {
			refunds = append(refunds, w.conversion(d, copies[:1]))
		}
	}
	slices.SortFunc(all, byTime)
	slices.SortFunc(refunds, byTime)
	last := map[uuid.UUID]hit.Instant{}
	for _, c := range filter(all, func(c *conversion) bool { return c.counts }) {
		at, before := last[c.person]
		if c.counts = !before || c.person == uuid.Nil || c.At-at >= hit.Instant(d.OnceWithinSeconds)*second; c.counts {
			last[c.person] = c.At
			w.write(d, c, c, new(big.Rat))
		}
	}
	for _, r := range refunds {
		w.refund(d, r, first(all, func(c *conversion) bool { return c.key == "order:"+r.text("order_id") }))
	}
}

// refund takes a refund off c, nil when nobody reported the order.
func (w *world) refund(d *policy.Definition, r, c *conversion) {
	switch stated := strings.ToUpper(r.text("currency")); {
	case c == nil && r.value == nil:
		w.write(d, nil, r, nil)
	case c == nil:
		from := new(big.Rat).Abs(r.value)
		r.value = new(big.Rat)
		w.write(d, nil, r, from)
	case c.counts && c.value != nil && (stated == "" || stated == c.currency):
		size, left, from := new(big.Rat).Abs(c.value), new(big.Rat), c.value
		if r.value != nil && size.Cmp(r.value.Abs(r.value)) > 0 {
			left.Mul(left.Sub(size, r.value), big.NewRat(int64(c.value.Sign()), 1)) // towards zero
		}
		r.value, c.value, r.currency, r.person = left, left, c.currency, c.person
		w.write(d, c, r, from)
	}
}

// write adds the rows of c, whose value was from before, with the touchpoints of another.
func (w *world) write(d *policy.Definition, of, c *conversion, from *big.Rat) {
	touches := w.counted(d, of)
	if len(touches) == 0 {
		touches = []touch{{channel: "unattributed"}}
	}
	for _, model := range w.Models {
		weights := share(big.NewRat(1e12, 1), w.parts(model, of, touches))
		for i, t := range touches {
			r := Row{d.Name, c.key, c.name, model, t.channel, t.tier, t.key, weights[i].RatString(), "", "", c.inThread, t.at, c.person}
			if c.value != nil {
				before, after := split(from, c.currency, weights)[i], split(c.value, c.currency, weights)[i]
				r.Credited, r.Currency = after.Sub(after, before).RatString(), c.currency
			}
			if weights[i].Sign() > 0 {
				w.rows = append(w.rows, r)
			}
		}
	}
}

// tier ranks tiers; a reply is as strong as a click.
func tier(t touch) int {
	return map[string]int{policy.TierClick: 4, policy.TierReply: 4, policy.TierRead: 3, policy.TierDelivered: 2, policy.TierSent: 1}[t.tier]
}

// counted returns the touchpoints that count for a conversion, in order (section 5).
func (w *world) counted(d *policy.Definition, c *conversion) (best []touch) {
	all := filter(w.touches, func(t touch) bool {
		is := func(named, value string) bool { return named == "" || named == value }
		rule := first(w.Windows, func(r policy.Window) bool {
			return is(r.Conversion, d.Name) && is(r.Channel, t.channel) && is(r.Campaign, t.campaign) && is(r.Template, t.template) && is(r.Tier, t.tier)
		})
		return c != nil && c.person != uuid.Nil && t.person == c.person && rule.Seconds > 0 && c.At-t.at <= hit.Instant(rule.Seconds)*second &&
			t.at <= c.At+hit.Instant(c.Precision)*(second-1)
	})
	slices.SortStableFunc(all, func(a, b touch) int {
		return cmp.Or(tier(b)-tier(a), cmp.Compare(b.at, a.at), strings.Compare(a.tier, b.tier))
	})
	if w.Precedence == policy.PrecedenceStrongestTier {
		all = filter(all, func(t touch) bool { return tier(t) == tier(all[0]) })
	}
	for _, g := range groups(all, func(a, b touch) bool { return a.channel == b.channel && a.key == b.key }) {
		best = append(best, g[0])
	}
	slices.SortFunc(best, func(a, b touch) int {
		return cmp.Or(cmp.Compare(a.at, b.at), strings.Compare(a.key, b.key), strings.Compare(a.channel, b.channel))
	})
	return best
}

// parts returns what each touchpoint weighs in a model, in any scale (section 6).
func (w *world) parts(model string, c *conversion, touches []touch) (parts []*big.Rat) {
	n, f, l, whole := len(touches), w.PositionFirst.Rat(), w.PositionLast.Rat(), big.NewRat(1, 1)
	for i, t := range touches {
		part := new(big.Rat)
		switch {
		case model == policy.TierWeighted:
			part = w.TierWeights[t.tier].Rat()
		case model == policy.TimeDecay && c != nil:
			part = decay(max(0, c.At-t.at)-max(0, c.At-touches[n-1].at), hit.Instant(w.HalfLifeSeconds)*second)
		case model == policy.PositionBased && i == 0:
			part = f
		case model == policy.PositionBased && i == n-1:
			part = l
		case model == policy.PositionBased:
			part.Mul(part.Sub(whole, f).Sub(part, l), big.NewRat(1, int64(n-2)))
		case model == policy.Linear, model == policy.FirstTouch && i == 0, model == policy.LastTouch && i == n-1:
			part = whole
		}
		parts = append(parts, part)
	}
	return parts
}

// decay is 2^(-age/half) to 120 binary digits, by square roots.
func decay(age, half hit.Instant) *big.Rat {
	weight := new(big.Float).SetPrec(200).SetMantExp(big.NewFloat(1), -int(age/half))
	root, rest := new(big.Float).SetPrec(200).SetFloat64(0.5), age%half
	for range 120 {
		root.Sqrt(root)
		if rest *= 2; rest >= half {
			weight.Mul(weight, root)
			rest -= half
		}
	}
	r, _ := weight.Rat(nil)
	return r
}

// share divides a whole number by parts: floors, and the rest to the largest remainders.
func share(total *big.Rat, parts []*big.Rat) (shares []*big.Rat) {
	sum, left, rests := new(big.Rat), new(big.Rat).Set(total), []*big.Rat{}
	for _, part := range parts {
		sum.Add(sum, part)
	}
	for _, part := range parts {
		exact := new(big.Rat).Mul(total, big.NewRat(1, int64(len(parts)))) // all nothing: linear
		if sum.Sign() != 0 {
			exact.Mul(total, part).Quo(exact, sum)
		}
		floor := new(big.Rat).SetInt(new(big.Int).Quo(exact.Num(), exact.Denom()))
		shares, rests = append(shares, floor), append(rests, exact.Sub(exact, floor))
		left.Sub(left, floor)
	}
	for ; left.Sign() > 0; left.Sub(left, big.NewRat(1, 1)) {
		i := slices.Index(rests, slices.MaxFunc(rests, (*big.Rat).Cmp))
		shares[i].Add(shares[i], big.NewRat(1, 1))
		rests[i] = big.NewRat(-1, 1)
	}
	return shares
}

// split divides an amount in the minor unit of its currency (ISO 4217), or in a finer
// one when the amount needs it.
func split(value *big.Rat, currency string, parts []*big.Rat) (amounts []*big.Rat) {
	unit := big.NewRat(1, 100)
	if slices.Contains(strings.Fields("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"), currency) {
		unit.SetInt64(1)
	} else if slices.Contains(strings.Fields("BHD IQD JOD KWD LYD OMR TND"), currency) {
		unit.SetFrac64(1, 1000)
	}
	for !new(big.Rat).Quo(value, unit).IsInt() {
		unit.Mul(unit, big.NewRat(1, 10))
	}
	for _, n := range share(new(big.Rat).Abs(new(big.Rat).Quo(value, unit)), parts) {
		amounts = append(amounts, n.Mul(n, unit).Mul(n, big.NewRat(int64(value.Sign()), 1)))
	}
	return amounts
}
