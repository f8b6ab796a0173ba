package consume

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/touchline/touchline/services/attribution/derive"
	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/attribution/reftest"
	"github.com/touchline/touchline/services/internal/hit"
)

// What is concluded from facts apart from their persons, when they come in about the order
// in which they happened, and the rest whole or by reach, is what is derived whole.
func TestApart_isWhole(t *testing.T) {
	t.Parallel()
	counts := newPathCounts()
	playAll(t, counts, inOrder, func(random *rand.Rand, cfg *derive.Config) {
		cfg.Apart, cfg.Small = true, []int{0, 1, 5}[random.IntN(3)]
	})
	for _, kind := range []hit.Kind{hit.KindMessage, hit.KindStatus, hit.KindPage, hit.KindEvent} {
		t.Logf("%-10s %5d apart of %5d", kind, counts.apart[string(kind)], counts.all[string(kind)])
		if counts.apart[string(kind)]*10 < counts.all[string(kind)] {
			t.Errorf("%s: fewer than one in ten apart", kind)
		}
	}
}

// inOrder draws what comes in about the order in which it happened.
func inOrder(random *rand.Rand, seed int) (known []hit.Fact, history reftest.History) {
	if seed%4 > 0 {
		return nil, reftest.Calms().Example(seed)
	}
	known, history = tangled(random, seed/4)
	slices.SortStableFunc(history.Facts, func(a, b hit.Fact) int { return cmp.Compare(a.At, b.At) })
	return known, history
}

func sum(counts map[string]int) (total int) {
	for _, n := range counts {
		total += n
	}
	return total
}

// narrow is what is known, what comes, and whether that is concluded from apart.
type narrow struct {
	name  string
	known []hit.Fact
	comes []hit.Fact
	apart int
}

func one(f hit.Fact, minute int) []hit.Fact { return []hit.Fact{at(f, minute)} }

func of(f hit.Fact, change func(*hit.Fact)) hit.Fact {
	change(&f)
	return f
}

// someone is a user with a phone and a device, who was sent a message.
func someone(more ...hit.Fact) []hit.Fact {
	return append(append(busyDevice(), at(sends(number("1")), 210)), more...)
}

