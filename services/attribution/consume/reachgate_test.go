package consume

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/derive"
	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/internal/hit"
)

// gate is what is known, what comes, and why that is not derived by reach.
type gate struct {
	name    string
	known   []hit.Fact
	comes   hit.Fact
	refused string // empty: it is
}

func at(f hit.Fact, minute int) hit.Fact {
	f.Source = uuid.NewSHA1(uuid.NameSpaceOID, []byte{byte(f.Trust)})
	f.At = hit.InstantOf(noon.Add(time.Duration(minute) * time.Minute))
	f.ReceivedAt = hit.InstantOf(noon.Add(24 * time.Hour))
	return f
}

func says(id, call, device string, ids ...hit.Identifier) hit.Fact {
	f := hit.Fact{Kind: hit.KindIdentify, ID: id, Trust: hit.TrustServer, Identifiers: ids, Identify: &hit.Identify{Call: call}}
	if device != "" {
		f.Device = &hit.Identifier{Kind: hit.Device, Value: device}
	}
	return f
}

func user(value string) hit.Identifier   { return hit.Identifier{Kind: hit.UserID, Value: value} }
func number(value string) hit.Identifier { return hit.Identifier{Kind: hit.Phone, Value: value} }

func views(id, device, query string) hit.Fact {
	return hit.Fact{
		Kind: hit.KindPage, ID: id, Trust: hit.TrustBrowser, Device: &hit.Identifier{Kind: hit.Device, Value: device},
		Page: &hit.Page{URL: "https://shop.example/" + query},
	}
}

func buys(id, name string, ids ...hit.Identifier) hit.Fact {
	return hit.Fact{
		Kind: hit.KindEvent, ID: id, Trust: hit.TrustServer, Identifiers: ids, Event: &hit.Event{Name: name, Properties: []byte(`{"value":"5"}`)},
	}
}

func sends(to ...hit.Identifier) hit.Fact {
	return hit.Fact{
		Kind: hit.KindMessage, Channel: hit.ChannelWhatsApp, ID: "wamid.1", Trust: hit.TrustServer, Identifiers: to,
		Message: &hit.Message{Sender: "1001", Campaign: "c", Token: "t1"},
	}
}

func reports(status hit.Status, to ...hit.Identifier) hit.Fact {
	return hit.Fact{
		Kind: hit.KindStatus, Channel: hit.ChannelWhatsApp, ID: "wamid.1", Status: status, Trust: hit.TrustWebhook, Identifiers: to,
		Report: &hit.Report{Sender: "1001"},
	}
}

func writes(id string, from ...hit.Identifier) hit.Fact {
	return hit.Fact{
		Kind: hit.KindInbound, Channel: hit.ChannelWhatsApp, ID: id, Trust: hit.TrustWebhook, Identifiers: from,
		Inbound: &hit.Inbound{Business: "1001", Type: "text", Text: "hello"},
	}
}

// busyDevice is a device with more facts than a change reads all of, a user's from the
// beginning, and of that user a phone.
func busyDevice() []hit.Fact {
	return []hit.Fact{
		at(says("a", "identify", "d", user("u1"), number("1")), 0), at(views("b", "d", ""), 100), at(views("c", "d", ""), 200),
		at(says("o", "identify", "", user("u2"), number("2")), 1),
	}
}

