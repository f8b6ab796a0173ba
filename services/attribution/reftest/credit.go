package reftest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"math/big"
	"regexp"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/internal/hit"
)

type definition struct {
	Name, Event     string
	Where           json.RawMessage
	ValueProperties []string    `json:"value_properties"`
	RefundEvent     string      `json:"refund_event"`
	OnceWithin      hit.Instant `json:"once_within_seconds"`
}

// event is one copy of an event (4).
type event struct {
	*hit.Fact
	id, name   string
	inThread   bool
	properties map[string]string // as text; null is absent
}

func (e event) order() string { return strings.TrimSpace(e.properties["order_id"]) }

func (e event) currency() string { return strings.ToUpper(strings.TrimSpace(e.properties["currency"])) }

func (e event) conversionID() string {
	if e.order() != "" {
		return "order:" + e.order()
	}
	return e.id
}

// compareTrust: copies "are ordered by (trust, occurred_at, event id)"; the source is left open.
func (e event) compareTrust(o event) int {
	return cmp.Or(cmp.Compare(o.Trust, e.Trust), cmp.Compare(e.At, o.At), cmp.Compare(e.id, o.id), bytes.Compare(e.Source[:], o.Source[:]))
}

func (w *world) joinEvents() {
	groups := map[[2]string][]event{}
	for _, f := range w.facts {
		for _, e := range w.eventsOf(f) {
			key := [2]string{e.name, e.conversionID()}
			groups[key] = append(groups[key], e)
		}
	}
	for _, copies := range groups {
		slices.SortFunc(copies, event.compareTrust)
		w.events = append(w.events, copies)
	}
	slices.SortFunc(w.events, func(a, b []event) int {
		return cmp.Or(cmp.Compare(a[0].At, b[0].At), cmp.Compare(a[0].conversionID(), b[0].conversionID()), cmp.Compare(a[0].name, b[0].name))
	})
}

// eventsOf are the events that a fact states or from which an in-thread one is made.
func (w *world) eventsOf(f *hit.Fact) (all []event) {
	in := func(is bool, id, name string, properties map[string]string) {
		if is {
			all = append(all, event{f, id, name, true, properties})
		}
	}
	if f.Event != nil {
		return []event{{f, f.ID, f.Event.Name, f.Event.InThread, properties(f.Event.Properties)}}
	}
	paid := func(o *hit.Fact) bool {
		return o.ID == f.ID && (o.Status == "payment:captured" || o.Status == "payment:success")
	}
	if f.Channel == "whatsapp" && paid(f) && w.facts[slices.IndexFunc(w.facts, paid)] == f { // the earliest
		amount := f.Report.Payment.Amount
		in(true, f.ID+":payment", "whatsapp.payment", map[string]string{"value": amount.Amount, "currency": amount.Currency})
	}
	if i := f.Inbound; i != nil && f.Channel == "whatsapp" {
		in(!notice(i), f.ID, "whatsapp.message", nil)
		if i.Order != nil {
			in(true, f.ID, "whatsapp.order", map[string]string{"value": i.Order.Amount, "currency": i.Order.Currency})
		}
		button := slices.Contains([]string{"button", "button_reply", "list_reply"}, i.Interact)
		in(button, f.ID, "whatsapp.button", map[string]string{"payload": i.Payload, "title": i.Title})
		in(i.Interact == "nfm_reply", f.ID, "whatsapp.flow", properties(i.Fields))
		said := map[string]bool{} // of two rules with one event name the first gives the value
		for _, r := range w.Rules {
			matches := i.Type == "text" && !said[r.Event] && r.matches(i.Text)
			in(matches, f.ID+":"+r.Event, r.Event, map[string]string{"value": r.Value.String(), "currency": r.Currency})
			said[r.Event] = said[r.Event] || matches
		}
	}
	return all
}

// properties are those of an object that have a text.
func properties(raw json.RawMessage) map[string]string {
	members, texts := map[string]json.RawMessage{}, map[string]string{}
	_ = json.Unmarshal(raw, &members)
	for name, value := range members {
		var text string
		switch {
		case json.Unmarshal(value, &text) == nil && value[0] == '"':
			texts[name] = text
		case !strings.Contains("n{[", string(value[:1])):
			texts[name] = string(value)
		}
	}
	return texts
}

