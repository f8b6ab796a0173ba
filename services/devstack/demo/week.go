package demo

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// TryToken is the click token of a message in the week, for a person who wants
// to open the shop as its receiver would.
const TryToken = "demo-spring-sale-001"

// week collects the hits of one made-up week.
type week struct {
	r    *rand.Rand
	end  time.Time
	hits []Hit
	made int // numbers given out, so that every id is its own
}

// Week makes up the week that ends at end, UTC, in order of time. The same end
// and seed give the same hits with the same ids, so that sending them twice
// counts once. Nothing in it lies after end.
func Week(seed uint64, end time.Time) []Hit {
	w := &week{r: rand.New(rand.NewPCG(seed, seed)), end: end.UTC().Truncate(time.Second)}
	w.campaign("spring_sale", 6*24*time.Hour+2*time.Hour, 240)
	w.campaign("new_arrivals", 3*24*time.Hour+3*time.Hour, 160)
	for range 170 {
		w.visitor()
	}
	for range 14 {
		w.fromAd()
	}
	w.chats()
	w.gaps()
	w.tryIt()
	past := slices.DeleteFunc(w.hits, func(h Hit) bool { return h.At.After(w.end) })
	slices.SortStableFunc(past, func(a, b Hit) int { return a.At.Compare(b.At) })
	return past
}

func (w *week) add(hits ...Hit) { w.hits = append(w.hits, hits...) }

// id gives out an id that no other hit of this week has.
func (w *week) id(kind string) string {
	w.made++
	return fmt.Sprintf("demo-%s-%05d", kind, w.made)
}

// chance is true in percent of the cases.
func (w *week) chance(percent int) bool { return w.r.IntN(100) < percent }

// within is a time from a second to most after t, sooner more often than later.
func (w *week) within(t time.Time, most time.Duration) time.Time {
	share := w.r.Float64()
	return t.Add(time.Second + time.Duration(share*share*float64(most))).Truncate(time.Millisecond)
}

// campaign sends one template to many and plays what they do.
func (w *week) campaign(template string, ago time.Duration, receivers int) {
	start := w.end.Add(-ago)
	for i, n := range w.r.Perm(Customers)[:receivers] {
		c := person(1 + n)
		m := message{
			id: "wamid." + w.id("message"), template: template, campaign: template + "_november",
			variant: []string{"A", "B"}[i%2], at: start.Add(time.Duration(i) * 700 * time.Millisecond),
		}
		m.token = "tk-" + m.id[len("wamid."):]
		w.add(m.registration(c), m.status(c, "sent", m.at.Add(time.Second)))
		w.reaction(c, m)
	}
}

// reaction is what becomes of one message.
func (w *week) reaction(c customer, m message) {
	if w.chance(5) {
		w.add(m.status(c, "failed", m.at.Add(3*time.Second)))
		return
	}
	delivered := w.within(m.at, 20*time.Minute)
	w.add(m.status(c, "delivered", delivered))
	if !w.chance(72) {
		return
	}
	read := w.within(delivered, 9*time.Hour)
	w.add(m.status(c, "read", read))
	switch {
	case w.chance(40):
		w.click(c, m, w.within(read, 3*time.Minute))
	case w.chance(18):
		w.reply(c, m, w.within(read, 10*time.Minute))
	case w.chance(6):
		w.purchase(c, w.within(read, 20*time.Hour)) // read, then went to the shop alone
	}
}

// click opens the shop through the message's link, and perhaps buys or leaves a
// cart behind.
func (w *week) click(c customer, m message, at time.Time) {
	w.add(c.opens(happening{w.id("page"), at}, "/?mt="+m.token, ""))
	p := products()[w.r.IntN(3)]
	at = w.within(at, 4*time.Minute)
	w.add(c.opens(happening{w.id("page"), at}, p.path, site+"/"))
	switch {
	case w.chance(38):
		w.purchase(c, w.within(at, 25*time.Minute))
	case w.chance(45):
		w.abandonedCart(c, at)
	case w.chance(20):
		w.purchase(c, w.within(at, 60*time.Hour)) // came back by itself
	}
}

// abandonedCart reminds somebody an hour after the last page.
func (w *week) abandonedCart(c customer, at time.Time) {
	m := message{id: "wamid." + w.id("message"), template: "abandoned_cart", campaign: "abandoned_cart", at: at.Add(time.Hour)}
	m.token = "tk-" + m.id[len("wamid."):]
	w.add(m.registration(c), m.status(c, "sent", m.at.Add(time.Second)), m.status(c, "delivered", m.at.Add(5*time.Second)))
	if !w.chance(80) {
		return
	}
	read := w.within(m.at, 2*time.Hour)
	w.add(m.status(c, "read", read))
	if w.chance(50) {
		opened := w.within(read, 2*time.Minute)
		w.add(c.opens(happening{w.id("page"), opened}, "/?cart=1&mt="+m.token, ""))
		if w.chance(60) {
			w.purchase(c, w.within(opened, 15*time.Minute))
		}
	}
}

// reply answers in the chat: a button, a question, a cart, a Flow or a stop.
func (w *week) reply(c customer, m message, at time.Time) {
	h := happening{w.id("inbound"), at}
	text := func(body string) Hit { return c.writes(h, "text", object{"body": body}) }
	switch n := w.r.IntN(10); {
	case n < 3:
		w.add(c.writes(h, "button", object{"payload": "show-offers", "text": "Vis tilbud"}).answering(m))
	case n < 5:
		w.add(text("Hei! Har dere lampen på lager?")) // no context: answers by time alone
		if w.chance(50) {
			w.purchase(c, w.within(at, 5*time.Hour))
		}
	case n < 7:
		w.add(c.writes(h, "order", chatOrder(w.r.IntN)).answering(m))
	case n < 8:
		w.add(c.writes(h, "interactive", flowAnswer("living room")).answering(m))
	case n < 9:
		w.add(text("Ja takk, send meg et tilbud").answering(m))
	default:
		w.add(text("STOPP").answering(m))
	}
}

// purchase is an order with what the shop does about it.
func (w *week) purchase(c customer, at time.Time) {
	if at.After(w.end) {
		return
	}
	p := products()[w.r.IntN(3)]
	o := order{id: w.id("order"), value: p.price * (1 + w.r.IntN(2)), at: at}
	w.add(c.opens(happening{w.id("page"), at.Add(-50 * time.Second)}, "/?checkout=1", site+p.path))
	if w.chance(70) {
		w.add(identify(c, w.id("identify"), at.Add(-10*time.Second)))
	}
	w.add(o.inBrowser(c))
	if c.userID != "" && w.chance(15) {
		w.add(o.byServer(c))
	} else {
		w.add(o.inShop(c))
	}
	update := message{id: "wamid." + w.id("message"), template: "order_update", at: at.Add(2 * time.Minute)}
	w.add(update.registration(c), update.status(c, "sent", update.at.Add(time.Second)), update.status(c, "delivered", update.at.Add(4*time.Second)))
	if w.chance(85) {
		w.add(update.status(c, "read", w.within(update.at, time.Hour)))
	}
	if w.chance(8) {
		w.add(o.refund(0, w.within(at.Add(12*time.Hour), 30*time.Hour)))
	} else if w.chance(4) {
		w.add(o.refund(100, w.within(at.Add(12*time.Hour), 30*time.Hour)))
	}
}