func narrows() []narrow {
	second := func(f *hit.Fact) { f.ID, f.Message = "wamid.2", &hit.Message{Sender: "1001", Campaign: "c"} }
	wrote := at(writes("in", number("1")), 220)
	mail := hit.Identifier{Kind: hit.Email, Value: "e"}
	linked := someone(at(says("l", "identify", "", number("3"), mail), 10), at(of(reports(hit.StatusSent, mail), func(f *hit.Fact) { f.ID, f.Report.Group = "wamid.3", true }), 5))
	return []narrow{
		{"a page view behind all others", someone(), one(views("x", "d", "?gclid=1"), 300), 1},
		{"two of one device", someone(), []hit.Fact{at(views("x", "d", "?gclid=1"), 300), at(views("y", "d", ""), 290)}, 2},
		{"one of a device that nobody knows", nil, one(views("x", "new", "?gclid=1"), 300), 1},
		{"one before another", someone(), one(views("x", "d", "?gclid=1"), 150), 0},
		{"one at the time of another", someone(), one(views("x", "d", "?gclid=1"), 200), 0},
		{"one before something was bought", someone(at(buys("o1", "Order Completed", user("u1")), 310)), one(views("x", "d", "?gclid=1"), 300), 0},
		{"one within the second in which it was", someone(of(at(buys("o1", "Order Completed", user("u1")), 300), func(f *hit.Fact) { f.Precision = hit.PrecisionSecond })), []hit.Fact{
			of(at(views("x", "d", "?gclid=1"), 300), func(f *hit.Fact) { f.At += 500_000 }),
		}, 0},
		{"one after it", someone(at(buys("o1", "Order Completed", user("u1")), 290)), one(views("x", "d", "?gclid=1"), 300), 1},
		{"two with a login between them", someone(at(says("y", "identify", "d", user("u2")), 300)), []hit.Fact{
			at(views("x", "d", "?gclid=1"), 290), at(views("z", "d", "?gclid=1"), 310),
		}, 0},
		{
			"one on a device that passed to who bought", someone(at(says("y", "identify", "d", user("u2")), 280), at(buys("o1", "Order Completed", user("u2")), 310)),
			one(views("x", "d", "?gclid=1"), 300), 0,
		},
		{
			"one on a device that passed from who bought", someone(at(says("y", "identify", "d", user("u2")), 280), at(buys("o1", "Order Completed", user("u1")), 310)),
			one(views("x", "d", "?gclid=1"), 300), 1,
		},
		{"one with a click token", someone(), one(views("x", "d", "?mt=t1"), 300), 0},
		{"one with a name", someone(), one(of(views("x", "d", ""), func(f *hit.Fact) { f.Identifiers = []hit.Identifier{user("u1")} }), 300), 0},
		{"one beside a login on the device", someone(), []hit.Fact{at(views("x", "d", "?gclid=1"), 300), at(says("y", "identify", "d", user("u2")), 290)}, 1},
		{"one behind a login on the device", someone(), []hit.Fact{at(views("x", "d", "?gclid=1"), 290), at(says("y", "identify", "d", user("u2")), 300)}, 0},
		{"one before an order that comes with it", someone(), []hit.Fact{at(views("x", "d", "?gclid=1"), 290), at(buys("y", "Order Completed", user("u1")), 300)}, 1},

		{"a status beside an earlier copy of another", someone(at(reports(hit.StatusDelivered, number("1")), 230)), []hit.Fact{
			at(reports(hit.StatusDelivered, number("1")), 220), at(reports(hit.StatusRead, number("1")), 240),
		}, 0},
		{"a status", someone(), one(reports(hit.StatusDelivered, number("1")), 230), 1},
		{"two statuses", someone(), []hit.Fact{at(reports(hit.StatusDelivered, number("1")), 230), at(reports(hit.StatusRead, number("1")), 240)}, 2},
		{"one of a message that was answered", someone(wrote), one(reports(hit.StatusRead, number("1")), 230), 0},
		{"one of a message that was answered by its id", someone(of(wrote, func(f *hit.Fact) { f.Inbound.Context = "wamid.1" })), one(reports(hit.StatusRead, number("1")), 230), 0},
		{"one of a message that was clicked", someone(at(views("v", "d", "?mt=t1"), 220)), one(reports(hit.StatusRead, number("1")), 230), 0},
		{"one that names somebody else", someone(), one(reports(hit.StatusDelivered, number("2")), 230), 0},
		{"one that names the user too", someone(), one(reports(hit.StatusDelivered, number("1"), user("u1")), 230), 0},
		{"one of a group's message", someone(), one(of(reports(hit.StatusDelivered, number("1")), func(f *hit.Fact) { f.Report.Group = true }), 230), 0},
		{
			"one of a message of which a group's member reported", someone(at(of(reports(hit.StatusDelivered, number("1")), func(f *hit.Fact) { f.Report.Group = true }), 220)),
			one(reports(hit.StatusRead, number("1")), 230), 0,
		},
		{"a failure after something was bought", someone(at(buys("o1", "Order Completed", user("u1")), 220)), one(of(reports(hit.StatusFailed, number("1")), func(f *hit.Fact) { f.Report.Reason = "r" }), 230), 0},
		{"a message to somebody known", someone(), one(of(sends(number("1")), second), 300), 1},
		{"one before something was bought", someone(at(buys("o1", "Order Completed", user("u1")), 310)), one(of(sends(number("1")), second), 300), 0},
		{"one before an answer", someone(at(writes("in", number("1")), 310)), one(of(sends(number("1")), second), 300), 0},
		{"one to somebody new", someone(), one(of(sends(number("9")), second), 300), 0},
		{"one whose token another message has", someone(), one(of(sends(number("1")), func(f *hit.Fact) { f.ID = "wamid.2" }), 300), 0},
		{"two that come with one token", someone(), []hit.Fact{
			at(of(sends(number("1")), func(f *hit.Fact) { f.ID, f.Message = "wamid.2", &hit.Message{Sender: "1001", Token: "t2"} }), 300),
			at(of(sends(number("1")), func(f *hit.Fact) { f.ID, f.Message = "wamid.3", &hit.Message{Sender: "1001", Token: "t2"} }), 301),
		}, 0},
		{"one to a name that was stated later", someone(), one(of(sends(number("1")), second), -1), 0},
		{"one to a name that only a group's status carries before", linked, one(of(sends(mail), second), 6), 0},
		{"one to a name behind what stated it", linked, one(of(sends(mail), second), 60), 1},

		{"an event that counts for nothing", someone(), one(buys("x", "Product Viewed", user("u1")), 300), 1},
		{"one of a name that was stated later", someone(), one(buys("x", "Product Viewed", number("1")), -1), 0},
		{"one that somebody else reports too", someone(at(of(buys("x", "Product Viewed", user("u1")), func(f *hit.Fact) { f.Trust = hit.TrustBrowser }), 299)), one(buys("x", "Product Viewed", number("1")), 300), 0},
		{"one with two names", someone(), one(buys("x", "Product Viewed", user("u1"), number("1")), 300), 0},
		{"one that counts", someone(), one(buys("x", "Order Completed", user("u1")), 300), 0},
		{"a refund", someone(), one(buys("x", "Order Refunded", user("u1")), 300), 0},
		{"one on a device", someone(), one(of(buys("x", "Product Viewed", user("u1")), func(f *hit.Fact) { f.Device = views("", "d", "").Device }), 300), 0},
		{"one of somebody new", someone(), one(buys("x", "Product Viewed", user("u9")), 300), 0},
	}
}