var finite = regexp.MustCompile(`^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?$`)

// conversion is what an event is worth and to whom, or what a refund takes back.
type conversion struct {
	*definition
	event
	id       string
	person   uuid.UUID
	value    *big.Rat // nil: none
	currency string
	touches  []eligible
}

// conversion reads the merged copies of an event: "value and currency come together from the most trusted copy with a value";
// "the person is that of the most trusted copy with a strong identifier, else of the most trusted copy".
func (w *world) conversion(d *definition, copies []event) conversion {
	c := conversion{definition: d, event: copies[0], id: copies[0].conversionID(), person: w.owner(copies[0].Fact), currency: w.currency}
	for _, copied := range slices.Backward(copies) {
		if len(copied.Identifiers) > 0 {
			c.person = w.owner(copied.Fact)
		}
		for _, name := range slices.Backward(d.ValueProperties) {
			if text := strings.TrimSpace(copied.properties[name]); finite.MatchString(text) {
				c.value, _ = new(big.Rat).SetString(text)
				c.currency = cmp.Or(copied.currency(), w.currency)
			}
		}
	}
	return c
}

// convert makes the rows of one definition.
func (w *world) convert(d *definition) (rows []Row) {
	if d.ValueProperties == nil {
		d.ValueProperties = []string{"value", "revenue", "total"}
	}
	last, reported := map[uuid.UUID]hit.Instant{}, map[string]bool{"": true}
	for _, copies := range w.events { // by (time, conversion id)
		if copies[0].name != d.Event {
			continue
		}
		reported[copies[0].order()] = true
		c := w.conversion(d, copies)
		c.touches = w.eligible(&c)
		before, again := last[c.person]
		if !d.holds(copies) || again && c.person != uuid.Nil && c.At-before < d.OnceWithin*secondMicros {
			continue
		}
		last[c.person] = c.At
		rows = append(rows, w.rows(c, new(big.Rat), c.value)...)
		if c.value != nil {
			rows = append(rows, w.refunds(c)...)
		}
	}
	for _, copies := range w.events { // "of an order nobody reported: one unattributed row of minus its value"
		if copies[0].name == d.RefundEvent && !reported[copies[0].order()] {
			for _, r := range refundsOf(copies) {
				c := w.conversion(d, []event{r})
				c.id = r.id
				if c.value == nil {
					rows = append(rows, w.rows(c, nil, nil)...)
				} else {
					rows = append(rows, w.rows(c, c.value.Abs(c.value), new(big.Rat))...)
				}
			}
		}
	}
	return rows
}

// holds: conditions are "equal as text, on the merged properties".
func (d *definition) holds(copies []event) bool {
	merged := map[string]string{}
	for _, c := range slices.Backward(copies) {
		maps.Copy(merged, c.properties)
	}
	for name, want := range properties(d.Where) {
		if has, ok := merged[name]; !ok || has != want {
			return false
		}
	}
	return true
}

// refundsOf are the refunds of an order: those "with one refund_id, or without one with one event id, are one (the most trusted
// copy)", by (time, event id).
func refundsOf(copies []event) []event {
	seen := map[[2]string]bool{}
	all := keep(copies, func(r event) bool {
		key := [2]string{strings.TrimSpace(r.properties["refund_id"]), ""}
		if key[0] == "" {
			key[1] = r.id
		}
		again := seen[key]
		seen[key] = true
		return !again
	})
	slices.SortStableFunc(all, func(a, b event) int { return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.id, b.id)) })
	return all
}

// refunds takes what is refunded off what remains of a conversion, never below zero; a negative one shrinks to zero as well.
func (w *world) refunds(c conversion) (rows []Row) {
	for _, copies := range w.events {
		if copies[0].name != c.RefundEvent || c.order() == "" || copies[0].order() != c.order() {
			continue
		}
		left := c.value
		for _, r := range refundsOf(copies) {
			if r.currency() != "" && r.currency() != c.currency {
				continue
			}
			after, refunded := new(big.Rat), w.conversion(c.definition, []event{r}).value
			if refunded != nil && refunded.Abs(refunded).Cmp(abs(left)) < 0 {
				after.Mul(new(big.Rat).Sub(abs(left), refunded), big.NewRat(int64(left.Sign()), 1))
			}
			c.event, c.id = r, r.id
			rows = append(rows, w.rows(c, left, after)...)
			left = after
		}
	}
	return rows
}

