// Package traffic makes the requests that benchmarks send: the mix of a shop that sends
// WhatsApp campaigns, single calls, batches, callbacks, and the facts of one busy person.
// Everything follows from numbers, so that two runs send the same.
package traffic

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/touchline/touchline/services/e2e/bench/load"
)

// Doors is where requests go and what they sign in with.
type Doors struct {
	ServerKey, PixelKey string
	WhatsApp, Secret    string // path of callbacks, and what they are signed with
}

// object is one JSON object.
type object = map[string]any

const (
	site     = "https://shop.example"
	sender   = "1001" // as the Cloud API names the shop's number
	currency = "NOK"
	language = "nb"
)

// encode cannot fail: objects here hold texts and numbers.
func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("traffic: %v", err)) // a value that is no JSON was put in above
	}
	return b
}

// batch is a call of the Segment API.
func (d Doors) batch(key string, calls []object) load.Request {
	return load.Post("/v1/batch", load.Key(key), encode(object{"batch": calls}), len(calls))
}

// registration is a call of the API for messages.
func (d Doors) registration(messages []object) load.Request {
	return load.Post("/v1/messages", load.Key(d.ServerKey), encode(object{"messages": messages}), len(messages))
}

// callback is one of the Cloud API, signed.
func (d Doors) callback(kind string, items []object) load.Request {
	body := encode(object{"object": "whatsapp_business_account", "entry": []object{{"id": "2001", "changes": []object{{
		"field": "messages", "value": object{
			"messaging_product": "whatsapp",
			"metadata":          object{"display_phone_number": "15550001001", "phone_number_id": sender},
			kind:                items,
		},
	}}}}})
	return load.Post(d.WhatsApp, load.Signature(d.Secret, body), body, len(items))
}

// stamp writes a time with milliseconds, as the SDKs do.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// seconds writes a time as the Cloud API does.
func seconds(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }

// phone is that of a person, without the plus: Norwegian mobile numbers from 40000000 on.
func phone(person int) string { return fmt.Sprintf("47%d", 40_000_000+person) }

// event is the call that the reference's bodies are laid out like.
func event(n int) object {
	return object{
		"type": "track", "userId": fmt.Sprint("u", n%5000), "anonymousId": fmt.Sprint("a", n%7000),
		"event": "Order Completed", "messageId": fmt.Sprint("m-", n), "timestamp": stamp(time.Now()),
		"context": object{
			"page":      object{"url": site + "/checkout?utm_source=google&utm_medium=cpc", "referrer": "https://www.google.com/"},
			"userAgent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/150.0 Safari/537.36",
			"locale":    "nb-NO",
		},
		"properties": object{"order_id": fmt.Sprint("o", n), "value": "249.00", "currency": currency},
	}
}

// Singles are n calls of one event each.
func (d Doors) Singles(n int) []load.Request {
	requests := make([]load.Request, n)
	for i := range requests {
		requests[i] = load.Post("/v1/track", load.Key(d.ServerKey), encode(event(i)), 1)
	}
	return requests
}

// Batches are n calls of a hundred events each.
func (d Doors) Batches(n int) []load.Request {
	requests := make([]load.Request, n)
	for i := range requests {
		calls := make([]object, 100)
		for k := range calls {
			calls[k] = event(i*100 + k)
		}
		requests[i] = d.batch(d.ServerKey, calls)
	}
	return requests
}

// Callbacks are n callbacks of twenty statuses each.
func (d Doors) Callbacks(n int) []load.Request {
	requests := make([]load.Request, n)
	for i := range requests {
		statuses := make([]object, 20)
		for k := range statuses {
			number := i*20 + k
			statuses[k] = status(fmt.Sprint("wamid.bench", number/3), number%5000, []string{"sent", "delivered", "read"}[number%3], time.Now())
		}
		requests[i] = d.callback("statuses", statuses)
	}
	return requests
}

// status is one of a message.
func status(id string, person int, state string, at time.Time) object {
	s := object{"id": id, "status": state, "timestamp": seconds(at), "recipient_id": phone(person)}
	if state != "read" {
		s["conversation"] = object{"id": "c-" + id, "origin": object{"type": "marketing"}}
		s["pricing"] = object{"billable": true, "pricing_model": "PMP", "type": "regular", "category": "marketing"}
	}
	return s
}