func gates() []gate {
	return []gate{
		{"two user_ids that an alias names", append(busyDevice(), at(says("x", "identify", "", user("u1"), user("u2")), 2)), at(says("y", "alias", "", user("u1"), user("u2")), 3), "alias"},
		{"a link of strangers", busyDevice(), at(says("x", "identify", "", number("1"), number("3")), 300), "link"},
		{"the same link again, later", busyDevice(), at(says("x", "identify", "", user("u1"), number("1")), 300), ""},
		{"the same link, earlier", busyDevice(), at(says("x", "identify", "", user("u1"), number("1")), -1), "link"},
		{"a new primary takes the place of the one that linked", append(busyDevice(), at(sends(number("1")), 10), at(reports(hit.StatusSent, hit.Identifier{Kind: hit.Email, Value: "e"}), 11)), at(reports(hit.StatusRead, user("u1")), 12), "link"},
		{"a phone before the user that named the person", append(busyDevice(), at(views("f", "e", ""), 0)), at(buys("x", "Order Completed", number("1")), -1), "name"},
		{"a phone after it", busyDevice(), at(buys("x", "Order Completed", number("1")), 300), ""},
		{"another's login on the device", busyDevice(), at(says("x", "identify", "d", user("u2")), 300), "claim"},
		{"a login before the first", busyDevice(), at(says("x", "identify", "d", user("u1")), -300), "claim"},
		{"a login of the device's holder", busyDevice(), at(says("x", "identify", "d", user("u1")), 300), ""},
		{"a click on another's message, after a login", append(busyDevice(), at(sends(number("2")), 10)), at(views("x", "d", "?mt=t1"), 300), ""},
		{"a click on another's message, before a login", append(busyDevice(), at(sends(number("2")), -900)), at(views("x", "d", "?mt=t1"), -300), "claim"},
		{"a page view of the device's holder", busyDevice(), at(views("x", "d", "?gclid=1"), 120), ""},
		{"a page view that draws the first login back", busyDevice(), at(views("x", "d", ""), -10), "claim"},
		{"a message between another and the answer to it", append(busyDevice(), at(sends(number("1")), 10), at(writes("in", number("1")), 30), at(buys("x", "Order Completed", user("u1")), 320)), at(func() hit.Fact { f := sends(number("1")); f.ID = "wamid.2"; return f }(), 20), ""},
		{"the same, and the answer counts for longer than the message", append(busyDevice(), at(sends(number("1")), 10), at(writes("in", number("1")), 730), at(buys("x", "Order Completed", user("u1")), 10_440)), at(func() hit.Fact { f := sends(number("1")); f.ID = "wamid.2"; return f }(), 20), ""},
		{"a visit within the second in which somebody bought", append(busyDevice(), func() hit.Fact {
			f := at(buys("x", "Order Completed", user("u1")), 320)
			f.Precision = hit.PrecisionSecond
			return f
		}()), func() hit.Fact { f := at(views("y", "d", "?gclid=1"), 320); f.At += 500_000; return f }(), ""},
		{"a purchase soon after a click on an old message", append(busyDevice(), at(sends(number("1")), 10), at(hit.Fact{Kind: hit.KindClick, Channel: hit.ChannelWhatsApp, ID: "k", Trust: hit.TrustBrowser, Click: &hit.Click{Token: "t1", Method: "GET"}}, 10_000)), at(buys("x", "Order Completed", user("u1")), 13_000), ""},
		{"a purchase after a click on a message to another", append(busyDevice(), at(sends(number("2")), 10), at(views("y", "d", "?gclid=1&mt=t1"), 300)), at(buys("x", "Order Completed", user("u1")), 320), ""},
		{"a status of a message that was answered", append(busyDevice(), at(sends(number("1")), 10), at(writes("in", number("1")), 30)), at(reports(hit.StatusRead), 40), ""},
		{"an answer to a message", append(busyDevice(), at(sends(number("1")), 10), at(buys("x", "Order Completed", user("u1")), 320)), at(writes("in", number("1")), 30), ""},
		{"an event that counts once", busyDevice(), at(buys("x", "Lead", user("u1")), 300), "once"},
		{"a visit before an event that counts once", append(busyDevice(), at(buys("x", "Lead", user("u1")), 320)), at(views("y", "d", "?gclid=1"), 300), "once"},
		{"a new name on its own", append(busyDevice(), at(sends(number("1")), 10)), at(func() hit.Fact {
			f := views("x", "", "?mt=t1")
			f.Device, f.Identifiers = nil, []hit.Identifier{user("u9")}
			return f
		}(), 300), ""},
		{"a stranger buys on the device", busyDevice(), at(func() hit.Fact {
			f := buys("x", "Order Completed", user("u9"))
			f.Device = busyDevice()[0].Device
			return f
		}(), 300), "claim"},
		{"a copy that replaces another", append(busyDevice(), at(buys("x", "Order Completed", user("u1")), 300)), at(buys("x", "Order Completed", user("u1")), 299), "replaced"},
	}
}

// Each gate that a change has to pass to be derived by reach is closed to the change
// that it is there for, and open to its like that is harmless; and either way the table
// is right.
func TestReach_gates(t *testing.T) {
	t.Parallel()
	d, ring := newDatabase(t), newRing(t)
	rules := policy.Default()
	rules.Conversions = append(rules.Conversions, policy.Definition{Name: "lead", Event: "Lead", ValueProperties: []string{"value"}, OnceWithinSeconds: 3600})
	for _, g := range gates() {
		p := newPlay(t, d, ring, &rules)
		p.begin(t, g.known)
		p.store(t, []hit.Fact{g.comes})
		p.derive(t)
		if g.refused == "" && p.last.Reached != 1 || g.refused != "" && p.last.Refused[g.refused] != 1 {
			t.Errorf("%s: %+v, want refused: %q", g.name, p.last, g.refused)
		}
		p.compare(t)
	}
}

// A change that waits in the queue behind others counts as not concluded from: what was
// before is the same for both.
func TestReach_behindOthers(t *testing.T) {
	t.Parallel()
	d, ring := newDatabase(t), newRing(t)
	rules := policy.Default()
	p := newPlay(t, d, ring, &rules)
	p.cfg.BatchRows = 1
	p.deriver = derive.New(p.derives(), p.cfg)
	p.begin(t, append(busyDevice(), at(views("g", "d", "?gclid=1"), 250), at(buys("h", "Order Completed", user("u1")), 320)))
	// Either joins the sessions at 250 and 305; with the other it changes nothing.
	p.store(t, []hit.Fact{at(views("p", "d", "?gclid=1"), 305)})
	p.compare(t)
	p.store(t, []hit.Fact{at(views("q", "d", ""), 276), at(views("r", "d", ""), 277)})
	p.compare(t)
	if len(p.last.Refused) > 0 {
		t.Errorf("refused: %v", p.last.Refused)
	}
}

// Of several large persons that something came of at once, one that cannot be derived by
// reach leaves the others alone.
func TestReach_halves(t *testing.T) {
	t.Parallel()
	d, ring := newDatabase(t), newRing(t)
	rules := policy.Default()
	p := newPlay(t, d, ring, &rules)
	p.begin(t, append(busyDevice(), at(says("q", "identify", "", user("u7"), number("7")), 1), at(says("r", "identify", "", user("u8"), number("8")), 1)))
	p.store(t, []hit.Fact{
		at(buys("x", "Order Completed", user("u7")), 300), at(says("y", "identify", "", number("2"), number("3")), 300), at(buys("z", "Order Completed", number("8")), 300),
	})
	p.derive(t)
	if p.last.Reached != 2 || p.last.Refused["link"] != 1 {
		t.Errorf("%+v, want two by reach and one refused for its link", p.last)
	}
	p.compare(t)
}
