package consume

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/internal/hit"
)

// crowd draws the life of one large component: two people who are known from the
// start, with two devices each, and a shop's phone typed in for every guest.
type crowd struct {
	*rand.Rand
	facts []hit.Fact
	next  int
}

// bigPerson draws a crowd's life: known says who is who, late are about n facts from
// any time after, in no order.
func bigPerson(random *rand.Rand, n int) (known, late []hit.Fact) {
	c := &crowd{Rand: random}
	for who := range 2 {
		c.login(-10*24*60, who, 0, true)
		c.login(-10*24*60+1, who, 1, true)
	}
	for guest := range 22 { // both come to be shared
		c.together(-9*24*60+guest, guestPhone, guestEmail(guest))
		c.together(-9*24*60+guest, hit.Identifier{Kind: hit.Phone, Value: fmt.Sprintf("+47230000%02d", guest)}, guestEmail(0))
	}
	for family := range 20 { // one more and this phone is shared too
		c.together(-8*24*60+family, familyPhone, guestEmail(100+family))
	}
	known, c.facts = c.facts, nil
	for len(c.facts) < n {
		scenes := []func(){c.visit, c.visit, c.visit, c.message, c.message, c.status, c.status, c.status, c.click, c.inbound, c.inbound, c.order, c.order, c.refund, c.guest, c.relogin}
		scenes[c.IntN(len(scenes))]()
	}
	if c.IntN(3) == 0 {
		c.together(c.minute(), familyPhone, guestEmail(0))
	}
	c.Shuffle(len(c.facts), func(i, j int) { c.facts[i], c.facts[j] = c.facts[j], c.facts[i] })
	return known, c.facts
}

var (
	guestPhone  = hit.Identifier{Kind: hit.Phone, Value: "+4722000000"}
	familyPhone = hit.Identifier{Kind: hit.Phone, Value: "+4724000000"}
)

func guestEmail(n int) hit.Identifier {
	return hit.Identifier{Kind: hit.Email, Value: fmt.Sprintf("guest%d@example.com", n)}
}

// together states two identifiers.
func (c *crowd) together(minute int, ids ...hit.Identifier) {
	c.add(hit.Fact{Kind: hit.KindIdentify, ID: c.id("i"), Trust: hit.TrustServer, Identify: &hit.Identify{Call: "identify"}, Identifiers: ids}, minute)
}

// minute draws one of six days, mostly where others are too.
func (c *crowd) minute() int { return c.IntN(6)*24*60 + c.IntN(4)*7 + c.IntN(2)*31 }

func (c *crowd) id(prefix string) string {
	c.next++
	return fmt.Sprint(prefix, c.next)
}

func (c *crowd) add(f hit.Fact, minute int) {
	f.Source = uuid.NewSHA1(uuid.NameSpaceOID, []byte{byte(f.Trust)})
	f.At = hit.InstantOf(noon.Add(time.Duration(minute) * time.Minute))
	f.ReceivedAt = hit.InstantOf(noon.Add(30 * 24 * time.Hour))
	c.facts = append(c.facts, f)
}

// names are some of the names of one of the two.
func (c *crowd) names(who int, all bool) []hit.Identifier {
	ids := []hit.Identifier{
		{Kind: hit.UserID, Value: fmt.Sprint("user-", who)},
		{Kind: hit.Phone, Value: fmt.Sprint("+479000000", who)},
		{Kind: hit.Email, Value: fmt.Sprintf("%d@example.com", who)},
	}
	if all {
		return ids
	}
	return ids[c.IntN(3):][:1]
}

func (c *crowd) phone() []hit.Identifier {
	if c.IntN(5) == 0 {
		return []hit.Identifier{guestPhone}
	}
	return c.names(c.IntN(2), true)[1:2]
}

func (c *crowd) device() *hit.Identifier {
	return &hit.Identifier{Kind: hit.Device, Value: fmt.Sprintf("device-%d-%d", c.IntN(2), c.IntN(2))}
}

func (c *crowd) login(minute, who, device int, all bool) {
	c.add(hit.Fact{
		Kind: hit.KindIdentify, ID: c.id("i"), Trust: hit.TrustBrowser, Identify: &hit.Identify{Call: "identify"}, Identifiers: c.names(who, all),
		Device: &hit.Identifier{Kind: hit.Device, Value: fmt.Sprintf("device-%d-%d", who, device)},
	}, minute)
}

// relogin states what is known, now and then on the other's device.
func (c *crowd) relogin() {
	who := c.IntN(2)
	c.login(c.minute(), who, c.IntN(2), c.IntN(2) == 0)
	if c.IntN(8) == 0 {
		c.facts[len(c.facts)-1].Device = c.device()
	}
}

