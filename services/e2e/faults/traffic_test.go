//go:build linux

package faults

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/internal/hit"
)

// maker makes mixed traffic of some customers: messages to them, their statuses, page
// views with click tokens, sign-ins, orders from the shop's server and its webhook. Every
// id is unique.
type maker struct {
	w        *world
	name     string // part of every id
	padding  string
	random   *rand.Rand
	made     int
	messages []sent
}

// sent is a message that was registered, or may have been.
type sent struct {
	id, token string
	customer  int
	read      bool // its statuses were made
}

type object = map[string]any

// customers is how many people the traffic is of at a time. Others come in their place
// after so many ids: each order gives credit to every message before it, so that with the
// same people an hour's traffic would come to millions of credits.
const (
	customers = 50
	turnover  = 2000
)

func (m *maker) id(kind string) string {
	m.made++
	return fmt.Sprintf("%s-%s-%d", kind, m.name, m.made)
}

func stamp() string { return time.Now().UTC().Format(time.RFC3339Nano) }

func phone(customer int) string { return fmt.Sprintf("+479%07d", 1_234_000+customer) }

func device(customer int) string { return fmt.Sprintf("device-%d", customer) }

// next is a request of a random kind.
func (m *maker) next() request {
	customer := m.random.IntN(customers) + customers*(m.made/turnover)
	switch n := m.random.IntN(100); {
	case n < 30:
		return m.registrations(customer)
	case n < 45:
		return m.statuses(customer)
	case n < 70:
		return m.pixel(customer)
	case n < 85:
		return m.track(customer)
	default:
		return m.webhook(customer)
	}
}

// serverKey is the Authorization of a source's key.
func (m *maker) serverKey() map[string]string {
	return map[string]string{
		"Content-Type":  "application/json",
		"Authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte(m.w.sources["server"].WriteKey+":")),
	}
}

func encode(body any) []byte {
	text, err := json.Marshal(body)
	if err != nil {
		panic(err) // of texts and numbers
	}
	return text
}

// registrations tells of two messages.
func (m *maker) registrations(customer int) request {
	r := request{Path: "/v1/messages", Header: m.serverKey()}
	var list []object
	for range 2 {
		s := sent{id: m.id("message"), customer: customer}
		s.token = "token-" + s.id
		m.messages = append(m.messages, s)
		list = append(list, object{
			"channel": "whatsapp", "message_id": s.id, "to": object{"phone": phone(customer)}, "click_token": s.token,
			"template": object{"name": "spring", "language": "nb"}, "campaign": "c1" + m.padding, "sender": "1001", "sent_at": stamp(),
		})
		r.Facts = append(r.Facts, (&hit.Fact{Kind: hit.KindMessage, Channel: "whatsapp", ID: s.id}).Key())
	}
	r.Body = encode(object{"messages": list})
	return r
}

// statuses tells that a message was delivered and read.
func (m *maker) statuses(customer int) request {
	if len(m.messages) == 0 || m.messages[len(m.messages)-1].read {
		return m.registrations(customer)
	}
	last := &m.messages[len(m.messages)-1]
	last.read = true
	r := request{Path: "/v1/messages/statuses", Header: m.serverKey()}
	var list []object
	for _, state := range []hit.Status{"delivered", "read"} {
		list = append(list, object{"channel": "whatsapp", "message_id": last.id, "status": string(state), "at": stamp()})
		r.Facts = append(r.Facts, (&hit.Fact{Kind: hit.KindStatus, Channel: "whatsapp", ID: last.id, Status: state}).Key())
	}
	r.Body = encode(object{"statuses": list})
	return r
}

// pixel is a beacon: a page opened, perhaps through a message's link, a sign-in, an
// order.
func (m *maker) pixel(customer int) request {
	page := "https://shop.example/?p=" + m.padding
	if len(m.messages) > 0 && m.random.IntN(2) == 0 {
		page += "&mt=" + m.messages[m.random.IntN(len(m.messages))].token
	}
	ids := []string{m.id("page"), m.id("identify"), m.id("order")}
	key := m.w.sources["pixel"].ID
	return request{
		Path: "/e", Header: map[string]string{"Content-Type": "text/plain"},
		Body: encode(object{"writeKey": m.w.sources["pixel"].WriteKey, "sentAt": stamp(), "batch": []object{
			{"type": "page", "messageId": ids[0], "anonymousId": device(customer), "timestamp": stamp(), "properties": object{"url": page}},
			{"type": "identify", "messageId": ids[1], "anonymousId": device(customer), "timestamp": stamp(), "traits": object{"phone": phone(customer)}},
			{
				"type": "track", "event": "Order Completed", "messageId": ids[2], "anonymousId": device(customer), "timestamp": stamp(),
				"properties": object{"order_id": ids[2], "value": "100.00", "currency": "NOK"},
			},
		}}),
		Facts: []uuid.UUID{keyOf(hit.KindPage, key, ids[0]), keyOf(hit.KindIdentify, key, ids[1]), keyOf(hit.KindEvent, key, ids[2])},
	}
}

// track is one event of the shop's server.
func (m *maker) track(customer int) request {
	id := m.id("track")
	return request{
		Path: "/v1/track", Header: m.serverKey(),
		Body: encode(object{
			"event": "Order Completed", "messageId": id, "userId": fmt.Sprintf("u-%d", customer), "timestamp": stamp(),
			"context":    object{"traits": object{"phone": phone(customer)}},
			"properties": object{"order_id": id, "value": "250.50", "currency": "NOK", "note": m.padding},
		}),
		Facts: []uuid.UUID{keyOf(hit.KindEvent, m.w.sources["server"].ID, id)},
	}
}

// webhook is a signed callback of the shop.
func (m *maker) webhook(customer int) request {
	id := m.id("hook")
	return m.signed(id, object{
		"id": id, "event": "Order Completed", "at": stamp(), "phone": phone(customer),
		"properties": object{"order_id": id, "value": "75.00", "currency": "NOK", "note": m.padding},
	})
}

// signed is a callback with any body; the id is that of its event.
func (m *maker) signed(id string, body object) request {
	text := encode(body)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(text)
	return request{
		Path: m.w.sources["webhook"].WebhookPath, Body: text,
		Header: map[string]string{"Content-Type": "application/json", "X-Signature-256": "sha256=" + hex.EncodeToString(mac.Sum(nil))},
		Facts:  []uuid.UUID{keyOf(hit.KindEvent, m.w.sources["webhook"].ID, id)},
	}
}

func keyOf(kind hit.Kind, source uuid.UUID, id string) uuid.UUID {
	return (&hit.Fact{Kind: kind, Source: source, ID: id}).Key()
}
