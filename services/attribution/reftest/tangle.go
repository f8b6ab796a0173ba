package reftest

import (
	"slices"

	"pgregory.net/rapid"

	"github.com/touchline/touchline/services/internal/hit"
)

// The scenes here are sequences that are rare by chance, in the order in which they
// are hardest to keep up with: what comes last changes what was concluded before.

// tangles lists them.
func (d *draw) tangles() []func() {
	return []func(){d.lateCampaign, d.overtaken, d.orphan, d.common, d.turns, d.quarrel, d.again, d.moved}
}

// Tangles generates histories of such sequences alone, of known persons.
func Tangles() *rapid.Generator[History] {
	return rapid.Custom(func(t *rapid.T) History {
		d := &draw{t: t}
		h := History{Policy: d.policy()}
		d.known()
		for range d.count(1, 3) {
			scenes := append(d.tangles(), d.visit, d.campaign, d.order, d.refund)
			scenes[d.count(0, len(scenes)-1)]()
		}
		h.Facts = d.facts
		return h
	})
}

// stray is a device on which nobody need have logged in.
func (d *draw) stray() *hit.Identifier {
	id := identifier(hit.Device, d.count(7, 9))
	return &id
}

// known makes the persons known before all else happens, each with a device.
func (d *draw) known() {
	for n := 1; n <= persons; n++ {
		f := hit.Fact{Kind: hit.KindIdentify, ID: "i" + d.number(), At: dawn - day, Trust: hit.TrustServer, Identify: &hit.Identify{Call: "identify"}}
		f.Identifiers = []hit.Identifier{identifier(hit.UserID, n), identifier(hit.Phone, n), identifier(hit.Email, n)}
		device := identifier(hit.Device, n)
		f.Device = &device
		d.add(f)
	}
}

// purchase is an order that only its name, id and time tell from others.
func (d *draw) purchase(id, order string, at hit.Instant) hit.Fact {
	f := hit.Fact{Kind: hit.KindEvent, ID: id, At: at, Trust: d.trust()}
	f.Event = &hit.Event{Name: "Order Completed", Properties: d.properties(order)}
	return f
}

// loginOn states a name of a person on a device.
func (d *draw) loginOn(device *hit.Identifier, at hit.Instant, person int) {
	f := hit.Fact{Kind: hit.KindIdentify, ID: "i" + d.number(), At: at, Trust: hit.Trust(d.count(1, 2)), Identify: &hit.Identify{Call: "identify"}}
	f.Identifiers, f.Device = []hit.Identifier{identifier(anyKind[d.count(0, 2)], person)}, device
	d.add(f)
}

// lateCampaign registers a message after it was answered and the answer earned
// something, or may have: only then its campaign is known.
func (d *draw) lateCampaign() {
	id, at, to := d.pick("m6", "m7"), d.at(), []hit.Identifier{identifier(hit.Phone, d.count(1, persons))}
	sent := hit.Fact{Kind: hit.KindStatus, Trust: hit.TrustWebhook, Channel: hit.ChannelWhatsApp, ID: id, Status: hit.StatusSent, At: at, Report: &hit.Report{Sender: "1001"}}
	sent.Identifiers = to
	d.add(sent)
	answer := at + d.instant(minute, hour, 20*hour, day)
	in := hit.Fact{Kind: hit.KindInbound, Trust: hit.TrustWebhook, Channel: hit.ChannelWhatsApp, ID: "in" + d.number(), At: answer, Identifiers: to}
	in.Inbound = &hit.Inbound{Business: "1001", Type: "text", Text: "yes"}
	d.add(in)
	bought := d.purchase("e"+d.number(), "", answer+d.instant(minute, hour, 20*hour, day, 6*day))
	bought.Identifiers = to
	d.add(bought)
	registered := hit.Fact{Kind: hit.KindMessage, Trust: hit.TrustServer, Channel: hit.ChannelWhatsApp, ID: id, At: at + d.instant(0, secondMicros), Identifiers: to}
	registered.Message = &hit.Message{Sender: "1001", Campaign: d.pick("c1", "c2"), Token: d.token()}
	d.add(registered)
}

// overtaken is an order on a device, and after it what says whose the device was by
// then: a login, or a page view that draws one back.
func (d *draw) overtaken() {
	device, at := d.device(), d.at()
	d.page(at-d.instant(minute, 31*minute), device, d.pick("?gclid=1", "", "?mt=t1"))
	bought := d.purchase("e"+d.number(), "", at)
	bought.Device = device
	if d.chance(50) {
		bought.Identifiers = d.who(1, anyKind...)
	}
	d.add(bought)
	switch d.count(0, 2) {
	case 0:
		d.loginOn(device, at-d.instant(0, minute, 10*minute, 40*minute), d.count(1, persons))
	case 1:
		d.page(at-d.instant(0, minute, 10*minute), device, d.pick("?gclid=1", "?gclid=2", ""))
		f := &d.facts[len(d.facts)-1]
		f.Identifiers = d.who(1, anyKind...)
	case 2:
		d.loginOn(device, at+d.instant(minute, 5*minute), d.count(1, persons))
		d.page(at-d.instant(minute, 20*minute), device, d.pick("?gclid=2", ""))
	}
}

