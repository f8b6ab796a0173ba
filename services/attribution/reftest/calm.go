package reftest

import (
	"cmp"
	"slices"

	"pgregory.net/rapid"

	"github.com/touchline/touchline/services/internal/hit"
)

// Calms generates workspaces on calm days: of what happens most bears on nothing yet, and the
// facts are listed as they happen, but for one in eight, which comes some later.
func Calms() *rapid.Generator[History] {
	return rapid.Custom(func(t *rapid.T) History {
		d := &draw{t: t}
		h := History{Policy: d.policy()}
		if d.chance(85) {
			d.known()
		}
		for range d.count(2, 5) {
			d.calm()
		}
		slices.SortStableFunc(d.facts, func(a, b hit.Fact) int { return cmp.Compare(a.At, b.At) })
		for i := len(d.facts) - 1; i >= 0; i-- {
			if f := d.facts[i]; d.chance(12) {
				to := min(i+d.count(1, 12), len(d.facts)-1)
				d.facts = slices.Insert(slices.Delete(d.facts, i, i+1), to, f)
			}
		}
		h.Facts = d.facts
		return h
	})
}

// calm is what most of a person's days are made of: messages, page views and events that bear
// on nothing when they come, listed as they happen, days after all else. Now and then
// something follows that makes them bear on it.
func (d *draw) calm() {
	at, person, tokens := dawn+hit.Instant(d.count(4, 9))*day+d.fraction(), d.count(1, persons), []string(nil)
	device := identifier(hit.Device, person)
	if d.chance(20) {
		device = *d.device()
	}
	for range d.count(3, 10) {
		name := identifier(anyKind[d.count(0, 2)], person)
		if d.chance(10) {
			name.Value = identifier(name.Kind, d.count(1, persons)).Value
		}
		switch d.count(0, 13) {
		case 0, 1, 2, 3:
			token := d.pick("", "q"+d.number())
			tokens = append(tokens, token)
			at = d.notice(at, name, token)
		case 4, 5, 6:
			d.page(at, &device, d.pick("", "", "?gclid=1", "?utm_source=news&utm_medium=email&utm_campaign=c2", d.campaignQuery()))
		case 7, 8:
			f := hit.Fact{Kind: hit.KindEvent, ID: "v" + d.number(), At: at, Trust: d.trust(), Identifiers: []hit.Identifier{name}}
			f.Event = &hit.Event{Name: "Product Viewed", Properties: d.properties("")}
			d.add(f)
		case 9:
			d.inbound(at, []hit.Identifier{identifier(hit.Phone, person)})
		case 10:
			if len(tokens) > 0 {
				d.page(at, &device, "?mt="+tokens[d.count(0, len(tokens)-1)])
			}
		case 11:
			d.loginOn(&device, at, person)
		default:
			d.buy(at, []hit.Identifier{name}, nil)
		}
		at += d.instant(0, 1, secondMicros, minute, hour, hour, day)
	}
}

// notice sends a message to somebody by one name and reports what became of it. It returns the
// time of the last report.
func (d *draw) notice(at hit.Instant, to hit.Identifier, token string) hit.Instant {
	channel, id := hit.ChannelEmail, "n"+d.number()
	if to.Kind == hit.Phone {
		channel = hit.ChannelWhatsApp
	}
	f := hit.Fact{Kind: hit.KindMessage, Trust: hit.TrustServer, Channel: channel, ID: id, At: at, Identifiers: []hit.Identifier{to}}
	f.Message = &hit.Message{Sender: "1001", Campaign: d.pick("", "c1", "c2"), Token: token}
	if d.chance(90) {
		d.add(f)
	}
	for _, status := range []hit.Status{hit.StatusSent, hit.StatusDelivered, hit.StatusRead} {
		at += d.instant(0, secondMicros, minute, hour)
		f := hit.Fact{Kind: hit.KindStatus, Trust: hit.TrustWebhook, Channel: channel, ID: id, Status: status, At: at, Report: &hit.Report{Sender: "1001"}}
		if channel == hit.ChannelWhatsApp || d.chance(30) {
			f.Identifiers = []hit.Identifier{to}
		}
		if d.chance(60) {
			d.add(f)
		}
	}
	return at
}
