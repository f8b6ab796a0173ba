package reftest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/internal/hit"
)

// History is a small workspace: a policy and what happened, in no order of time. Some
// sequences are harder to keep up with when they arrive as listed.
type History struct {
	Policy policy.Policy
	Facts  []hit.Fact
}

// Histories generates workspaces of a few persons whose devices, tokens, messages
// and orders collide: every rule of attribution.md is met often.
func Histories() *rapid.Generator[History] {
	return rapid.Custom(func(t *rapid.T) History {
		d := &draw{t: t}
		h := History{Policy: d.policy()}
		scenes := []func(){
			d.campaign, d.visit, d.order, d.login, d.campaign, d.visit, d.chat, d.order, d.refund, d.replace,
			d.login, d.passOn, d.share,
		}
		if d.chance(75) {
			d.known()
		}
		for range d.count(3, 9) {
			scenes[d.count(0, len(scenes)-1)]()
		}
		tangles := d.tangles()
		for range d.count(0, 3) {
			tangles[d.count(0, len(tangles)-1)]()
		}
		for range d.count(1, 3) { // what there is to credit, mostly late
			d.order()
		}
		for range d.count(0, 2) {
			d.calm()
		}
		h.Facts = d.facts
		return h
	})
}

const (
	secondMicros = 1_000_000
	minute       = 60 * secondMicros
	hour         = 60 * minute
	day          = 24 * hour
	// dawn is when histories begin, 2026-09-01T00:00:00Z.
	dawn = hit.Instant(1_788_220_800 * secondMicros)
	// persons share a workspace, few enough to meet.
	persons = 3
)

// draw collects the facts of one history.
type draw struct {
	t     *rapid.T
	facts []hit.Fact
	next  int // number of the next page, click or login
}

// count draws from 0, 1, … so that each is as likely: rapid prefers small numbers.
func (d *draw) count(low, high int) int {
	return low + int(rapid.Uint64().Draw(d.t, "n")*0x9e3779b97f4a7c15>>33)%(high-low+1)
}

func (d *draw) chance(percent int) bool { return d.count(1, 100) <= percent }

func (d *draw) pick(from ...string) string { return from[d.count(0, len(from)-1)] }

func (d *draw) instant(from ...hit.Instant) hit.Instant { return from[d.count(0, len(from)-1)] }

func (d *draw) number() string {
	d.next++
	return strconv.Itoa(d.next)
}

// at draws an instant of the first days, often a round one.
func (d *draw) at() hit.Instant {
	return dawn + hit.Instant(d.count(0, 48))*hour + d.instant(0, 0, 10*minute, 30*minute) + d.fraction()
}

// late draws one that has most of a history behind it.
func (d *draw) late() hit.Instant { return d.at() + d.instant(0, day, 2*day) }

// fraction puts some facts just inside or just beyond a whole second.
func (d *draw) fraction() hit.Instant {
	return d.instant(0, 0, 0, 0, 1, secondMicros/2, secondMicros-1)
}

// add keeps a fact; what the Cloud API sends comes in whole seconds.
func (d *draw) add(f hit.Fact) {
	if f.Trust == hit.TrustWebhook && f.Channel == hit.ChannelWhatsApp {
		f.At -= f.At % secondMicros
		f.Precision = hit.PrecisionSecond
	}
	if f.Trust == hit.TrustServer && f.At%secondMicros == 0 && d.chance(30) {
		f.Precision = hit.PrecisionSecond
	}
	f.Source = uuid.NewSHA1(uuid.NameSpaceOID, []byte{byte(f.Trust)})
	f.ReceivedAt = dawn + 60*day
	f.Identifiers = hit.SortIdentifiers(f.Identifiers)
	d.facts = append(d.facts, f)
}

// identifier is one that person n goes by.
func identifier(kind hit.IdentifierKind, n int) hit.Identifier {
	values := map[hit.IdentifierKind]string{
		hit.UserID: "u%d", hit.Phone: "+479123450%d", hit.BSUID: "NO.%d", hit.Email: "p%d@example.com", hit.Device: "d%d",
	}
	return hit.Identifier{Kind: kind, Value: fmt.Sprintf(values[kind], n)}
}