// orphan draws refunds of orders that nobody reports, of devices: each befalls whoever
// holds its own.
func (d *draw) orphan() {
	order, refund, at := d.pick("o7", "o8"), d.pick("x1", "x2", "x3"), d.late()
	devices := []*hit.Identifier{d.device(), d.stray(), d.device()}
	id := "r" + d.number()
	for n := range d.count(2, 3) {
		f := hit.Fact{Kind: hit.KindEvent, ID: id, At: at + d.instant(0, minute, hour), Trust: d.trust(), Device: devices[n]}
		f.Event = &hit.Event{Name: "Order Refunded", Properties: refundOf(order, d.pick(refund, refund, ""))}
		if d.chance(50) {
			id = "r" + d.number()
		}
		d.add(f)
	}
	d.loginOn(devices[d.count(0, 2)], at-d.instant(0, minute, hour), d.count(1, persons))
}

func refundOf(order, refund string) []byte {
	if refund == "" {
		return []byte(`{"order_id":"` + order + `","value":"5"}`)
	}
	return []byte(`{"order_id":"` + order + `","refund_id":"` + refund + `","value":"5"}`)
}

// common is one order of which a person reports one event and a device that nobody
// claims another; then one of them visits.
func (d *draw) common() {
	order, at, stray := d.pick("o4", "o5"), d.late(), d.stray()
	d.page(at-d.instant(minute, hour), stray, d.pick("?gclid=1", "?fbclid=1"))
	checkout := d.purchase("e"+d.number(), order, at-minute)
	checkout.Event.Name, checkout.Trust, checkout.Device = "Checkout", hit.TrustBrowser, stray
	d.add(checkout)
	bought := d.purchase("e"+d.number(), order, at)
	bought.Identifiers = []hit.Identifier{identifier(anyKind[d.count(0, 2)], d.count(1, persons))}
	d.add(bought)
	d.page(at-d.instant(minute, 10*minute, 2*hour), []*hit.Identifier{d.device(), stray}[d.count(0, 1)], "?gclid=2")
}

// turns is a device that two persons use in turn; their logins come out of order.
func (d *draw) turns() {
	device, at := d.device(), d.at()
	one, two := d.count(1, persons), d.count(1, persons)
	begun := len(d.facts)
	for n := range d.count(3, 5) {
		d.loginOn(device, at, []int{one, two}[n%2])
		d.page(at+d.instant(0, minute, 10*minute), device, d.pick("", "?gclid=1", "?fbclid=2", "?mt=t2"))
		if d.chance(50) {
			bought := d.purchase("e"+d.number(), d.pick("", "o6"), at+d.instant(minute, 20*minute))
			bought.Device = device
			d.add(bought)
		}
		at += d.instant(20*minute, 31*minute, hour, day)
	}
	late := d.facts[begun:]
	for i := len(late) - 1; i > 0; i-- {
		j := d.count(0, i)
		late[i], late[j] = late[j], late[i]
	}
}

// quarrel states a name of one person beside a user_id of another, who both have much
// to do: the link is refused, or takes the place of one that was not.
func (d *draw) quarrel() {
	one := d.count(1, persons)
	f := hit.Fact{Kind: hit.KindIdentify, ID: "i" + d.number(), At: d.at() - d.instant(0, 2*day), Trust: hit.Trust(d.count(1, 2)), Identify: &hit.Identify{Call: "identify"}}
	f.Identifiers = []hit.Identifier{identifier(hit.UserID, one%persons+1), identifier([]hit.IdentifierKind{hit.Phone, hit.Email}[d.count(0, 1)], one)}
	at := d.at()
	for n := range d.count(2, 4) {
		bought := d.purchase("e"+d.number(), "", at+hit.Instant(n)*hour)
		bought.Identifiers = []hit.Identifier{identifier(anyKind[d.count(0, 2)], one)}
		d.add(bought)
	}
	d.add(f)
}

// again draws events of one person close to each other, of which some definitions
// count one, the earliest last.
func (d *draw) again() {
	at, who := d.at(), d.who(1, anyKind...)
	for n := range d.count(2, 4) {
		f := d.purchase("e"+d.number(), "", at-hit.Instant(n)*d.instant(hour, 2*hour, 23*hour))
		f.Event.Name, f.Identifiers = d.pick("Lead", "Order Completed"), slices.Clone(who)
		d.add(f)
	}
}

// moved is a refund of one order whose earlier copy says another.
func (d *draw) moved() {
	at, id, trust := d.late(), "r"+d.number(), d.trust()
	from, to := d.pick("o1", "o2", "o7"), d.pick("o2", "o3", "o8")
	for n, order := range []string{from, to} {
		bought := d.purchase("e"+d.number(), order, at-hit.Instant(n+1)*hour)
		bought.Identifiers = d.who(1, anyKind...)
		if d.chance(70) {
			d.add(bought)
		}
	}
	for n, order := range []string{from, to} {
		f := hit.Fact{Kind: hit.KindEvent, ID: id, At: at - hit.Instant(n)*minute, Trust: trust, Precision: hit.PrecisionExact}
		f.Event = &hit.Event{Name: "Order Refunded", Properties: refundOf(order, "")}
		if d.chance(40) {
			f.Device = d.device()
		}
		d.add(f)
		if n == 0 && d.chance(60) {
			more := d.purchase("e"+d.number(), to, at)
			more.Identifiers = d.who(1, anyKind...)
			d.add(more)
		}
	}
}