// Each thing that keeps a fact from being concluded from apart does, and its like that is
// harmless does not; and either way the table is right.
func TestApart_gates(t *testing.T) {
	t.Parallel()
	d, ring := newDatabase(t), newRing(t)
	rules := policy.Default()
	rules.Conversions[0].RefundEvent = "Order Refunded"
	for _, n := range narrows() {
		p := newPlay(t, d, ring, &rules)
		p.cfg.Apart, p.cfg.Small, p.cfg.BatchRows = true, 0, 100
		p.deriver = derive.New(p.derives(), p.cfg)
		p.begin(t, n.known)
		p.store(t, n.comes)
		p.derive(t)
		if got := sum(p.last.Apart); got != n.apart {
			t.Errorf("%s: %d apart, want %d: %+v", n.name, got, n.apart, p.last)
		}
		p.compare(t)
		if t.Failed() {
			t.Fatal(n.name)
		}
	}
}

// Rows far behind in the queue are concluded from together with those at hand that they
// hang together with, once, and their hits are counted.
func TestDerive_takesWhatItHasDerived(t *testing.T) {
	t.Parallel()
	d, ring := newDatabase(t), newRing(t)
	rules := policy.Default()
	p := newPlay(t, d, ring, &rules)
	p.cfg.BatchRows, p.cfg.Small = 1, 0
	p.deriver = derive.New(p.derives(), p.cfg)
	p.store(t, []hit.Fact{
		at(buys("a", "Order Completed", user("u1")), 1), at(buys("b", "Order Completed", user("u2")), 2), at(views("c", "d", ""), 3), at(buys("e", "Order Completed", user("u1")), 4),
	})
	p.derive(t)
	if waiting := p.count1(t, `select count(*) from touched where workspace_id = $1`); waiting != 2 || p.last.Touched != 2 {
		t.Errorf("%d rows wait, want those of the others: %+v", waiting, p.last)
	}
	if pending := p.count1(t, `select coalesce(sum(stored), 0) from ledger_batch where workspace_id = $1`); pending != 2 {
		t.Errorf("%d hits are booked as stored, want 2", pending)
	}
	p.compare(t)
}
