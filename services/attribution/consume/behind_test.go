package consume

import (
	"fmt"
	"testing"

	"github.com/touchline/touchline/services/attribution/derive"
	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/internal/hit"
)

// A refund's copy is replaced by one of another order. Of that order something is first
// in the queue and the replaced copy behind it: by then the fact has the new order already,
// and the row of the old one must go with it.
func TestDerive_replacedBehindOthers(t *testing.T) {
	t.Parallel()
	d, ring := newDatabase(t), newRing(t)
	rules := policy.Default()
	rules.Conversions[0].RefundEvent = "Order Refunded"
	of := func(f hit.Fact, order string) hit.Fact {
		f.Event.Properties = []byte(`{"value":"5","order_id":"` + order + `"}`)
		return f
	}
	for name, small := range map[string]int{"whole": 0, "by reach": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlay(t, d, ring, &rules)
			p.cfg.BatchRows, p.cfg.Small = 1, small
			p.deriver = derive.New(p.derives(), p.cfg)
			p.begin(t, []hit.Fact{
				at(of(buys("a", "Order Completed", user("u1")), "o1"), 10), at(of(buys("b", "Order Completed", user("u2")), "o2"), 20),
				at(of(buys("r", "Order Refunded"), "o1"), 200),
			})
			p.store(t, []hit.Fact{at(of(buys("c", "Order Completed", user("u2")), "o2"), 21)})
			p.store(t, []hit.Fact{at(of(buys("r", "Order Refunded"), "o2"), 100)})
			p.compare(t)
		})
	}
}

// The same, but the refund's first copy waits too, and the row of its order was written
// before its turn: what comes before it in the queue was derived with all that is stored.
func TestReach_replacedBeforeItsTurn(t *testing.T) {
	t.Parallel()
	d, ring := newDatabase(t), newRing(t)
	rules := policy.Default()
	rules.Conversions[0].RefundEvent = "Order Refunded"
	of := func(f hit.Fact, order string) hit.Fact {
		f.Event.Properties = []byte(`{"value":"5","order_id":"` + order + `"}`)
		return f
	}
	p := newPlay(t, d, ring, &rules)
	const others = 6 // more than are looked at behind the row at hand
	p.begin(t, []hit.Fact{
		at(of(buys("a", "Order Completed", user("u1")), "o1"), 10), at(of(buys("b", "Order Completed", user("u2")), "o2"), 20),
		at(says("l", "identify", "", user("u1"), number("1")), 5),
	})
	p.cfg.BatchRows, p.cfg.Small = 1, 0
	p.deriver = derive.New(p.derives(), p.cfg)
	p.store(t, []hit.Fact{at(of(buys("c", "Order Completed", user("u1")), "o1"), 11)})
	for n := range others {
		p.store(t, []hit.Fact{at(views(fmt.Sprint("v", n), fmt.Sprint("other", n), ""), 100)})
	}
	p.store(t, []hit.Fact{at(of(buys("r", "Order Refunded"), "o1"), 200)})
	p.derive(t)
	if waiting := p.count1(t, `select count(*) from touched where workspace_id = $1`); waiting != others+1 {
		t.Fatalf("%d rows wait, not the refund's and those before it", waiting)
	}
	p.store(t, []hit.Fact{at(of(buys("r", "Order Refunded"), "o2"), 100)})
	p.cfg.Small = 1
	p.deriver = derive.New(p.derives(), p.cfg)
	p.compare(t)
}
