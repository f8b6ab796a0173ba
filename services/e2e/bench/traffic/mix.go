package traffic

import (
	"fmt"
	"time"

	"github.com/touchline/touchline/services/e2e/bench/load"
)

// Cycle is how many facts one cycle of a [Mix] has: the least with which every share is a
// whole number of requests.
const Cycle = 2000

// messages is how many of a cycle's facts register one.
const messages = 300

// Mix is the traffic of a shop: 35 % statuses of messages, 15 % registrations, 30 % page
// views, 10 % events of which half convert, 5 % inbound messages, 5 % logins.
type Mix struct {
	Doors
	Persons int
	From    int           // number of the first person
	Begin   time.Time     // of the first cycle
	Step    time.Duration // from one cycle to the next
	First   int           // number of the first cycle; two mixes whose cycles have different numbers have no fact in common
}

// Requests are those of n cycles.
func (m *Mix) Requests(n int) []load.Request {
	var requests []load.Request
	for i := range n {
		c := cycle{mix: m, number: m.First + i, at: m.Begin.Add(time.Duration(i) * m.Step)}
		requests = append(requests, c.requests()...)
	}
	return requests
}

// Orders are the order ids that the n-th request of a mix carries; most carry none.
func (m *Mix) Orders(n int) []string {
	if n%perCycle != ordersAt {
		return nil
	}
	orders := make([]string, 100)
	for i := range orders {
		orders[i] = orderID(m.First+n/perCycle, i)
	}
	return orders
}

// cycle is one of a mix.
type cycle struct {
	mix    *Mix
	number int
	at     time.Time
}

// A cycle's requests, in order: registrations, orders, other events, logins, page views,
// statuses, inbound messages.
const (
	ordersAt = 3
	perCycle = 3 + 1 + 1 + 1 + 6 + 35 + 5
)

func (c cycle) requests() []load.Request {
	d := c.mix.Doors
	requests := make([]load.Request, 0, perCycle)
	for i := range 3 {
		requests = append(requests, d.registration(list(100, i, c.registration)))
	}
	requests = append(requests,
		d.batch(d.ServerKey, list(100, 0, c.order)),
		d.batch(d.ServerKey, list(100, 0, c.look)),
		d.batch(d.ServerKey, list(100, 0, c.login)))
	for i := range 6 {
		requests = append(requests, d.batch(d.PixelKey, list(100, i, c.page)))
	}
	for i := range 35 {
		requests = append(requests, d.callback("statuses", list(20, i, c.status)))
	}
	for i := range 5 {
		requests = append(requests, d.callback("messages", list(20, i, c.inbound)))
	}
	return requests
}

// list is the part-th of equal parts of what a function makes of numbers.
func list(size, part int, of func(n int) object) []object {
	items := make([]object, size)
	for i := range items {
		items[i] = of(part*size + i)
	}
	return items
}

// person spreads the facts of one kind over all persons, evenly and without a pattern
// that would bring the same two kinds together again and again.
func (c cycle) person(kind, n int) int {
	x := uint64(kind)<<56 ^ uint64(c.number)<<16 ^ uint64(n)
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return c.mix.From + int((x^x>>31)%uint64(c.mix.Persons))
}

// Kinds, so that each has persons of its own.
const (
	ofMessages = iota
	ofOrders
	ofEvents
	ofLogins
	ofPages
	ofInbound
)

func (c cycle) later(n int) time.Time { return c.at.Add(time.Duration(n) * time.Millisecond) }

func (c cycle) messageID(n int) string { return fmt.Sprintf("wamid.%d.%d", c.number, n) }

func orderID(cycle, n int) string { return fmt.Sprintf("o-%d-%d", cycle, n) }

func device(person int) string { return fmt.Sprint("device-", person) }

func (c cycle) registration(n int) object {
	return object{
		"channel": "whatsapp", "message_id": c.messageID(n), "to": object{"phone": "+" + phone(c.person(ofMessages, n))},
		"template": object{"name": fmt.Sprint("template", n%7), "language": language}, "campaign": fmt.Sprint("campaign", c.number%20),
		"click_token": fmt.Sprintf("t%d-%d", c.number, n), "sender": sender, "sent_at": stamp(c.later(n)),
	}
}

// status is of a message of the cycle before this one: all were said to be sent and to be
// delivered, a third was read.
func (c cycle) status(n int) object {
	before := cycle{mix: c.mix, number: max(c.number-1, c.mix.First)}
	state := []string{"sent", "delivered", "read"}[n/messages]
	return status(before.messageID(n%messages), before.person(ofMessages, n%messages), state, c.later(n))
}

func (c cycle) order(n int) object {
	return object{
		"type": "track", "event": "Order Completed", "messageId": fmt.Sprintf("e-%d-%d", c.number, n), "timestamp": stamp(c.later(n)),
		"context":    object{"traits": object{"phone": "+" + phone(c.person(ofOrders, n))}},
		"properties": object{"order_id": orderID(c.number, n), "value": fmt.Sprintf("%d.50", 100+n), "currency": currency},
	}
}

func (c cycle) look(n int) object {
	return object{
		"type": "track", "event": "Product Viewed", "messageId": fmt.Sprintf("v-%d-%d", c.number, n), "timestamp": stamp(c.later(n)),
		"context":    object{"traits": object{"phone": "+" + phone(c.person(ofEvents, n))}},
		"properties": object{"product_id": fmt.Sprint("p", n)},
	}
}

func (c cycle) login(n int) object {
	person := c.person(ofLogins, n)
	return object{
		"type": "identify", "messageId": fmt.Sprintf("i-%d-%d", c.number, n), "timestamp": stamp(c.later(n)),
		"userId": fmt.Sprint("user-", person), "anonymousId": device(person), "traits": object{"phone": "+" + phone(person)},
	}
}

// page is a view; each sixth comes from a message of the cycle before.
func (c cycle) page(n int) object {
	person, url := c.person(ofPages, n), site+"/lamps"
	switch n % 6 {
	case 0:
		before := cycle{mix: c.mix, number: max(c.number-1, c.mix.First)}
		person = before.person(ofMessages, n%messages)
		url += fmt.Sprintf("?mt=t%d-%d", before.number, n%messages)
	case 1:
		url += "?utm_source=google&utm_medium=cpc"
	}
	return object{
		"type": "page", "messageId": fmt.Sprintf("p-%d-%d", c.number, n), "anonymousId": device(person), "timestamp": stamp(c.later(n)),
		"properties": object{"url": url, "title": "Lamps", "referrer": "https://www.google.com/"},
	}
}

func (c cycle) inbound(n int) object {
	return object{
		"from": phone(c.person(ofInbound, n)), "id": fmt.Sprintf("wamid.in.%d.%d", c.number, n), "timestamp": seconds(c.later(n)),
		"type": "text", "text": object{"body": "Is it in stock?"},
	}
}