func abs(r *big.Rat) *big.Rat { return new(big.Rat).Abs(r) }

// eligible is what a touchpoint counts as for one conversion (5).
type eligible struct {
	touch
	engagement
	age hit.Instant
}

func rank(tier string) int {
	return map[string]int{"click": 0, "reply": 0, "read": 1, "delivered": 2, "sent": 3}[tier]
}

func (w *world) eligible(c *conversion) (all []eligible) {
	until := c.At
	if c.Precision == hit.PrecisionSecond {
		until += secondMicros - 1
	}
	for _, t := range keep(w.touches, func(t touch) bool { return t.person == c.person && c.person != uuid.Nil }) {
		admitted := keep(t.engagements, func(e engagement) bool {
			window := w.window(c, &t, e) * secondMicros
			return window > 0 && e.at <= until && c.At-e.at <= window
		})
		if len(admitted) > 0 { // "the strongest tier counts, within it the latest"; at one instant, click
			best := slices.MinFunc(admitted, func(a, b engagement) int {
				return cmp.Or(rank(a.tier)-rank(b.tier), cmp.Compare(b.at, a.at), cmp.Compare(a.tier, b.tier))
			})
			all = append(all, eligible{t, best, max(0, c.At-best.at)})
		}
	}
	if w.Precedence == "strongest_tier" {
		all = keep(all, func(e eligible) bool {
			return !slices.ContainsFunc(all, func(o eligible) bool { return rank(o.tier) < rank(e.tier) })
		})
	}
	slices.SortFunc(all, func(a, b eligible) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.key, b.key), cmp.Compare(a.channel, b.channel)) // the last is left open
	})
	return all
}

// window is that of the first rule that matches, in seconds; no rule: never.
func (w *world) window(c *conversion, t *touch, e engagement) hit.Instant {
	is := func(rule, has string) bool { return rule == "" || rule == has }
	for _, r := range w.Windows {
		if is(r.Conversion, c.Name) && is(r.Channel, t.channel) && is(r.Campaign, t.campaign) && is(r.Template, t.template) && is(r.Tier, e.tier) {
			return r.Seconds
		}
	}
	return 0
}

// weights are those of a model (6), up to a common factor.
func (w *world) weights(model string, touches []eligible) []*big.Rat {
	n, all := len(touches), make([]*big.Rat, len(touches))
	youngest := slices.MinFunc(touches, func(a, b eligible) int { return cmp.Compare(a.age, b.age) }).age
	f, l := rational(w.First), rational(w.Last)
	for i, t := range touches {
		all[i] = new(big.Rat)
		switch {
		case model == "linear", model == "first_touch" && i == 0, model == "last_touch" && i == n-1:
			all[i].SetInt64(1)
		case model == "time_decay":
			all[i] = halved(big.NewRat(int64(t.age-youngest), w.HalfLife*secondMicros))
		case model == "position_based" && i == 0:
			all[i] = f
		case model == "position_based" && i == n-1:
			all[i] = l
		case model == "position_based":
			all[i].Sub(big.NewRat(1, 1), f).Sub(all[i], l).Mul(all[i], big.NewRat(1, int64(n-2)))
		case model == "tier_weighted":
			all[i] = rational(w.TierWeights[t.tier])
		}
	}
	if !slices.ContainsFunc(all, func(r *big.Rat) bool { return r.Sign() > 0 }) {
		return w.weights("linear", touches) // all 0; for position_based the contract leaves it open
	}
	return all
}

func rational(n json.Number) *big.Rat {
	if r, ok := new(big.Rat).SetString(n.String()); ok {
		return r
	}
	return new(big.Rat)
}

