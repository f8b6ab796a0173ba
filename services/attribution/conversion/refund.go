package conversion

import (
	"cmp"
	"slices"
	"strings"

	"github.com/cockroachdb/apd/v3"

	"github.com/touchline/touchline/services/attribution/policy"
)

// Refund takes value off a conversion.
type Refund struct {
	ID     string // of the refund's event
	Copy   *Copy
	Before *apd.Decimal // what was left of the conversion's value
	After  *apd.Decimal // what is left now
	Flags  []string
}

// Orphan is a refund of an order that nobody reported.
type Orphan struct {
	Definition *policy.Definition
	ID         string
	Copy       *Copy
	Owner      Owner
	Value      *apd.Decimal // minus what it states; nil: it states nothing
	Currency   string
	Flags      []string
}

// refund settles the refunds of one definition's orders and returns those of orders
// nobody reported.
func (r Rules) refund(d *policy.Definition, events []*Event, orders map[string]*Conversion, ids identities) []Orphan {
	var orphans []Orphan
	for _, e := range events {
		if e.OrderID == "" {
			continue
		}
		original, reported := orders[e.OrderID]
		for _, c := range refundCopies(e) {
			switch {
			case !reported:
				orphans = append(orphans, r.orphan(d, c, ids))
			case original != nil && original.Value != nil:
				original.take(c, ids)
			}
		}
	}
	return orphans
}

// refundCopies returns the refunds of one order by (time, event id): of those with
// one refund id, or without one with one event id, the most trusted copy.
func refundCopies(e *Event) []*Copy {
	seen := map[refundKey]bool{}
	var refunds []*Copy
	for i := range e.Copies {
		c := &e.Copies[i]
		if k := c.refundKey(); !seen[k] {
			seen[k] = true
			refunds = append(refunds, c)
		}
	}
	slices.SortStableFunc(refunds, func(a, b *Copy) int {
		return cmp.Or(cmp.Compare(a.Fact.At, b.Fact.At), cmp.Compare(a.ID, b.ID))
	})
	return refunds
}

// refundKey is what the copies of one refund share.
type refundKey struct {
	id       string
	refundID bool
}

func (c *Copy) refundKey() refundKey {
	if text, ok := c.Properties.text(propertyRefundID); ok && strings.TrimSpace(text) != "" {
		return refundKey{id: strings.TrimSpace(text), refundID: true}
	}
	return refundKey{id: c.ID}
}

// take takes one refund off what is left of c, toward zero and never past it.
func (c *Conversion) take(refund *Copy, ids identities) {
	a := refund.amount(c.Definition.ValueProperties)
	if a.Currency != "" && a.Currency != c.Currency {
		c.Flags = append(c.Flags, FlagRefundCurrency)
		return
	}
	before := c.Value
	if n := len(c.Refunds); n > 0 {
		before = c.Refunds[n-1].After
	}
	one := Refund{Copy: refund, Before: before, Flags: slices.Clone(refund.Fact.Flags)}
	if a.Dropped {
		one.Flags = append(one.Flags, FlagNotANumber)
	}
	one.ID = ids.take(refund.ID, &one.Flags)
	left := new(apd.Decimal).Abs(before)
	asked := left
	if a.Value != nil {
		asked = new(apd.Decimal).Abs(a.Value)
	}
	if asked.Cmp(left) > 0 {
		one.Flags = append(one.Flags, FlagRefundExcess)
		asked = left
	}
	one.After = Subtract(left, asked)
	if before.Negative {
		one.After.Neg(one.After)
	}
	c.Refunds = append(c.Refunds, one)
}

func (r Rules) orphan(d *policy.Definition, c *Copy, ids identities) Orphan {
	o := Orphan{Definition: d, Copy: c, Owner: r.Owner(c.Fact), Flags: slices.Clone(c.Fact.Flags)}
	o.Flags = append(o.Flags, FlagRefundUnknown)
	o.ID = ids.take(c.ID, &o.Flags)
	a := c.amount(d.ValueProperties)
	if a.Dropped {
		o.Flags = append(o.Flags, FlagNotANumber)
	}
	if a.Value != nil {
		o.Value = new(apd.Decimal).Abs(a.Value)
		o.Value = Subtract(apd.New(0, 0), o.Value)
		o.Currency = cmp.Or(a.Currency, r.Currency)
	}
	return o
}

// Subtract returns a - b exactly.
func Subtract(a, b *apd.Decimal) *apd.Decimal {
	d := new(apd.Decimal)
	// Precision 0 is exact. Amounts of at most maxDigits digits cannot overflow, the
	// only condition that could be reported here.
	_, _ = apd.BaseContext.Sub(d, a, b)
	if d.IsZero() {
		return apd.New(0, 0)
	}
	return d
}
