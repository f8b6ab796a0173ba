package traffic

import (
	"fmt"
	"time"

	"github.com/touchline/touchline/services/e2e/bench/load"
)

// PerBuyer is how many facts a buyer of a [Campaign] has.
const PerBuyer = 8

// Campaign is what the recompute is measured by: facts of which both Touchline and plain
// SQL can tell what follows. Each buyer got two messages, read both, answered the second
// and ordered once.
type Campaign struct {
	Doors
	Buyers int
	Begin  time.Time
}

// Sent is one message, as SQL gets to know it.
type Sent struct {
	ID, Phone, Sender            string
	Template, Language, Campaign string
	SentAt, Delivered            time.Time
	Read, Replied                time.Time // Replied is zero when nobody did
}

// Order is one conversion.
type Order struct {
	EventID, OrderID, Phone string
	At                      time.Time
	Value                   string
}

// Facts are what one buyer gives.
func (c *Campaign) Facts(buyer int) ([2]Sent, Order) {
	at := c.Begin.Add(time.Duration(buyer%86_400) * time.Second)
	number := "+" + phone(buyer)
	var sent [2]Sent
	for i := range sent {
		sentAt := at.Add(time.Duration(i) * 10 * time.Hour)
		sent[i] = Sent{
			ID: fmt.Sprintf("wamid.c%d.%d", buyer, i), Phone: number, Sender: sender, Template: fmt.Sprint("template", buyer%7), Language: language,
			Campaign: fmt.Sprint("campaign", i), SentAt: sentAt, Delivered: sentAt, Read: sentAt.Add(time.Hour),
		}
	}
	sent[1].Replied = at.Add(12 * time.Hour)
	// Some order while both reads count, some when the first does not any more, some when
	// only the answer does, some too late for everything.
	after := []time.Duration{20, 30, 40, 240}[buyer%4] * time.Hour
	return sent, Order{
		EventID: fmt.Sprint("order-", buyer), OrderID: fmt.Sprint("c", buyer), Phone: number,
		At: at.Add(after + 123*time.Millisecond), Value: fmt.Sprintf("%d.%02d", 100+buyer%900, buyer%100),
	}
}

// Requests are all facts.
func (c *Campaign) Requests() []load.Request {
	var requests []load.Request
	const together = 50 // buyers
	for from := 0; from < c.Buyers; from += together {
		var registered, statuses, inbound, orders []object
		for buyer := from; buyer < min(from+together, c.Buyers); buyer++ {
			sent, order := c.Facts(buyer)
			for i := range sent {
				registered = append(registered, sent[i].registration())
				statuses = append(statuses, sent[i].status("delivered", sent[i].Delivered), sent[i].status("read", sent[i].Read))
			}
			inbound = append(inbound, sent[1].answer())
			orders = append(orders, order.call())
		}
		requests = append(requests, c.registration(registered), c.callback("statuses", statuses), c.callback("messages", inbound), c.batch(c.ServerKey, orders))
	}
	return requests
}

func (s *Sent) registration() object {
	return object{
		"channel": "whatsapp", "message_id": s.ID, "to": object{"phone": s.Phone}, "template": object{"name": s.Template, "language": s.Language},
		"campaign": s.Campaign, "sender": s.Sender, "sent_at": stamp(s.SentAt),
	}
}

func (s *Sent) status(state string, at time.Time) object {
	return object{"id": s.ID, "status": state, "timestamp": seconds(at), "recipient_id": s.Phone[1:]}
}

func (s *Sent) answer() object {
	return object{
		"from": s.Phone[1:], "id": s.ID + ".answer", "timestamp": seconds(s.Replied), "type": "text", "text": object{"body": "Nice lamp"},
		"context": object{"from": "15550001001", "id": s.ID},
	}
}

func (o *Order) call() object {
	return object{
		"type": "track", "event": "Order Completed", "messageId": o.EventID, "timestamp": stamp(o.At),
		"context":    object{"traits": object{"phone": o.Phone}},
		"properties": object{"order_id": o.OrderID, "value": o.Value, "currency": currency},
	}
}

// Regular is one person with very many facts over a year: page views on one device,
// messages, what became of them, and orders.
type Regular struct {
	Doors
	Facts int
	Begin time.Time
}

// year is how long a regular has been one.
const year = 365 * 24 * time.Hour

// Requests are all facts: a login, then of each ten five page views, one message with
// three statuses, and an order.
func (r *Regular) Requests() []load.Request {
	requests := []load.Request{r.batch(r.ServerKey, []object{{
		"type": "identify", "messageId": "regular-login", "timestamp": stamp(r.Begin), "userId": "regular",
		"anonymousId": "regular-device", "traits": object{"phone": "+" + phone(0)},
	}})}
	const together = 10 // groups of ten facts
	for from := 0; from < r.Facts/10; from += together {
		var views, registered, statuses, orders []object
		for group := from; group < min(from+together, r.Facts/10); group++ {
			at := r.Begin.Add(time.Duration(group) * (year / time.Duration(max(1, r.Facts/10))))
			for i := range 5 {
				views = append(views, r.view(fmt.Sprintf("%d-%d", group, i), at.Add(time.Duration(i)*time.Minute)))
			}
			sent := Sent{
				ID: fmt.Sprint("wamid.r", group), Phone: "+" + phone(0), Sender: sender, Template: "hello", Language: language, Campaign: "c", SentAt: at,
			}
			registered = append(registered, sent.registration())
			for i, state := range []string{"sent", "delivered", "read"} {
				statuses = append(statuses, sent.status(state, at.Add(time.Duration(i)*time.Minute)))
			}
			order := Order{EventID: fmt.Sprint("regular-order-", group), OrderID: fmt.Sprint("r", group), Phone: "+" + phone(0), At: at.Add(time.Hour), Value: "10.00"}
			orders = append(orders, order.call())
		}
		requests = append(requests, r.batch(r.PixelKey, views), r.registration(registered), r.callback("statuses", statuses), r.batch(r.ServerKey, orders))
	}
	return requests
}

func (r *Regular) view(id string, at time.Time) object {
	return object{
		"type": "page", "messageId": "regular-page-" + id, "anonymousId": "regular-device", "timestamp": stamp(at),
		"properties": object{"url": site + "/lamps?utm_source=google&utm_medium=cpc", "title": "Lamps"},
	}
}

// View is one more page view, at a time.
func (r *Regular) View(n int, at time.Time) load.Request {
	return r.batch(r.PixelKey, []object{r.view(fmt.Sprint("new-", n), at)})
}

// Buy is one more order.
func (r *Regular) Buy(n int, at time.Time) load.Request {
	order := Order{EventID: fmt.Sprint("regular-new-order-", n), OrderID: fmt.Sprint("rn", n), Phone: "+" + phone(0), At: at, Value: "10.00"}
	return r.batch(r.ServerKey, []object{order.call()})
}
