package demo

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// visitor is somebody who comes without a message.
func (w *week) visitor() {
	c := anyone(w.r)
	at := w.end.Add(-time.Duration(w.r.Int64N(int64(7 * 24 * time.Hour)))).Truncate(time.Millisecond)
	landings := []struct{ path, referrer string }{
		{"/?utm_source=google&utm_medium=cpc&utm_campaign=lamps", "https://www.google.com/"},
		{"/?utm_source=newsletter&utm_medium=email&utm_campaign=november", ""},
		{"/", "https://www.google.com/"},
		{"/?fbclid=demo-click", "https://l.instagram.com/"},
		{"/?utm_source=instagram&utm_medium=social", "https://l.instagram.com/"},
		{"/", "https://www.interior-blog.example/lamps"},
		{"/", ""},
	}
	landing := landings[w.r.IntN(len(landings))]
	w.add(c.opens(happening{w.id("page"), at}, landing.path, landing.referrer))
	for range w.r.IntN(3) {
		at = w.within(at, 3*time.Minute)
		w.add(c.opens(happening{w.id("page"), at}, products()[w.r.IntN(3)].path, site+"/"))
	}
	if w.chance(22) {
		w.purchase(c, w.within(at, 10*time.Minute))
	}
}

// fromAd is somebody who writes after tapping an ad.
func (w *week) fromAd() {
	c := anyone(w.r)
	at := w.end.Add(-time.Duration(w.r.Int64N(int64(6 * 24 * time.Hour))))
	hello := c.writes(happening{w.id("inbound"), at}, "text", object{"body": "Hei, jeg så annonsen deres"})
	hello.Body["referral"] = object{
		"source_type": "ad", "source_id": "120200000000000042", "source_url": "https://fb.me/demo",
		"headline": "Lys i mørketiden", "body": "20 % på alle lamper", "ctwa_clid": "demo-ctwa",
	}
	w.add(hello)
	if w.chance(45) {
		w.purchase(c, w.within(at, 20*time.Hour))
	}
}

// chats are people who write first and are answered by an agent, in a message
// that is registered with neither template nor campaign.
func (w *week) chats() {
	for range 12 {
		c := anyone(w.r)
		at := w.end.Add(-time.Duration(w.r.Int64N(int64(5 * 24 * time.Hour))))
		w.add(c.writes(happening{w.id("inbound"), at}, "text", object{"body": "Er butikken åpen på lørdag?"}))
		answer := message{id: "wamid." + w.id("message"), at: at.Add(90 * time.Second)}
		w.add(answer.registration(c), answer.status(c, "sent", answer.at), answer.status(c, "delivered", answer.at.Add(2*time.Second)))
	}
}

// gaps are the mistakes that the first page explains: messages that name nobody,
// statuses of messages nobody registered, orders that name nobody.
func (w *week) gaps() {
	for i := range 6 {
		at := w.end.Add(-time.Duration(10+i*7) * time.Hour)
		nobody := message{id: "wamid." + w.id("message"), template: "spring_sale", campaign: "spring_sale_november", at: at}
		silent := nobody.registration(customer{language: "nb"})
		silent.Body["to"] = object{}
		w.add(silent)
		unknown := message{id: "wamid." + w.id("unregistered"), at: at}
		c := person(200 + i)
		w.add(unknown.status(c, "sent", at), unknown.status(c, "delivered", at.Add(3*time.Second)))
		o := order{id: w.id("order"), value: 249, at: at}
		anonymous := o.inShop(customer{})
		delete(anonymous.Body, "phone")
		delete(anonymous.Body, "email")
		w.add(anonymous)
	}
	w.add(Hit{At: w.end.Add(-time.Hour), Door: Server, Body: object{"type": "track", "event": "Order Completed", "messageId": w.id("broken")}})
}

// tryIt is one message whose link is printed for whoever runs the demo.
func (w *week) tryIt() {
	c := person(1)
	m := message{
		id: "wamid.demo-try-it", template: "spring_sale", campaign: "spring_sale_november", variant: "A",
		token: TryToken, at: w.end.Add(-10 * time.Minute),
	}
	w.add(m.registration(c), m.status(c, "sent", m.at.Add(time.Second)), m.status(c, "delivered", m.at.Add(3*time.Second)))
}

// Visit makes up what one customer does from now on, in real time: a message
// that is sent, delivered, read and perhaps clicked, answered or bought from. The
// hits are in order of time, up to a minute and a half after start. Number makes
// its ids unlike those of every other visit.
func Visit(r *rand.Rand, start time.Time, number int64) []Hit {
	start = start.UTC().Truncate(time.Millisecond)
	c := anyone(r)
	id := fmt.Sprintf("demo-live-%d-%d", start.UnixMilli(), number)
	after := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
	m := message{
		id: "wamid." + id, template: "spring_sale", campaign: "spring_sale_live",
		variant: []string{"A", "B"}[r.IntN(2)], token: "tk-" + id, at: start,
	}
	hits := []Hit{m.registration(c), m.status(c, "sent", start), m.status(c, "delivered", after(2))}
	if r.IntN(100) < 20 {
		return hits
	}
	hits = append(hits, m.status(c, "read", after(6+r.IntN(20))))
	switch n := r.IntN(100); {
	case n < 45:
		hits = append(hits, c.opens(happening{id + "-1", after(30)}, "/?mt="+m.token, ""), c.opens(happening{id + "-2", after(38)}, products()[r.IntN(3)].path, site+"/"))
		if n < 18 {
			o := order{id: id + "-order", value: products()[r.IntN(3)].price, at: after(60 + r.IntN(20))}
			hits = append(hits, o.inBrowser(c), o.inShop(c))
		}
	case n < 60:
		hits = append(hits, c.writes(happening{id + "-in", after(30)}, "button", object{"payload": "show-offers", "text": "Vis tilbud"}).answering(m))
	case n < 66:
		hits = append(hits, c.writes(happening{id + "-in", after(45)}, "order", chatOrder(r.IntN)).answering(m))
	}
	return hits
}
