package conversion

import (
	"slices"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/internal/hit"
)

// Reason says why something that a definition names is no conversion.
type Reason string

// The reasons. The first two are of conversions, the rest of refunds.
const (
	Counts            Reason = ""
	WhereFailed       Reason = "where"                      // a condition does not hold
	OnceWithin        Reason = "once_within"                // one of that person counted shortly before
	RefundNoOrder     Reason = "refund_without_order"       // it names no order
	RefundRepeated    Reason = "refund_repeated"            // another copy of this refund counts
	RefundOfUncounted Reason = "refund_of_uncounted"        // its order does not count
	RefundOfNothing   Reason = "refund_of_no_value"         // its order has no value
	RefundCurrency    Reason = "refund_of_another_currency" // it states another currency than its order
)

// Verdict says whether something counts and, if not, what stood in the way.
type Verdict struct {
	Reason Reason

	Property string // WhereFailed: the condition, what it wants and what the event has
	Wanted   string
	Stated   string // empty also when it is absent

	Other   string      // OnceWithin: id of the conversion that counted; RefundRepeated: of the refund that does
	OtherAt hit.Instant // when that was
}

// Found is what one definition makes of a conversion id.
type Found struct {
	Verdict
	Definition *policy.Definition
	Conversion *Conversion // the conversion, or of a refund the original; nil when nobody reported that
	Refund     *Copy       // nil: it is no refund
	Taken      *Refund     // what the refund takes off; nil unless it counts
	Orphan     *Orphan     // the refund of an order that nobody reported
}

// Find returns what each definition makes of a conversion id, counted or not: those
// that know it, in the policy's order. Count is what [Conversions] found in the same
// events under the same rules.
func Find(events []*Event, rules Rules, count Count, id string) []Found {
	var all []Found
	for i := range rules.Definitions {
		f := finder{rules: rules, definition: &rules.Definitions[i], events: events, id: id}
		f.keep(count)
		if found, ok := f.find(); ok {
			found.Definition = f.definition
			all = append(all, found)
		}
	}
	return all
}

// finder looks for one id under one definition.
type finder struct {
	rules      Rules
	definition *policy.Definition
	events     []*Event
	id         string
	counted    []*Conversion // of the definition, by (time, id)
	orphans    []Orphan
}

func (f *finder) keep(count Count) {
	for _, c := range count.Conversions {
		if c.Definition == f.definition {
			f.counted = append(f.counted, c)
		}
	}
	for _, o := range count.Orphans {
		if o.Definition == f.definition {
			f.orphans = append(f.orphans, o)
		}
	}
}

func (f *finder) find() (Found, bool) {
	if found, ok := f.counts(); ok {
		return found, true
	}
	for _, e := range f.events {
		if e.Name != f.definition.Event {
			continue
		}
		if c := f.rules.conversion(f.definition, e); c.ID == f.id {
			return Found{Verdict: f.uncounted(c), Conversion: c}, true
		}
	}
	return f.idleRefund()
}

// counts finds what counts under the id.
func (f *finder) counts() (Found, bool) {
	for _, c := range f.counted {
		if c.ID == f.id {
			return Found{Conversion: c}, true
		}
		for i := range c.Refunds {
			if r := &c.Refunds[i]; r.ID == f.id {
				return Found{Conversion: c, Refund: r.Copy, Taken: r}, true
			}
		}
	}
	for i := range f.orphans {
		if o := &f.orphans[i]; o.ID == f.id {
			return Found{Refund: o.Copy, Orphan: o}, true
		}
	}
	return Found{}, false
}

// uncounted says why an event that the definition names does not count.
func (f *finder) uncounted(c *Conversion) Verdict {
	if name, failed := c.Event.fails(f.definition.Where); failed {
		return Verdict{Reason: WhereFailed, Property: name, Wanted: f.definition.Where[name], Stated: c.Event.stated(name)}
	}
	v := Verdict{Reason: OnceWithin}
	for _, before := range f.counted {
		if before.Owner.Person == c.Owner.Person && before.Owner.Person != uuid.Nil && compareTime(before, c) < 0 {
			v.Other = before.ID
			v.OtherAt, _ = before.Event.At()
		}
	}
	return v
}

// idleRefund finds a refund that takes nothing off anything.
func (f *finder) idleRefund() (Found, bool) {
	for _, e := range f.events {
		if f.definition.RefundEvent == "" || e.Name != f.definition.RefundEvent {
			continue
		}
		for i := range e.Copies {
			if c := &e.Copies[i]; c.ID == f.id {
				return f.idle(e, c), true
			}
		}
	}
	return Found{}, false
}

func (f *finder) idle(e *Event, refund *Copy) Found {
	found := Found{Refund: refund}
	if e.OrderID == "" {
		found.Reason = RefundNoOrder
		return found
	}
	settled := refundCopies(e)
	if !slices.Contains(settled, refund) {
		found.Reason = RefundRepeated
		if same := slices.IndexFunc(settled, refund.sameRefund); same >= 0 {
			found.Other, found.OtherAt = settled[same].ID, settled[same].Fact.At
		}
	}
	for _, order := range f.events {
		if order.Name == f.definition.Event && order.OrderID == e.OrderID {
			found.Conversion = f.rules.conversion(f.definition, order)
		}
	}
	if found.Reason != Counts || found.Conversion == nil {
		return found
	}
	counted := slices.ContainsFunc(f.counted, func(c *Conversion) bool { return c.Event == found.Conversion.Event })
	switch {
	case !counted:
		found.Reason = RefundOfUncounted
	case found.Conversion.Value == nil:
		found.Reason = RefundOfNothing
	default:
		found.Reason = RefundCurrency
	}
	return found
}

// sameRefund reports whether d is a copy of the refund that c is a copy of.
func (c *Copy) sameRefund(d *Copy) bool { return c.refundKey() == d.refundKey() }

// fails returns the first condition, by name, that does not hold.
func (e *Event) fails(where map[string]string) (string, bool) {
	var failed []string
	for name, want := range where {
		if !e.meets(map[string]string{name: want}) {
			failed = append(failed, name)
		}
	}
	if len(failed) == 0 {
		return "", false
	}
	return slices.Min(failed), true
}

// stated is the text that the most trusted copy has for a property.
func (e *Event) stated(name string) string {
	for i := range e.Copies {
		if e.Copies[i].Properties.has(name) {
			text, _ := e.Copies[i].Properties.text(name)
			return text
		}
	}
	return ""
}

// Valued returns the index of the copy that gives the event's value; -1: none has one.
func (e *Event) Valued(d *policy.Definition) int {
	return slices.IndexFunc(e.Copies, func(c Copy) bool { return c.amount(d.ValueProperties).Value != nil })
}
