package reftest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/internal/hit"
)

// object is one of JSON: the policy, its parts, the properties of an event.
type object map[string]any

func parse(raw []byte) (o object) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	_ = decoder.Decode(&o)
	maps.DeleteFunc(o, func(_ string, value any) bool { return value == nil }) // null is absent
	return o
}

// text is a text, or a number or a boolean as text, trimmed of nothing.
func text(value any) string {
	switch value.(type) {
	case string, json.Number, bool:
		return fmt.Sprint(value)
	}
	return ""
}

func (o object) text(name string) string { return text(o[name]) }

func (o object) texts(name string) []string {
	list, _ := o[name].([]any)
	return flat(list, func(value any) []string { return []string{text(value)} })
}

func (o object) objects(name string) []object {
	list, _ := o[name].([]any)
	return flat(list, func(value any) []object { return []object{value.(map[string]any)} })
}

func (o object) micros(name string) hit.Instant {
	seconds, _ := strconv.ParseInt(o.text(name), 10, 64)
	return hit.Instant(seconds) * secondMicros
}

// number is a finite decimal, or nil.
func (o object) number(name string) *big.Rat {
	if text := strings.TrimSpace(o.text(name)); decimal.MatchString(text) {
		r, _ := new(big.Rat).SetString(text)
		return r
	}
	return nil
}

var decimal = regexp.MustCompile(`^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?$`)

// event is one copy of an event (4).
type event struct {
	*hit.Fact
	id, name string
	inThread bool
	object   // its properties
}

func (e event) order() string    { return strings.TrimSpace(e.text("order_id")) }
func (e event) currency() string { return strings.ToUpper(strings.TrimSpace(e.text("currency"))) }

func (e event) conversionID() string {
	if e.order() != "" {
		return "order:" + e.order()
	}
	return e.id
}

// eventsOf are the event that a fact states and the in-thread ones made of it.
func (w *world) eventsOf(f *hit.Fact) (all []event) {
	in := func(is bool, id, name string, properties object) {
		if is {
			all = append(all, event{f, id, name, true, properties})
		}
	}
	paid := func(o *hit.Fact) bool {
		return o.ID == f.ID && (o.Status == "payment:captured" || o.Status == "payment:success")
	}
	switch {
	case f.Event != nil:
		return []event{{f, f.ID, f.Event.Name, f.Event.InThread, parse(f.Event.Properties)}}
	case f.Channel != "whatsapp":
	case f.Report != nil && one(keep(w.facts, paid)) == f: // the earliest
		amount := f.Report.Payment.Amount
		in(true, f.ID+":payment", "whatsapp.payment", object{"value": amount.Amount, "currency": amount.Currency})
	case f.Inbound != nil:
		i, amount := f.Inbound, cmp.Or(f.Inbound.Order, &hit.Amount{})
		button := slices.Contains([]string{"button", "button_reply", "list_reply"}, i.Interact)
		in(!notice(f), f.ID, "whatsapp.message", nil)
		in(i.Order != nil, f.ID, "whatsapp.order", object{"value": amount.Amount, "currency": amount.Currency})
		in(button, f.ID, "whatsapp.button", object{"payload": i.Payload, "title": i.Title})
		in(i.Interact == "nfm_reply", f.ID, "whatsapp.flow", parse(i.Fields))
		said := keep(w.objects("keyword_rules"), func(rule object) bool { return i.Type == "text" && matches(rule, i.Text) })
		for _, rule := range firsts(said, func(rule object) string { return rule.text("event") }) { // the first gives the value
			in(true, f.ID+":"+rule.text("event"), rule.text("event"), object{"value": rule["value"], "currency": rule["currency"]})
		}
	}
	return all
}

// conversion is what an event is worth and whose it is by one definition; a refund has the touchpoints of the original.
type conversion struct {
	event
	definition   object
	id, currency string
	person       uuid.UUID
	value        *big.Rat // nil: none
	touches      []eligible
}

// conversion reads copies: "value and currency come together from the most trusted copy with a value"; "the person is that of
// the most trusted copy with a strong identifier, else of the most trusted copy".
func (w *world) conversion(d object, id string, copies ...event) conversion {
	c := conversion{event: copies[0], definition: d, id: id, person: w.owner(copies[0].Fact), currency: w.currency}
	names := d.texts("value_properties")
	if d["value_properties"] == nil {
		names = []string{"value", "revenue", "total"}
	}
	for _, copied := range slices.Backward(copies) { // the most trusted comes last and stays
		if len(copied.Identifiers) > 0 {
			c.person = w.owner(copied.Fact)
		}
		for _, name := range slices.Backward(names) {
			if value := copied.number(name); value != nil {
				c.value, c.currency = value, cmp.Or(copied.currency(), w.currency)
			}
		}
	}
	return c
}

