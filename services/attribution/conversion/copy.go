// Package conversion concludes what counts: which facts report one event, which
// events are conversions under a policy, what they are worth and what refunds take
// back (attribution.md section 4). It is pure; money is exact decimals throughout.
package conversion

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/touchline/touchline/services/attribution/fact"
	"github.com/touchline/touchline/services/attribution/keyword"
	"github.com/touchline/touchline/services/attribution/touch"
	"github.com/touchline/touchline/services/internal/hit"
)

// Names of the events made from WhatsApp messages and statuses.
const (
	EventMessage = "whatsapp.message"
	EventOrder   = "whatsapp.order"
	EventButton  = "whatsapp.button"
	EventFlow    = "whatsapp.flow"
	EventPayment = "whatsapp.payment"
)

// Copy is one report of an event.
type Copy struct {
	Fact       *hit.Fact // the fact it was made from
	ID         string    // of the event
	Name       string
	InThread   bool
	OrderID    string // trimmed; empty: none
	Properties Properties
}

// compare is the order of the copies of one event: (trust, strongest first;
// occurred_at; event id). Status and source only make it total.
func (c *Copy) compare(d *Copy) int {
	return cmp.Or(cmp.Compare(d.Fact.Trust, c.Fact.Trust), cmp.Compare(c.Fact.At, d.Fact.At), cmp.Compare(c.ID, d.ID),
		cmp.Compare(c.Fact.Status, d.Fact.Status), bytes.Compare(c.Fact.Source[:], d.Fact.Source[:]))
}

// Copies returns every event that a fact reports, none for most kinds.
func Copies(f *hit.Fact, rules *keyword.Set) []Copy {
	switch {
	case f.Kind == hit.KindEvent && f.Event != nil:
		return []Copy{{
			Fact: f, ID: f.ID, Name: f.Event.Name, InThread: f.Event.InThread,
			OrderID: fact.OrderID(f.Event.Properties), Properties: ParseProperties(f.Event.Properties),
		}}
	case f.Channel != hit.ChannelWhatsApp:
		return nil
	case f.Kind == hit.KindInbound && f.Inbound != nil && !touch.Notice(f.Inbound):
		return inboundCopies(f, rules)
	case f.Kind == hit.KindStatus && f.Report != nil && f.Report.Payment != nil && paid(f.Status):
		c := inThread(f, EventPayment, amountProperties(&f.Report.Payment.Amount))
		c.ID = f.ID + ":payment"
		c.Properties.setText("reference", f.Report.Payment.Reference)
		return []Copy{c}
	}
	return nil
}

func paid(s hit.Status) bool {
	return s == hit.StatusPaymentPrefix+"captured" || s == hit.StatusPaymentPrefix+"success"
}

// inboundCopies returns the events that one inbound message makes.
func inboundCopies(f *hit.Fact, rules *keyword.Set) []Copy {
	in := f.Inbound
	copies := []Copy{inThread(f, EventMessage, Properties{})}
	switch {
	case in.Type == "order":
		copies = append(copies, inThread(f, EventOrder, amountProperties(in.Order)))
	case in.Interact == "nfm_reply":
		c := inThread(f, EventFlow, ParseProperties(in.Fields))
		c.OrderID = fact.OrderID(in.Fields)
		copies = append(copies, c)
	case slices.Contains([]string{"button", "button_reply", "list_reply"}, in.Interact):
		c := inThread(f, EventButton, Properties{})
		c.Properties.setText("payload", in.Payload)
		c.Properties.setText("title", in.Title)
		copies = append(copies, c)
	}
	if in.Type == "text" && rules != nil {
		copies = append(copies, keywordCopies(f, rules)...)
	}
	return copies
}

// keywordCopies logs the event of every rule that matches, each name once.
func keywordCopies(f *hit.Fact, rules *keyword.Set) []Copy {
	var copies []Copy
	for _, match := range rules.Match(f.Inbound.Text) {
		c := inThread(f, match.Event, Properties{})
		if match.Value != "" {
			c.Properties = amountProperties(&hit.Amount{Amount: match.Value, Currency: match.Currency})
		}
		c.ID = f.ID + ":" + match.Event
		copies = append(copies, c)
	}
	return copies
}

func inThread(f *hit.Fact, name string, properties Properties) Copy {
	return Copy{Fact: f, ID: f.ID, Name: name, InThread: true, Properties: properties}
}