// halved is 2^-x: the product of 2^-(1/2), 2^-(1/4), … over the binary digits of x, far beyond 10^-12.
func halved(x *big.Rat) *big.Rat {
	whole := new(big.Int).Quo(x.Num(), x.Denom())
	rest := new(big.Rat).Sub(x, new(big.Rat).SetInt(whole))
	root, result := new(big.Float).SetPrec(200).SetFloat64(0.5), new(big.Float).SetPrec(200).SetInt64(1)
	for range 100 {
		root.Sqrt(root)
		if rest.Add(rest, rest).Cmp(big.NewRat(1, 1)) >= 0 {
			rest.Sub(rest, big.NewRat(1, 1))
			result.Mul(result, root)
		}
	}
	r, _ := result.SetMantExp(result, -int(min(whole.Int64(), 1000))).Rat(nil)
	return r
}

// share divides a sum into multiples of a unit in proportion to weights, by largest remainder, ties to the earlier (6).
func share(sum, unit *big.Rat, weights []*big.Rat) []*big.Rat {
	total, missing := new(big.Rat), new(big.Rat).Set(sum)
	for _, weight := range weights {
		total.Add(total, weight)
	}
	shares, rests, order := make([]*big.Rat, len(weights)), make([]*big.Rat, len(weights)), make([]int, len(weights))
	for i, weight := range weights {
		exact := new(big.Rat).Quo(new(big.Rat).Mul(weight, sum), new(big.Rat).Mul(total, unit)) // in units
		shares[i] = new(big.Rat).SetInt(new(big.Int).Quo(exact.Num(), exact.Denom()))
		rests[i], order[i] = exact.Sub(exact, shares[i]), i
		missing.Sub(missing, shares[i].Mul(shares[i], unit))
	}
	slices.SortStableFunc(order, func(a, b int) int { return rests[b].Cmp(rests[a]) })
	for _, i := range order {
		if missing.Sign() > 0 {
			missing.Sub(missing, unit)
			shares[i].Add(shares[i], unit)
		}
	}
	return shares
}

// places are the digits after the point of a currency's minor unit (ISO 4217), where they are not two.
var places = map[string]int{
	"BIF": 0, "CLP": 0, "DJF": 0, "GNF": 0, "ISK": 0, "JPY": 0, "KMF": 0, "KRW": 0, "PYG": 0, "RWF": 0, "UGX": 0, "UYI": 0, "VND": 0,
	"VUV": 0, "XAF": 0, "XOF": 0, "XPF": 0, "BHD": 3, "IQD": 3, "JOD": 3, "KWD": 3, "LYD": 3, "OMR": 3, "TND": 3, "CLF": 4, "UYW": 4,
}

// split divides an amount by weights in its currency's minor unit, a finer one in its own last digit; a negative one by its absolute.
func split(value *big.Rat, currency string, weights []*big.Rat) []*big.Rat {
	digits, known := places[currency]
	if !known {
		digits = 2
	}
	own, _ := value.FloatPrec()
	unit := new(big.Rat).SetFrac(big.NewInt(1), new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(digits, own))), nil))
	shares := share(abs(value), unit, weights)
	for _, s := range shares {
		s.Mul(s, big.NewRat(int64(value.Sign()), 1))
	}
	return shares
}

// rows credits the difference between the splits of what a conversion is worth after and before.
func (w *world) rows(c conversion, before, after *big.Rat) (rows []Row) {
	touches := c.touches
	if len(touches) == 0 {
		touches = []eligible{{touch: touch{channel: "unattributed"}}}
	}
	for _, model := range w.Models {
		weights := share(big.NewRat(1e12, 1), big.NewRat(1, 1), w.weights(model, touches))
		for i, t := range touches {
			r := Row{c.Name, c.id, c.name, model, t.channel, t.tier, t.key, weights[i].RatString(), "", "", c.inThread, t.at, c.person}
			if after != nil {
				r.Credited = new(big.Rat).Sub(split(after, c.currency, weights)[i], split(before, c.currency, weights)[i]).RatString()
				r.Currency = c.currency
			}
			if weights[i].Sign() > 0 {
				rows = append(rows, r)
			}
		}
	}
	return rows
}
