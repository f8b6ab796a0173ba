package consume

import (
	"testing"

	"github.com/touchline/touchline/services/attribution/derive"
	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/internal/hit"
)

// A registration that comes late gives a message its campaign. The implicit reply to the
// message shows it too, also where it counts for longer than the message's own times.
func TestReach_lateCampaignOfImplicitReply(t *testing.T) {
	t.Parallel()
	d, ring := newDatabase(t), newRing(t)
	rules := policy.Default()
	p := newPlay(t, d, ring, &rules)
	p.begin(t, append(busyDevice(), at(reports(hit.StatusSent, number("1")), 10), at(writes("in", number("1")), 1390),
		at(buys("x", "Order Completed", user("u1")), 10_390)))
	p.store(t, []hit.Fact{at(sends(number("1")), 11)})
	p.derive(t)
	t.Logf("%+v", p.last)
	p.compare(t)
}

// Two refunds of an order that nobody reported: the row of each befalls whoever holds
// its own device, not that of the most trusted copy.
func TestReach_orphanRefundOfADevice(t *testing.T) {
	t.Parallel()
	d, ring := newDatabase(t), newRing(t)
	rules := policy.Default()
	rules.Conversions[0].RefundEvent = "Order Refunded"
	refund := func(id, device string, trust hit.Trust) hit.Fact {
		f := buys(id, "Order Refunded")
		f.Trust, f.Device = trust, &hit.Identifier{Kind: hit.Device, Value: device}
		f.Event.Properties = []byte(`{"value":"5","order_id":"o1","refund_id":"` + id + `"}`)
		return f
	}
	p := newPlay(t, d, ring, &rules)
	p.begin(t, []hit.Fact{at(refund("r1", "d1", hit.TrustServer), 10), at(refund("r2", "d2", hit.TrustBrowser), 20)})
	p.store(t, []hit.Fact{at(says("x", "identify", "d2", user("u5")), 15)})
	p.derive(t)
	t.Logf("%+v", p.last)
	p.compare(t)
}

// A page view behind others in the queue takes the device from its holder. The one before it
// in the queue sees the view, but not yet whose it is.
func TestReach_behindOthers_claim(t *testing.T) {
	t.Parallel()
	d, ring := newDatabase(t), newRing(t)
	rules := policy.Default()
	p := newPlay(t, d, ring, &rules)
	p.cfg.BatchRows, p.cfg.Device = 1, 200
	p.deriver = derive.New(p.derives(), p.cfg)
	p.begin(t, busyDevice())
	view := at(views("y", "d", "?gclid=1"), 300)
	view.Identifiers = []hit.Identifier{user("u2")}
	p.store(t, []hit.Fact{at(buys("x", "Order Completed", user("u1")), 320)})
	p.store(t, []hit.Fact{view})
	p.compare(t)
}

// The same without a login of its own: it draws an earlier one back.
func TestReach_behindOthers_reachBack(t *testing.T) {
	t.Parallel()
	d, ring := newDatabase(t), newRing(t)
	rules := policy.Default()
	p := newPlay(t, d, ring, &rules)
	p.cfg.BatchRows, p.cfg.Device = 1, 200
	p.deriver = derive.New(p.derives(), p.cfg)
	p.begin(t, append(busyDevice(), at(views("v", "d", ""), 310), at(says("l", "identify", "d", user("u2")), 315)))
	p.store(t, []hit.Fact{at(buys("x", "Order Completed", user("u1")), 320)})
	p.store(t, []hit.Fact{at(views("y", "d", "?gclid=1"), 300)})
	p.compare(t)
}

// Two events of one order befall two persons, one of them a device that nobody claimed. What moves
// the one derives the other again too, for which the visits of that device are needed.
func TestReach_orderOfAnAnonymousDevice(t *testing.T) {
	t.Parallel()
	d, ring := newDatabase(t), newRing(t)
	rules := policy.Default()
	rules.Conversions = append(rules.Conversions, policy.Definition{Name: "checkout", Event: "Checkout", ValueProperties: []string{"value"}})
	order := func(f hit.Fact) hit.Fact {
		f.Event.Properties = []byte(`{"value":"5","order_id":"o1"}`)
		return f
	}
	checkout := order(buys("c", "Checkout"))
	checkout.Trust, checkout.Device = hit.TrustBrowser, &hit.Identifier{Kind: hit.Device, Value: "d9"}
	p := newPlay(t, d, ring, &rules)
	p.begin(t, append(busyDevice(), at(views("v9", "d9", "?gclid=1"), 290), at(checkout, 310), at(order(buys("x", "Order Completed", user("u1"))), 320)))
	p.store(t, []hit.Fact{at(views("y", "d", "?gclid=1"), 300)})
	p.derive(t)
	t.Logf("%+v", p.last)
	p.compare(t)
}

// An order that comes too soon after another does not count for a definition that
// counts once within a time. A visit before it derives it again, alone.
func TestReach_onceUncounted(t *testing.T) {
	t.Parallel()
	d, ring := newDatabase(t), newRing(t)
	rules := policy.Default()
	rules.Conversions[0].OnceWithinSeconds = 0
	rules.Windows = []policy.Window{{Conversion: "purchase", Seconds: 86400}, {Seconds: 60}}
	rules.Conversions = append(rules.Conversions, policy.Definition{Name: "once", Event: "Order Completed", ValueProperties: []string{"value"}, OnceWithinSeconds: 86_400})
	p := newPlay(t, d, ring, &rules)
	p.begin(t, append(busyDevice(), at(buys("x", "Order Completed", user("u1")), 320), at(buys("y", "Order Completed", user("u1")), 1700)))
	p.store(t, []hit.Fact{at(views("z", "d", "?gclid=1"), 1690)})
	p.derive(t)
	t.Logf("%+v", p.last)
	p.compare(t)
}