func (c *crowd) visit() {
	queries := []string{"", "", "", "?gclid=1", "?utm_source=news&utm_medium=email&utm_campaign=c1", "?mt=t1", "?mt=t2", "?mt=t3", "?mt=t4", "?mt=nobody"}
	at, device := c.minute(), c.device()
	if c.IntN(6) == 0 { // nobody's
		device = &hit.Identifier{Kind: hit.Device, Value: fmt.Sprint("stray-", c.IntN(2))}
	}
	for range 1 + c.IntN(3) {
		f := hit.Fact{Kind: hit.KindPage, ID: c.id("p"), Trust: hit.TrustBrowser, Device: device, Page: &hit.Page{
			URL: "https://shop.example/" + queries[c.IntN(len(queries))], Referrer: []string{"", "https://www.google.com/"}[c.IntN(2)],
		}}
		if device.Value[0] == 'd' && c.IntN(8) == 0 {
			f.Identifiers = c.names(int(device.Value[7]-'0'), false)
		}
		c.add(f, at)
		at += []int{1, 20, 30, 31}[c.IntN(4)]
	}
}

func (c *crowd) messageID() string { return fmt.Sprint("wamid.", c.IntN(12)) }

func (c *crowd) message() {
	f := hit.Fact{Kind: hit.KindMessage, Channel: hit.ChannelWhatsApp, ID: c.messageID(), Trust: hit.TrustServer, Identifiers: c.phone(), Message: &hit.Message{
		Sender: "1001", Campaign: fmt.Sprint("c", c.IntN(3)), Token: []string{"", "t1", "t2", "t3", "t4"}[c.IntN(5)],
	}}
	if c.IntN(6) == 0 {
		f.Message.Campaign = "" // a chat answer
	}
	c.add(f, c.minute())
}

func (c *crowd) status() {
	status := []hit.Status{hit.StatusSent, hit.StatusDelivered, hit.StatusRead, hit.StatusRead, hit.StatusFailed}[c.IntN(5)]
	f := hit.Fact{Kind: hit.KindStatus, Channel: hit.ChannelWhatsApp, ID: c.messageID(), Status: status, Trust: hit.TrustWebhook, Report: &hit.Report{Sender: "1001"}}
	if c.IntN(3) == 0 {
		f.Identifiers = c.phone()
	}
	c.add(f, c.minute())
}

func (c *crowd) click() {
	c.add(hit.Fact{
		Kind: hit.KindClick, Channel: hit.ChannelWhatsApp, ID: c.id("k"), Trust: hit.TrustBrowser,
		Click: &hit.Click{Token: fmt.Sprint("t", 1+c.IntN(5)), Method: "GET"},
	}, c.minute())
}

func (c *crowd) inbound() {
	in := &hit.Inbound{Business: "1001", Type: "text", Text: []string{"hi", "stop", "I am interested"}[c.IntN(3)]}
	switch c.IntN(6) {
	case 0:
		in.Context = c.messageID()
	case 1:
		in.Type, in.Interact, in.Token, in.Payload = "button", "button", fmt.Sprint("t", 1+c.IntN(4)), "BUY"
	case 2:
		in.Referral = &hit.Referral{SourceID: "ad"}
	case 3:
		in.Type, in.Order = "order", &hit.Amount{Amount: "12.50", Currency: "NOK"}
	}
	c.add(hit.Fact{Kind: hit.KindInbound, Channel: hit.ChannelWhatsApp, ID: c.id("wamid.in"), Trust: hit.TrustWebhook, Identifiers: c.phone(), Inbound: in}, c.minute())
}

func (c *crowd) order() {
	f := hit.Fact{Kind: hit.KindEvent, ID: c.id("e"), Trust: hit.Trust(1 + c.IntN(3))}
	f.Event = &hit.Event{Name: "Order Completed", Properties: c.properties(fmt.Sprint("o", c.IntN(15)))}
	switch c.IntN(3) {
	case 0:
		f.Identifiers = c.names(c.IntN(2), false)
	case 1:
		f.Device = c.device()
	default:
		f.Device = &hit.Identifier{Kind: hit.Device, Value: fmt.Sprint("stray-", c.IntN(2))}
	}
	c.add(f, c.minute())
}

// guest is an order for which the shop's own phone was typed in.
func (c *crowd) guest() {
	f := hit.Fact{Kind: hit.KindEvent, ID: c.id("e"), Trust: hit.TrustServer, Event: &hit.Event{Name: "Order Completed", Properties: c.properties(c.id("g"))}}
	f.Identifiers = []hit.Identifier{guestPhone, guestEmail(c.IntN(60))}
	if c.IntN(2) == 0 {
		f.Device = &hit.Identifier{Kind: hit.Device, Value: fmt.Sprint("guest-", c.IntN(20))}
		c.add(hit.Fact{Kind: hit.KindPage, ID: c.id("p"), Trust: hit.TrustBrowser, Device: f.Device, Page: &hit.Page{URL: "https://shop.example/?gclid=9"}}, c.minute())
	}
	c.add(f, c.minute())
}

func (c *crowd) refund() {
	f := hit.Fact{Kind: hit.KindEvent, ID: c.id("r"), Trust: hit.TrustServer}
	f.Event = &hit.Event{Name: "Order Refunded", Properties: c.properties(fmt.Sprint("o", c.IntN(16)))}
	c.add(f, c.minute())
}

func (c *crowd) properties(order string) json.RawMessage {
	return json.RawMessage(fmt.Sprintf(`{"currency":"NOK","order_id":%q,"value":"%d.5"}`, order, 1+c.IntN(50)))
}
