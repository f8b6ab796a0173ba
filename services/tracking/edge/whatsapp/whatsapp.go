// Package whatsapp reads the webhooks of Meta's WhatsApp Cloud API (field by field
// as in the notes of README.md) into items. It is pure; signature and verification
// are the caller's.
//
// A body that Meta signed is never refused: what is not understood becomes a raw
// fact, because there is no way to ask for it again, and because Meta repeats for
// days what is not answered with 200.
package whatsapp

import (
	"encoding/json"
	"slices"
	"unicode/utf8"

	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/tracking/edge/lenient"
	"github.com/touchline/touchline/services/tracking/intake"
)

// maxUnclean is how large a body may be, in bytes, in which some are no UTF-8. Each of
// them becomes three when it is cleaned, and the hit must still fit in its encoding.
const maxUnclean = hit.MaxEncoded / 4

// Decode reads one body: every change of every entry, and every element of each. One
// of more than [intake.MaxItems], which Meta does not send, is kept as it is.
func Decode(body []byte) []intake.Item {
	if !lenient.Valid(body) || len(body) > maxUnclean && !utf8.Valid(body) {
		return []intake.Item{{
			Raw:     body,
			Refusal: &intake.Refusal{Reason: intake.Malformed, Detail: "the signed body is no JSON"},
		}}
	}
	o, _ := lenient.Read(body)
	// Each item takes a byte and one to its neighbour: most bodies are too short to be counted.
	long := len(body) > 2*intake.MaxItems
	if o.Text("object") != "whatsapp_business_account" || long && size(o) > intake.MaxItems {
		return []intake.Item{raw(nil, body, "")}
	}
	var items []intake.Item
	for entry := range lenient.Elements(o.Get("entry")) {
		e, _ := lenient.Read(entry)
		found := false
		for c := range lenient.Elements(e.Get("changes")) {
			found = true
			items = decodeChange(items, e, c)
		}
		if !found {
			items = append(items, raw(nil, entry, e.Text("time")))
		}
	}
	if len(items) == 0 {
		return []intake.Item{raw(nil, body, "")}
	}
	return items
}

// size is how many items a body has at most.
func size(o lenient.Object) int {
	n := 0
	for entry := range lenient.Elements(o.Get("entry")) {
		n++
		e, _ := lenient.Read(entry)
		for c := range lenient.Elements(e.Get("changes")) {
			n++
			inner, _ := lenient.Read(c)
			for _, array := range inner.Object("value").All() {
				n += lenient.Count(array)
			}
		}
	}
	return n
}

// change is one element of an entry's changes.
type change struct {
	field string
	value lenient.Object
	// stamp is what tells equal contents of two notices apart: the account's id and,
	// on account-level fields, Meta's time.
	stamp []byte
	time  string // Meta's, in seconds; only account-level fields have one
	// business is the number that the change is about: its stable id, else what is
	// displayed of it.
	business string
	contacts []lenient.Object
}

// decodeChange adds what a change brings to items.
func decodeChange(items []intake.Item, entry lenient.Object, body []byte) []intake.Item {
	o, _ := lenient.Read(body)
	c := change{
		field: o.Text("field"),
		value: o.Object("value"),
		stamp: append(append([]byte(nil), entry.Get("id")...), entry.Get("time")...),
		time:  entry.Text("time"),
	}
	metadata := c.value.Object("metadata")
	if c.business = metadata.Text("phone_number_id"); c.business == "" {
		c.business = metadata.Text("display_phone_number")
	}
	for contact := range lenient.Elements(c.value.Get("contacts")) {
		inner, _ := lenient.Read(contact)
		c.contacts = append(c.contacts, inner)
	}
	before := len(items)
	switch c.field {
	case "messages":
		items = c.messages(items)
	case "user_id_update":
		items = c.userIDUpdates(items)
	}
	if len(items) == before { // another field, or nothing of what this one can carry
		return append(items, c.rawWhole(body))
	}
	return items
}

// messages reads the field of that name. Its value may carry any of the arrays, and
// a value-level error beside them.
func (c *change) messages(items []intake.Item) []intake.Item {
	n, statuses := lenient.Count(c.value.Get("messages")), lenient.Count(c.value.Get("statuses"))
	items = slices.Grow(items, n+statuses)
	index := 0
	for element := range lenient.Elements(c.value.Get("messages")) {
		items = append(items, c.inbound(element, c.sender(element, index, n)))
		index++
	}
	index = 0
	for element := range lenient.Elements(c.value.Get("statuses")) {
		items = append(items, c.status(element, index, statuses))
		index++
	}
	for _, name := range []string{"user_actions", "errors"} {
		for element := range lenient.Elements(c.value.Get(name)) {
			items = append(items, c.rawElement(name, element))
		}
	}
	return items
}

// userIDUpdates reads the notices that a user's business-scoped id changed.
func (c *change) userIDUpdates(items []intake.Item) []intake.Item {
	for element := range lenient.Elements(c.value.Get("user_id_update")) {
		o, _ := lenient.Read(element)
		id := o.Object("user_id")
		if id.Text("current") == "" {
			items = append(items, c.rawElement(c.field, element))
			continue
		}
		items = append(items, intake.Item{
			Fact: hit.Fact{
				Kind:     hit.KindIdentify,
				ID:       intake.ContentID(c.stamp, []byte(c.field), element),
				Identify: &hit.Identify{Call: c.field},
			},
			Names: []intake.Name{
				{Kind: intake.WaID, Text: o.Text("wa_id")},
				{Kind: hit.BSUID, Text: id.Text("previous")},
				{Kind: hit.BSUID, Text: id.Text("current")},
			},
			Stated:    intake.Stated{Text: o.Text("timestamp"), Seconds: true},
			Raw:       element,
			Anonymous: true,
		})
	}
	return items
}

// raw keeps a document that no rule reads, of a time in seconds that may be empty.
// Its id is a digest of it, so that Meta's repetitions are the same fact.
func raw(stamp, document []byte, seconds string) intake.Item {
	return intake.Item{
		Fact: hit.Fact{
			Kind: hit.KindRaw, Channel: hit.ChannelWhatsApp,
			ID: intake.ContentID(stamp, document), Raw: document,
		},
		Stated:    intake.Stated{Text: seconds, Seconds: true},
		Raw:       document,
		Anonymous: true,
	}
}

// rawWhole keeps a change as it is.
func (c *change) rawWhole(body []byte) intake.Item { return raw(c.stamp, body, c.time) }

// rawElement keeps one element of one of a change's arrays, in a change of its own
// that is laid out as Meta's.
func (c *change) rawElement(name string, element []byte) intake.Item {
	value := map[string]any{name: []json.RawMessage{element}}
	if metadata := c.value.Get("metadata"); metadata != nil {
		value["metadata"] = metadata
	}
	document, err := json.Marshal(map[string]any{"field": c.field, "value": value})
	if err != nil {
		document = element // unreachable: the parts were valid JSON
	}
	o, _ := lenient.Read(element)
	seconds := o.Text("timestamp")
	if seconds == "" {
		seconds = c.time
	}
	return raw(c.stamp, document, seconds)
}