// convert makes the rows of one definition: its conversions, their refunds, and refunds of orders nobody reported.
func (w *world) convert(d object) (rows []Row) {
	last, reported := map[uuid.UUID]hit.Instant{}, map[string]bool{"": true}
	for _, copies := range keep(w.events, func(copies []event) bool { return copies[0].name == d.text("event") }) {
		reported[copies[0].order()] = true
		c := w.conversion(d, copies[0].conversionID(), copies...)
		before, again := last[c.person] // once_within; nobody is not the same person
		if !holds(d, copies) || again && c.person != uuid.Nil && c.At-before < d.micros("once_within_seconds") {
			continue
		}
		last[c.person], c.touches = c.At, w.eligible(c)
		rows = append(rows, w.rows(c, new(big.Rat), c.value)...)
		for _, r := range keep(w.refunds(d, c.order()), func(r event) bool { return c.value != nil && cmp.Or(r.currency(), c.currency) == c.currency }) {
			worth, left := c.value, new(big.Rat) // without a value "all that remains"
			if refunded := w.conversion(d, r.id, r).value; refunded != nil && refunded.Abs(refunded).Cmp(abs(worth)) < 0 {
				left.Mul(left.Sub(abs(worth), refunded), big.NewRat(int64(worth.Sign()), 1)) // of a negative one: left open
			}
			c.event, c.id, c.value = r, r.id, left
			rows = append(rows, w.rows(c, worth, left)...)
		}
	}
	for _, copies := range keep(w.events, func(copies []event) bool { return copies[0].name == d.text("refund_event") }) {
		for _, r := range keep(w.refunds(d, copies[0].order()), func(r event) bool { return !reported[r.order()] }) {
			c := w.conversion(d, r.id, r) // "one unattributed row of minus its value (null without one)"
			if c.value == nil {
				rows = append(rows, w.rows(c, nil, nil)...)
				continue
			}
			rows = append(rows, w.rows(c, abs(c.value), new(big.Rat))...)
		}
	}
	return rows
}

// holds: conditions are "equal as text, on the merged properties", of each that of the most trusted copy that has it.
func holds(d object, copies []event) bool {
	merged := object{}
	for _, c := range slices.Backward(copies) {
		maps.Copy(merged, c.object)
	}
	where, _ := d["where"].(map[string]any)
	return !slices.ContainsFunc(slices.Collect(maps.Keys(where)), func(name string) bool {
		return merged[name] == nil || merged.text(name) != text(where[name])
	})
}

// refunds are those of an order by (time, event id): "those with one refund_id, or without one with one event id, are one".
func (w *world) refunds(d object, orderID string) []event {
	same := func(r event) string {
		if id := strings.TrimSpace(r.text("refund_id")); id != "" {
			return order("refund", id)
		}
		return order("event", r.id)
	}
	all := flat(w.events, func(copies []event) []event {
		return keep(copies, func(r event) bool { return r.name == d.text("refund_event") && r.order() == orderID && orderID != "" })
	})
	return sorted(firsts(all, same), func(r event) string { return order(r.At, r.id) })
}

func abs(r *big.Rat) *big.Rat { return new(big.Rat).Abs(r) }

// eligible is what a touchpoint counts as for one conversion (5).
type eligible struct {
	touch
	engagement
	age hit.Instant
}

func rank(tier string) int {
	return map[string]int{"click": 1, "reply": 1, "read": 2, "delivered": 3, "sent": 4}[tier]
}

func (w *world) eligible(c conversion) []eligible {
	until := c.At + hit.Instant(c.Precision)*(secondMicros-1)
	all := flat(w.touches, func(t touch) []eligible {
		admitted := keep(t.engagements, func(e engagement) bool {
			window := w.window(c, t, e)
			return t.person == c.person && c.person != uuid.Nil && window > 0 && e.at <= until && c.At-e.at <= window
		})
		best := sorted(admitted, func(e engagement) string { return order(rank(e.tier), math.MaxInt64-e.at, e.tier) })
		return flat(best[:min(1, len(best))], func(e engagement) []eligible { return []eligible{{t, e, max(0, c.At-e.at)}} })
	})
	strongest := one(sorted(all, func(e eligible) string { return order(rank(e.tier)) }))
	all = keep(all, func(e eligible) bool {
		return w.text("precedence") != "strongest_tier" || rank(e.tier) == rank(strongest.tier)
	})
	return sorted(all, func(e eligible) string { return order(e.at, e.key, e.channel) }) // the channel is left open
}

// window is that of the first rule that matches; without one it is never.
func (w *world) window(c conversion, t touch, e engagement) hit.Instant {
	has := map[string]string{
		"conversion": c.definition.text("name"), "channel": t.channel, "campaign": t.campaign, "template": t.template, "tier": e.tier,
	}
	return one(keep(w.objects("windows"), func(rule object) bool {
		return !slices.ContainsFunc(slices.Collect(maps.Keys(has)), func(name string) bool { return rule[name] != nil && rule.text(name) != has[name] })
	})).micros("seconds")
}