// who draws up to n strong identifiers, now and then not all of one person.
func (d *draw) who(n int, kinds ...hit.IdentifierKind) []hit.Identifier {
	person, ids := d.count(1, persons), []hit.Identifier(nil)
	for range d.count(1, n) {
		if d.chance(15) {
			person = d.count(1, persons)
		}
		id := identifier(kinds[d.count(0, len(kinds)-1)], person)
		if d.chance(2) {
			id = hit.Identifier{Kind: hit.UserID, Value: d.pick("null", "NULL", "u9")}
		}
		ids = append(ids, id)
	}
	return ids
}

// anyKind are the identifiers that sites state.
var anyKind = []hit.IdentifierKind{hit.UserID, hit.Phone, hit.Email}

// device is one of the few there are; "guest" is on everyone's block list.
func (d *draw) device() *hit.Identifier {
	id := identifier(hit.Device, d.count(1, persons))
	if d.chance(3) {
		id.Value = "guest"
	}
	return &id
}

// trust is that of an event: any key may send one.
func (d *draw) trust() hit.Trust { return hit.Trust(d.count(1, 3)) }

// login is an identify, an alias or a changed number.
func (d *draw) login() {
	f := hit.Fact{Kind: hit.KindIdentify, ID: "i" + d.number(), At: d.at(), Trust: hit.Trust(d.count(1, 2)), Identify: &hit.Identify{Call: "identify"}}
	f.Identifiers = d.who(3, anyKind...)
	switch d.count(0, 9) {
	case 0:
		f.Identify.Call, f.Identifiers = "alias", d.who(2, hit.UserID)
	case 1:
		f.Identify.Call, f.Identifiers, f.Trust = "user_changed_number", d.who(2, hit.Phone, hit.BSUID), hit.TrustWebhook
	}
	if d.chance(50) {
		f.Device = d.device()
	}
	d.add(f)
	if d.chance(20) { // a second one at that instant
		f.ID, f.Identifiers = "i"+d.number(), d.who(2, anyKind...)
		d.add(f)
	}
}

// share ties one phone to about twenty e-mails, the threshold.
func (d *draw) share() {
	if d.chance(50) {
		d.login()
		return
	}
	phone, at, step := identifier(hit.Phone, d.count(1, persons)), d.at(), d.instant(0, minute)
	trust := hit.Trust(d.count(1, 2))
	for n := range d.count(16, 22) {
		d.add(hit.Fact{
			Kind: hit.KindIdentify, ID: "i" + d.number(), At: at + hit.Instant(n)*step, Trust: trust, Identify: &hit.Identify{Call: "identify"},
			Identifiers: []hit.Identifier{phone, identifier(hit.Email, n+1)},
		})
	}
}

// passOn opens one token's link on about five devices, the threshold.
func (d *draw) passOn() {
	token, at := d.pick("t1", "t2", "t3"), d.at()
	for n := range d.count(3, 7) {
		device := identifier(hit.Device, n+1)
		d.page(at+hit.Instant(n)*minute, &device, "?mt="+token)
	}
}

// replace sends a copy of an earlier fact that says something else.
func (d *draw) replace() {
	if len(d.facts) == 0 {
		return
	}
	f := d.facts[d.count(0, len(d.facts)-1)]
	switch d.count(0, 3) {
	case 0:
		f.At += d.instant(-hour, hour, -1, 0)
	case 1:
		f.Identifiers = d.who(2, anyKind...)
		f.At += d.instant(-hour, 0)
	case 2:
		f.Device = nil
	case 3:
		if f.Event != nil {
			event := *f.Event
			event.Properties = d.properties("")
			f.Event = &event
		}
	}
	f.Precision, f.Identifiers = hit.PrecisionExact, slices.Clone(f.Identifiers)
	d.add(f)
}

// order is an event in one to three copies.
func (d *draw) order() {
	name, at := d.pick("Order Completed", "Order Completed", "Order Completed", "Lead"), d.late()
	order, id := d.pick("", "", "o1", "o2", "o3"), d.pick("e1", "e2", "e3", "e4", "e5")
	for range d.count(1, 3) {
		if d.chance(20) {
			id = d.pick("e1", "e2", "e3", "e4", "e5")
		}
		f := hit.Fact{Kind: hit.KindEvent, ID: id, At: at + d.instant(0, 0, 0, minute, -minute, d.fraction()), Trust: d.trust()}
		f.Event = &hit.Event{Name: name, InThread: d.chance(10), Properties: d.properties(order)}
		d.party(&f)
		d.add(f)
	}
}

