// Package webhook reads the signed webhook of any system that can sign JSON: one
// event per body. It is pure.
package webhook

import (
	"errors"

	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/tracking/edge/country"
	"github.com/touchline/touchline/services/tracking/edge/lenient"
	"github.com/touchline/touchline/services/tracking/intake"
)

// ErrMalformed is a body that is no JSON object.
var ErrMalformed = errors.New("webhook: the body must be a JSON object")

// Decode reads a body:
//
//	{"id", "event", "at", "phone"?, "email"?, "user_id"?, "anonymous_id"?,
//	 "in_thread"?, "properties": {}}
//
// None of the identifiers is needed: an order's copy without any still says what the
// order was worth, and others say whose it was.
func Decode(body []byte) ([]intake.Item, error) {
	if !lenient.Valid(body) {
		return nil, ErrMalformed
	}
	o, ok := lenient.Read(body)
	if !ok {
		return nil, ErrMalformed
	}
	name, _ := o.String("event")
	code := country.Of(o.Object("properties"))
	item := intake.Item{
		Fact: hit.Fact{
			Kind: hit.KindEvent,
			ID:   o.Text("id"),
			Event: &hit.Event{
				Name:     name,
				InThread: o.True("in_thread") || o.Object("properties").True("in_thread"),
				Country:  code,
			},
		},
		Names: []intake.Name{
			{Kind: hit.UserID, Text: o.Text("user_id")},
			{Kind: hit.Phone, Text: o.Text("phone")},
			{Kind: hit.Email, Text: o.Text("email")},
			{Kind: hit.Device, Text: o.Text("anonymous_id")},
		},
		Country:   code,
		Stated:    intake.Stated{Text: o.Text("at"), Seconds: lenient.Kind(o.Get("at")) == '0'},
		Raw:       body,
		Anonymous: true,
	}
	if lenient.Kind(o.Get("properties")) == '{' {
		item.Fact.Event.Properties = o.Get("properties")
	}
	if item.Fact.ID == "" {
		item.Fact.ID = intake.ContentID(body)
	}
	return []intake.Item{item}, nil
}
