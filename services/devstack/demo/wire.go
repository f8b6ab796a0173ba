package demo

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// The made-up shop's own addresses and numbers.
const (
	site        = "https://demo-shop.example"
	phoneNumber = "15550001001" // as people see it
	phoneID     = "1001"        // as the Cloud API names it
	currency    = "NOK"
)

// message is one outbound message as a sender registers it.
type message struct {
	id, template, campaign, variant, token string
	at                                     time.Time
}

func (m message) registration(c customer) Hit {
	body := object{
		"channel": "whatsapp", "message_id": m.id, "to": object{"phone": c.phone},
		"sender": phoneID, "sent_at": stamp(m.at),
	}
	if m.template != "" {
		body["template"] = object{"name": m.template, "language": c.language}
	}
	for name, value := range map[string]string{"campaign": m.campaign, "variant": m.variant, "click_token": m.token} {
		if value != "" {
			body[name] = value
		}
	}
	return Hit{At: m.at, Door: Messages, Body: body}
}

// status is one element of the Cloud API's statuses.
func (m message) status(c customer, state string, at time.Time) Hit {
	body := object{"id": m.id, "status": state, "timestamp": seconds(at), "recipient_id": c.waID()}
	switch state {
	case "failed":
		body["errors"] = []object{{"code": 131026, "title": "Message undeliverable"}}
	case "sent":
		body["pricing"] = object{"billable": true, "pricing_model": "PMP", "type": "regular", "category": "marketing"}
	}
	return Hit{At: at, Door: WhatsApp, Body: body}
}

// happening is what each thing a customer does has: an id of its own and a time.
type happening struct {
	id string
	at time.Time
}

// writes is one element of the Cloud API's messages, of the given type, with the
// content under the type's own name.
func (c customer) writes(h happening, kind string, content object) Hit {
	return Hit{At: h.at, Door: WhatsApp, Body: object{
		"from": c.waID(), "id": "wamid." + h.id, "timestamp": seconds(h.at), "type": kind, kind: content,
	}}
}

// answering makes an inbound message quote the message it answers.
func (h Hit) answering(m message) Hit {
	h.Body["context"] = object{"from": phoneNumber, "id": m.id}
	return h
}

// opens is a page view in the browser.
func (c customer) opens(h happening, path, referrer string) Hit {
	return Hit{At: h.at, Door: Pixel, Body: object{
		"type": "page", "messageId": h.id, "anonymousId": c.device, "timestamp": stamp(h.at),
		"properties": object{"url": site + path, "referrer": referrer, "title": "Demo shop"},
	}}
}

// identify is a customer signing in or typing an address into the checkout.
func identify(c customer, id string, at time.Time) Hit {
	body := object{
		"type": "identify", "messageId": id, "anonymousId": c.device, "timestamp": stamp(at),
		"traits": object{"phone": c.phone, "email": c.email},
	}
	if c.userID != "" {
		body["userId"] = c.userID
	}
	return Hit{At: at, Door: Pixel, Body: body}
}

// order is one purchase, which the browser and the shop's system both report.
type order struct {
	id    string
	value int // whole kroner
	at    time.Time
}

func (o order) properties() object {
	return object{"order_id": o.id, "value": fmt.Sprintf("%d.00", o.value), "currency": currency}
}

// inBrowser is the pixel's report of the order.
func (o order) inBrowser(c customer) Hit {
	return Hit{At: o.at, Door: Pixel, Body: object{
		"type": "track", "event": "Order Completed", "messageId": o.id + "-pixel", "anonymousId": c.device,
		"timestamp": stamp(o.at), "properties": o.properties(),
	}}
}

// inShop is the shop system's report, a few seconds later, signed.
func (o order) inShop(c customer) Hit {
	at := o.at.Add(4 * time.Second)
	return Hit{At: at, Door: Webhook, Body: object{
		"id": o.id + "-shop", "event": "Order Completed", "at": stamp(at),
		"phone": c.phone, "email": c.email, "properties": o.properties(),
	}}
}

// byServer is the report of a shop that calls the API instead of a webhook.
func (o order) byServer(c customer) Hit {
	at := o.at.Add(time.Second)
	return Hit{At: at, Door: Server, Body: object{
		"type": "track", "event": "Order Completed", "messageId": o.id + "-server", "userId": c.userID,
		"context":   object{"traits": object{"email": c.email}},
		"timestamp": stamp(at), "properties": o.properties(),
	}}
}

// refund gives back value kroner; 0 means all that remains.
func (o order) refund(value int, at time.Time) Hit {
	properties := object{"order_id": o.id, "refund_id": o.id + "-refund", "currency": currency}
	if value > 0 {
		properties["value"] = fmt.Sprintf("%d.00", value)
	}
	return Hit{At: at, Door: Webhook, Body: object{
		"id": o.id + "-refund", "event": "Order Refunded", "at": stamp(at), "properties": properties,
	}}
}

// chatOrder is a cart sent inside the chat.
func chatOrder(r func(int) int) object {
	p := products()[r(3)]
	return object{"catalog_id": "7", "product_items": []object{
		{"product_retailer_id": p.sku, "quantity": 1 + r(2), "item_price": p.price, "currency": currency},
	}}
}

// flowAnswer is a completed Flow that helps to choose a lamp.
func flowAnswer(choice string) object {
	fields, err := json.Marshal(map[string]string{"flow_token": "demo-flow", "room": choice})
	if err != nil {
		return object{} // unreachable: a map of texts is always JSON
	}
	return object{"type": "nfm_reply", "nfm_reply": object{"name": "flow", "body": "Sent", "response_json": string(fields)}}
}

// seconds is a time as the Cloud API writes it.
func seconds(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }
