package historytest_test

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/internal/hit"
)

// The cases that derivation by reach has been wrong about, or may be. What is named
// here has to occur in what is delivered; what the database or the workers show of them
// is in happened and in metrics.
const (
	caseOrphan    = "refund of nothing, of a device"
	caseDevices   = "refund of two devices"
	caseCommon    = "order of a person and of an anonymous device"
	caseTurns     = "device held in turn, logins out of order"
	caseMoved     = "refund moves to another order"
	caseOvertaken = "login behind an order of its device"
)

var cases = []string{caseOrphan, caseDevices, caseCommon, caseTurns, caseMoved, caseOvertaken}

// noteCases counts, per history, the cases that it has.
func (g *group) noteCases(met *counts) {
	for _, p := range g.pasts {
		c := newCaseBook(p.facts)
		for what, has := range map[string]bool{
			caseOrphan: c.orphan(), caseDevices: c.devices(), caseCommon: c.common(), caseTurns: c.turns(), caseMoved: c.moved(),
		} {
			if has {
				met.add(what, 1)
			}
		}
	}
	for i := range g.acts {
		if overtaken(g.acts[i].hits) {
			met.add(caseOvertaken, 1)
		}
	}
}

// caseBook is one history's facts in the order of their arrival, by what cases are about.
type caseBook struct {
	refunds, orders []report
	logins          map[string][]hit.Fact // by device
}

// report is a copy of an order's event or refund.
type report struct {
	fact            *hit.Fact
	key             uuid.UUID
	OrderID, Refund string
}

func newCaseBook(facts []hit.Fact) *caseBook {
	c := &caseBook{logins: map[string][]hit.Fact{}}
	for i := range facts {
		f := &facts[i]
		if f.Device != nil && len(f.Identifiers) > 0 {
			c.logins[f.Device.Value] = append(c.logins[f.Device.Value], *f)
		}
		var stated struct {
			Order  string `json:"order_id"`
			Refund string `json:"refund_id"`
		}
		if f.Event == nil || json.Unmarshal(f.Event.Properties, &stated) != nil || stated.Order == "" {
			continue
		}
		r := report{fact: f, key: f.Key(), OrderID: stated.Order, Refund: stated.Refund}
		if f.Event.Name == "Order Refunded" {
			c.refunds = append(c.refunds, r)
		} else {
			c.orders = append(c.orders, r)
		}
	}
	return c
}

func (c *caseBook) orphan() bool {
	return slices.ContainsFunc(c.refunds, func(r report) bool {
		return r.fact.Device != nil && !slices.ContainsFunc(c.orders, func(o report) bool { return o.OrderID == r.OrderID })
	})
}

func (c *caseBook) devices() bool {
	return pair(c.refunds, func(a, b report) bool {
		same := a.OrderID == b.OrderID && a.Refund == b.Refund && (a.Refund != "" || a.fact.ID == b.fact.ID)
		return same && a.fact.Device != nil && b.fact.Device != nil && a.fact.Device.Value != b.fact.Device.Value
	})
}

func (c *caseBook) common() bool {
	return pair(c.orders, func(a, b report) bool {
		anonymous := b.fact.Device != nil && len(b.fact.Identifiers) == 0 && len(c.logins[b.fact.Device.Value]) == 0
		return a.OrderID == b.OrderID && len(a.fact.Identifiers) > 0 && anonymous && a.fact.Event.Name != b.fact.Event.Name
	})
}

func (c *caseBook) moved() bool {
	return pair(c.refunds, func(a, b report) bool { return a.key == b.key && a.OrderID != b.OrderID })
}

// turns looks for a device that goes from one to another and back.
func (c *caseBook) turns() bool {
	for _, logins := range c.logins {
		byTime := slices.SortedStableFunc(slices.Values(logins), func(a, b hit.Fact) int { return cmp.Compare(a.At, b.At) })
		turns := 0
		for i := 1; i < len(byTime); i++ {
			if byTime[i].Identifiers[0].Value != byTime[i-1].Identifiers[0].Value {
				turns++
			}
		}
		inOrder := slices.IsSortedFunc(logins, func(a, b hit.Fact) int { return cmp.Compare(a.At, b.At) })
		if turns > 1 && !inOrder {
			return true
		}
	}
	return false
}

func pair(all []report, is func(a, b report) bool) bool {
	for _, a := range all {
		for _, b := range all {
			if is(a, b) {
				return true
			}
		}
	}
	return false
}

// overtaken looks for a login behind an order of its device, delivered together.
func overtaken(hits []hit.Hit) bool {
	ordered := map[string]bool{}
	for i := range hits {
		f := &hits[i].Fact
		if f.Device == nil || strings.HasSuffix(f.Device.Value, "guest") {
			continue
		}
		if len(f.Identifiers) > 0 && ordered[f.Device.Value] {
			return true
		}
		if f.Event != nil {
			ordered[f.Device.Value] = true
		}
	}
	return false
}