// weights are those of a model (6), up to a common factor.
func (w *world) weights(model string, touches []eligible) (all []*big.Rat) {
	n, number := len(touches), func(o object, name string) *big.Rat { return cmp.Or(o.number(name), new(big.Rat)) }
	youngest := slices.MinFunc(touches, func(a, b eligible) int { return cmp.Compare(a.age, b.age) }).age
	f, l, tiers := number(w.object, "position_first"), number(w.object, "position_last"), w.object["tier_weights"].(map[string]any)
	for i, t := range touches {
		weight := new(big.Rat)
		switch {
		case model == "linear", model == "first_touch" && i == 0, model == "last_touch" && i == n-1:
			weight.SetInt64(1)
		case model == "time_decay":
			weight = halved(big.NewRat(int64(t.age-youngest), int64(w.micros("half_life_seconds"))))
		case model == "position_based" && i == 0:
			weight = f
		case model == "position_based" && i == n-1:
			weight = l
		case model == "position_based":
			weight.Sub(big.NewRat(1, 1), f).Sub(weight, l).Mul(weight, big.NewRat(1, int64(n-2)))
		case model == "tier_weighted":
			weight = number(tiers, t.tier)
		}
		all = append(all, weight)
	}
	if !slices.ContainsFunc(all, func(r *big.Rat) bool { return r.Sign() > 0 }) {
		return w.weights("linear", touches) // all 0; of position_based left open
	}
	return all
}

// halved is 2^-x: the product of 2^-(1/2), 2^-(1/4), … over the binary digits of x, far beyond 10^-12.
func halved(x *big.Rat) *big.Rat {
	whole, one := new(big.Int).Quo(x.Num(), x.Denom()), big.NewRat(1, 1)
	rest := new(big.Rat).Sub(x, new(big.Rat).SetInt(whole))
	root, result := new(big.Float).SetPrec(200).SetFloat64(0.5), new(big.Float).SetPrec(200).SetInt64(1)
	for range 100 {
		root.Sqrt(root)
		if rest.Add(rest, rest).Cmp(one) >= 0 {
			rest.Sub(rest, one)
			result.Mul(result, root)
		}
	}
	r, _ := result.SetMantExp(result, -int(min(whole.Int64(), 1000))).Rat(nil)
	return r
}

// share divides whole units in proportion to weights, by largest remainder, ties to the earlier (6).
func share(whole *big.Rat, weights []*big.Rat) (shares []*big.Rat) {
	total, missing, rests := new(big.Rat), new(big.Rat).Set(whole), []*big.Rat{}
	for _, weight := range weights {
		total.Add(total, weight)
	}
	for _, weight := range weights {
		exact := new(big.Rat).Mul(new(big.Rat).Quo(weight, total), whole)
		floor := new(big.Rat).SetInt(new(big.Int).Quo(exact.Num(), exact.Denom()))
		shares, rests = append(shares, floor), append(rests, exact.Sub(exact, floor))
		missing.Sub(missing, floor)
	}
	for ; missing.Sign() > 0; missing.Sub(missing, big.NewRat(1, 1)) {
		most := slices.Index(rests, slices.MaxFunc(rests, (*big.Rat).Cmp)) // the first of the largest
		shares[most].Add(shares[most], big.NewRat(1, 1))
		rests[most] = new(big.Rat)
	}
	return shares
}

// places are the digits after the point of a currency's minor unit where they are not two (ISO 4217).
const places = "0 BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF 3 BHD IQD JOD KWD LYD OMR TND 4 CLF UYW"

// split divides an amount in its currency's minor unit, a finer one in its own last digit, a negative one by its absolute.
func split(value *big.Rat, currency string, weights []*big.Rat) []*big.Rat {
	digits := 2
	if before, _, known := strings.Cut(places, " "+currency); known {
		digits = int(before[strings.LastIndexAny(before, "034")] - '0')
	}
	own, _ := value.FloatPrec()
	unit := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(digits, own))), nil))
	sign := big.NewRat(int64(value.Sign()), 1)
	return flat(share(new(big.Rat).Mul(abs(value), unit), weights), func(s *big.Rat) []*big.Rat { return []*big.Rat{s.Quo(s, unit).Mul(s, sign)} })
}

// rows credits the difference between the splits of what a conversion is worth after and before.
func (w *world) rows(c conversion, before, after *big.Rat) (rows []Row) {
	touches := c.touches
	if len(touches) == 0 {
		touches = []eligible{{touch: touch{channel: "unattributed"}}}
	}
	for _, model := range w.texts("models") {
		weights := share(big.NewRat(1e12, 1), w.weights(model, touches))
		for i, t := range touches {
			r := Row{
				c.definition.text("name"), c.id, c.name, model, t.channel, t.tier, t.key, weights[i].RatString(), "", "",
				c.inThread, t.at, c.person,
			}
			if after != nil {
				credited := split(after, c.currency, weights)[i]
				r.Credited, r.Currency = credited.Sub(credited, split(before, c.currency, weights)[i]).RatString(), c.currency
			}
			if weights[i].Sign() > 0 {
				rows = append(rows, r)
			}
		}
	}
	return rows
}
