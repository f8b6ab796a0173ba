package conversion

import (
	"cmp"
	"slices"
	"strings"

	"github.com/cockroachdb/apd/v3"
	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/internal/hit"
)

// The flags that conversions can carry. They are shown to users and decide nothing.
const (
	FlagNotANumber      = "value_not_a_number"      // a stated value was no finite number and was dropped
	FlagRefundExcess    = "refund_excess"           // the refund asked for more than was left
	FlagRefundCurrency  = "refund_currency_dropped" // a refund in another currency was dropped
	FlagRefundUnknown   = "refund_of_unknown_order" // nobody reported the order
	FlagIDTaken         = "conversion_id_taken"     // another conversion has this id; a number was added
	FlagBlocked         = "identifier_blocked"      // an identifier on the block list was passed over
	propertyCurrency    = "currency"
	propertyRefundID    = "refund_id"
	conversionIDByOrder = "order:"
)

// Event is something that happened, by all its copies.
type Event struct {
	Name    string
	OrderID string // trimmed; empty: none
	Copies  []Copy // most trusted first; at least one
}

// eventKey is what copies of one event share: the name with the order id, or
// without one with the event id. A copy with an order id and one without never do.
type eventKey struct {
	name, id string
	order    bool
}

// Events gathers copies into events, by name, order id and most trusted copy.
func Events(copies []Copy) []*Event {
	byKey := make(map[eventKey]*Event, len(copies))
	var events []*Event
	for _, c := range copies {
		k := eventKey{name: c.Name, id: c.ID}
		if c.OrderID != "" {
			k = eventKey{name: c.Name, id: c.OrderID, order: true}
		}
		e, known := byKey[k]
		if !known {
			e = &Event{Name: c.Name, OrderID: c.OrderID}
			byKey[k] = e
			events = append(events, e)
		}
		e.Copies = append(e.Copies, c)
	}
	for _, e := range events {
		slices.SortFunc(e.Copies, func(a, b Copy) int { return a.compare(&b) })
		e.Copies = dropLaterStatuses(e.Copies)
	}
	slices.SortFunc(events, func(a, b *Event) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.OrderID, b.OrderID), a.Lead().compare(b.Lead()))
	})
	return events
}

// dropLaterStatuses keeps the earliest of the statuses (captured, success) that report
// one payment: that one makes the event, the other is no copy of it.
func dropLaterStatuses(copies []Copy) []Copy {
	reported := false
	return slices.DeleteFunc(copies, func(c Copy) bool {
		status := c.Fact.Kind == hit.KindStatus
		later := status && reported
		reported = reported || status
		return later
	})
}

// Lead is the most trusted copy: it gives the event's id, time and place.
func (e *Event) Lead() *Copy { return &e.Copies[0] }

// Whose is the copy that says whose the event is: the most trusted with a strong
// identifier, else the most trusted.
func (e *Event) Whose() *Copy {
	for i := range e.Copies {
		if len(e.Copies[i].Fact.Identifiers) > 0 {
			return &e.Copies[i]
		}
	}
	return e.Lead()
}

// At returns when the event happened and how exactly that is known.
func (e *Event) At() (hit.Instant, hit.Precision) {
	return e.Lead().Fact.At, e.Lead().Fact.Precision
}

// meets reports whether all conditions hold on the merged properties: per property
// the most trusted copy that has it.
func (e *Event) meets(where map[string]string) bool {
	for name, want := range where {
		i := slices.IndexFunc(e.Copies, func(c Copy) bool { return c.Properties.has(name) })
		if i < 0 {
			return false
		}
		if text, ok := e.Copies[i].Properties.text(name); !ok || text != want {
			return false
		}
	}
	return true
}

// Amount is what a copy says an event is worth.
type Amount struct {
	Value    *apd.Decimal // nil: nothing
	Currency string       // upper case; empty: none stated
	Dropped  bool         // a stated value was no finite number
}

// amount returns what one copy states: the first of the properties that holds a
// finite number.
func (c *Copy) amount(properties []string) Amount {
	var a Amount
	for _, name := range properties {
		if !c.Properties.has(name) {
			continue
		}
		if value, ok := c.Properties.amount(name); ok {
			a.Value = value
			break
		}
		a.Dropped = true
	}
	if text, ok := c.Properties.text(propertyCurrency); ok {
		a.Currency = strings.ToUpper(strings.TrimSpace(text))
	}
	return a
}

// amount returns what the event is worth: value and currency together from the most
// trusted copy with a value.
func (e *Event) amount(d *policy.Definition) Amount {
	dropped := false
	for i := range e.Copies {
		a := e.Copies[i].amount(d.ValueProperties)
		dropped = dropped || a.Dropped
		if a.Value != nil {
			a.Dropped = dropped
			return a
		}
	}
	return Amount{Dropped: dropped}
}

// Owner is whose something is.
type Owner struct {
	Person     uuid.UUID // [uuid.Nil]: nobody
	Identified bool      // the person has a strong identifier
}
