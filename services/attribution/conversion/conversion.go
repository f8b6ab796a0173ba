package conversion

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/cockroachdb/apd/v3"
	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/internal/hit"
)

// second is one second in units of [hit.Instant].
const second hit.Instant = 1_000_000

// Conversion is an event that counts under a definition.
type Conversion struct {
	Definition *policy.Definition
	ID         string // "order:<order id>", else the event id
	Event      *Event
	Owner      Owner
	Value      *apd.Decimal // nil: none
	Currency   string       // upper case; empty without a value
	Flags      []string
	Refunds    []Refund // by (time, event id)
}

// Count is what [Conversions] found under all definitions.
type Count struct {
	Conversions []*Conversion // by definition, time, id
	Orphans     []Orphan      // refunds of orders that nobody reported
}

// Rules is what events are counted by.
type Rules struct {
	Definitions []policy.Definition
	Currency    string // of values that state none
	Owner       func(*hit.Fact) Owner
}

// Conversions counts events under every definition and settles their refunds.
func Conversions(events []*Event, rules Rules) Count {
	byName := map[string][]*Event{}
	for _, e := range events {
		byName[e.Name] = append(byName[e.Name], e)
	}
	var count Count
	for i := range rules.Definitions {
		d := &rules.Definitions[i]
		ids := identities{}
		counted, orders := rules.counted(d, byName[d.Event])
		for _, c := range counted {
			c.ID = ids.take(c.ID, &c.Flags)
		}
		if d.RefundEvent != "" {
			orphans := rules.refund(d, byName[d.RefundEvent], orders, ids)
			count.Orphans = append(count.Orphans, orphans...)
		}
		count.Conversions = append(count.Conversions, counted...)
	}
	return count
}

// identities are the conversion ids taken under one definition. Two conversions can
// ask for one only when a sender gives one event id to different things; both stay,
// the later with a number.
type identities map[string]bool

func (ids identities) take(id string, flags *[]string) string {
	free := id
	for n := 2; ids[free]; n++ {
		free = id + "#" + strconv.Itoa(n)
	}
	if free != id {
		*flags = append(*flags, FlagIDTaken)
	}
	ids[free] = true
	return free
}

// counted returns the events that count, and of every order reported its
// conversion, nil when it does not count.
func (r Rules) counted(d *policy.Definition, events []*Event) ([]*Conversion, map[string]*Conversion) {
	orders := map[string]*Conversion{}
	var all []*Conversion
	for _, e := range events {
		if e.OrderID != "" {
			orders[e.OrderID] = nil
		}
		if e.meets(d.Where) {
			all = append(all, r.conversion(d, e))
		}
	}
	slices.SortFunc(all, compareTime)
	last := map[uuid.UUID]hit.Instant{} // that counted, by person
	counted := all[:0]
	for _, c := range all {
		at, _ := c.Event.At()
		if d.OnceWithinSeconds > 0 && c.Owner.Person != uuid.Nil {
			before, has := last[c.Owner.Person]
			if has && at-before < hit.Instant(d.OnceWithinSeconds)*second {
				continue
			}
			last[c.Owner.Person] = at
		}
		if c.Event.OrderID != "" {
			orders[c.Event.OrderID] = c
		}
		counted = append(counted, c)
	}
	return counted, orders
}

// compareTime orders conversions by (time, conversion id); an order's goes before
// another that happens to have its id.
func compareTime(a, b *Conversion) int {
	atA, _ := a.Event.At()
	atB, _ := b.Event.At()
	return cmp.Or(cmp.Compare(atA, atB), cmp.Compare(a.ID, b.ID), cmp.Compare(b.Event.OrderID, a.Event.OrderID))
}

func (r Rules) conversion(d *policy.Definition, e *Event) *Conversion {
	c := &Conversion{Definition: d, ID: e.Lead().ID, Event: e, Owner: r.Owner(e.Whose().Fact)}
	if e.OrderID != "" {
		c.ID = conversionIDByOrder + e.OrderID
	}
	c.Flags = slices.Clone(e.Lead().Fact.Flags)
	a := e.amount(d)
	if a.Dropped {
		c.Flags = append(c.Flags, FlagNotANumber)
	}
	if a.Value != nil {
		c.Value, c.Currency = a.Value, cmp.Or(a.Currency, r.Currency)
	}
	return c
}