// buy is an order about a window after something that may earn it.
func (d *draw) buy(after hit.Instant, who []hit.Identifier, device *hit.Identifier) {
	at := after + d.instant(0, minute, hour, hour, 2*hour, day, 7*day) + d.instant(0, 0, 0, 1, -1, -secondMicros/2)
	f := hit.Fact{Kind: hit.KindEvent, ID: d.pick("e1", "e2", "e3", "e4", "e5", "e6"), At: at, Trust: d.trust(), Device: device}
	f.Event = &hit.Event{Name: "Order Completed", Properties: d.properties(d.pick("", "", "o1", "o2", "o3"))}
	f.Identifiers = slices.Clone(who)
	if d.chance(30) { // within the second of what may earn it
		f.At, f.Trust, f.Precision = after-after%secondMicros, hit.TrustServer, hit.PrecisionSecond
	}
	d.add(f)
}

// party says who did it: somebody by name, a device, both or nobody.
func (d *draw) party(f *hit.Fact) {
	if d.chance(55) {
		f.Identifiers = d.who(2, anyKind...)
	}
	if f.Trust == hit.TrustBrowser || d.chance(20) {
		f.Device = d.device()
	}
}

// refund draws refunds that come before, after and without their order, some twice.
func (d *draw) refund() {
	for range d.count(1, 3) {
		f := hit.Fact{Kind: hit.KindEvent, ID: d.pick("r1", "r2", "r3", "r4"), At: d.late(), Trust: d.trust()}
		f.Event = &hit.Event{Name: "Order Refunded", InThread: d.chance(5), Properties: d.properties(d.pick("o1", "o2", "o3", "o1", "o2", "o3", "o9", ""))}
		d.party(&f)
		d.add(f)
	}
}

// properties draws those of an order or a refund, in canonical form.
func (d *draw) properties(order string) json.RawMessage {
	has := map[string]any{}
	if order != "" {
		has["order_id"] = order
	}
	if d.chance(80) {
		name := d.pick("value", "value", "revenue", "total")
		has[name] = d.pick("100", "99.99", "0", "10.005", "33.30", "abc", "-50", "NaN", "1e2", "0.01", "7",
			" 8 ", "+5", ".5", "5.", "1_0", "0x10", "1/2", "Infinity", "1,5", "")
	}
	if d.chance(10) {
		has["value"] = d.instant(1, 25, 100)
	}
	if d.chance(60) {
		has["currency"] = d.pick("NOK", "NOK", "nok", "VND", "KWD", "EUR", "", "IDR", "ISK")
	}
	if d.chance(30) {
		has["tier"] = d.pick("vip", "basic")
	}
	if d.chance(30) {
		has["refund_id"] = d.pick("x1", "x2")
	}
	raw, err := json.Marshal(has) // sorted, without spaces: canonical
	if err != nil {
		return json.RawMessage("{}")
	}
	return raw
}

// visit is a device's page views with gaps about the half hour that ends a session.
func (d *draw) visit() {
	at, device := d.at(), d.device()
	for range d.count(1, 4) {
		d.page(at, device, d.pick("", "", "", "?gclid=1", "?gclid=2", "?utm_source=google&utm_medium=cpc&utm_campaign=c1", "?fbclid=1&mt=t1",
			"?utm_source=news&utm_medium=email&utm_campaign=c2", d.campaignQuery(), d.campaignQuery(), "?mt=t1", "?mt=t2", "?mt=t3", "?mt=nobody", "?utm_campaign=c2&mt=t2"))
		at += d.instant(0, minute, 10*minute, 30*minute, 30*minute+1, 31*minute, 5*hour)
		if d.chance(15) {
			f := hit.Fact{Kind: hit.KindIdentify, ID: "i" + d.number(), At: at, Trust: hit.TrustBrowser, Identify: &hit.Identify{Call: "identify"}}
			f.Identifiers, f.Device = d.who(1, anyKind...), device
			d.add(f)
		}
	}
	if d.chance(40) {
		d.buy(at, nil, device)
	}
}

// page is one view, by the pixel or, now and then, a server.
func (d *draw) page(at hit.Instant, device *hit.Identifier, query string) {
	f := hit.Fact{Kind: hit.KindPage, ID: "p" + d.number(), At: at, Trust: hit.TrustBrowser, Device: device}
	f.Page = &hit.Page{URL: "https://shop.example/" + query, Referrer: d.referrer()}
	if d.chance(8) {
		f.Trust = hit.TrustServer
	}
	if d.chance(8) {
		f.Identifiers = d.who(2, anyKind...)
	}
	d.add(f)
}
