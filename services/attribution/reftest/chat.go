package reftest

import (
	"encoding/json"

	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/internal/hit"
)

// messageID is one of five, whatever the channel: messages are known by both.
func (d *draw) messageID() string { return d.pick("m1", "m2", "m3", "m4", "m5") }

// token is one of three, so that several messages carry one.
func (d *draw) token() string { return d.pick("", "", "t1", "t2", "t3") }

// campaign is one message, what became of it and who reacted.
func (d *draw) campaign() {
	channel, id, at, token := d.pick(hit.ChannelWhatsApp, hit.ChannelWhatsApp, hit.ChannelEmail, hit.ChannelSMS), d.messageID(), d.at(), d.token()
	to := d.who(2, hit.UserID, hit.Phone, hit.Phone, hit.Email)
	if d.chance(80) {
		f := hit.Fact{Kind: hit.KindMessage, Trust: hit.TrustServer, Channel: channel, ID: id, At: at, Identifiers: to}
		f.Message = &hit.Message{Sender: d.pick("1001", "1001", "1002"), Campaign: d.pick("", "c1", "c2"), Token: token}
		if d.chance(60) {
			f.Message.Template = &hit.Template{Name: d.pick("spring", "renewal"), Language: "nb"}
		}
		if d.chance(5) {
			f.Identifiers = nil
		}
		d.add(f)
	}
	for _, status := range []hit.Status{hit.StatusSent, hit.StatusDelivered, hit.StatusRead} {
		at += d.instant(0, minute, hour, secondMicros)
		if d.chance(45) {
			d.status(channel, id, status, at)
		}
	}
	if d.chance(15) {
		d.status(channel, id, hit.Status(d.pick("played", "failed", "bounced", "unsubscribed")), at)
	}
	if channel == hit.ChannelWhatsApp && d.chance(5) {
		d.status(channel, id, hit.Status(d.pick("payment:captured", "payment:success", "payment:failed")), at)
	}
	if token != "" && d.chance(50) {
		f := hit.Fact{Kind: hit.KindClick, Trust: hit.TrustBrowser, Channel: channel, ID: "k" + d.number(), At: at + d.instant(0, minute, hour, day)}
		f.Click = &hit.Click{Token: token, Method: d.pick("GET", "GET", "HEAD")}
		d.add(f)
	}
	if channel == hit.ChannelWhatsApp && d.chance(70) {
		d.inbound(at+d.instant(0, minute, hour, day, day+secondMicros), to)
	}
	if d.chance(60) {
		d.buy(at, to, nil)
	}
}

// status is what a channel reports; only WhatsApp names the recipient.
func (d *draw) status(channel, id string, status hit.Status, at hit.Instant) {
	f := hit.Fact{Kind: hit.KindStatus, Trust: hit.TrustWebhook, Channel: channel, ID: id, Status: status, At: at, Report: &hit.Report{}}
	if channel == hit.ChannelWhatsApp {
		f.Report.Sender = "1001"
		f.Identifiers = d.who(2, hit.Phone, hit.Phone, hit.BSUID)
		f.Report.Category = map[string]string{"m1": "marketing", "m4": "service", "m5": "service"}[id]
		f.Report.Group = d.chance(4)
	} else {
		f.Report.Machine = status == hit.StatusRead && d.chance(30)
	}
	if len(status) > len(hit.StatusPaymentPrefix) && status[:len(hit.StatusPaymentPrefix)] == hit.StatusPaymentPrefix {
		f.Report.Payment = &hit.Payment{Amount: hit.Amount{Amount: d.pick("10", "99.99"), Currency: "NOK"}}
	}
	d.add(f)
}

// chat is a message that nobody need have asked for.
func (d *draw) chat() { d.inbound(d.at(), d.who(1, hit.Phone)) }

// inbound is a message from one of those named, or from somebody else.
func (d *draw) inbound(at hit.Instant, from []hit.Identifier) {
	f := hit.Fact{Kind: hit.KindInbound, Trust: hit.TrustWebhook, Channel: hit.ChannelWhatsApp, ID: "in" + d.number(), At: at}
	in := &hit.Inbound{Business: d.pick("1001", "1001", "1001", "1002"), Type: "text"}
	f.Inbound = in
	if d.chance(10) {
		f.Channel = hit.ChannelSMS
	}
	for _, id := range from {
		if id.Kind == hit.Phone {
			f.Identifiers = append(f.Identifiers, id)
		}
	}
	if len(f.Identifiers) == 0 || d.chance(20) {
		f.Identifiers = append(f.Identifiers, d.who(1, hit.Phone, hit.BSUID)...)
	}
	if d.chance(20) {
		in.Context = d.pick("m1", "m2", "m3", "mX")
	}
	if d.chance(10) {
		in.Referral = &hit.Referral{SourceID: d.pick("c1", "ad1")}
	}
	in.Group = d.chance(4)
	d.say(in)
	d.add(f)
}

// say draws what an inbound message is.
func (d *draw) say(in *hit.Inbound) {
	switch d.count(0, 9) {
	case 0, 1, 2:
		in.Text = d.text()
	case 8:
		in.Text = d.pick("STOP!", "stop", " Stóp. ", d.text())
	case 3:
		in.Type, in.Interact, in.Payload, in.Title, in.Token = "button", "button", d.pick("BUY", "NO"), "Buy", d.token()
	case 4:
		in.Type, in.Interact, in.Payload, in.Title, in.Token = "interactive", "list_reply", d.pick("BUY", "NO"), "Buy", d.token()
	case 5:
		in.Type, in.Interact, in.Token = "interactive", "nfm_reply", d.token()
		in.Fields = json.RawMessage(d.pick(`{"answer":"yes"}`, `{"order_id":"o1","value":"12.50"}`, `{"order_id":"o2","total":5}`))
	case 6:
		in.Type, in.Order = "order", &hit.Amount{Amount: d.pick("25", "10.50"), Currency: d.pick("NOK", "EUR")}
	default:
		in.Type = d.pick("reaction", "reaction_removed", "system", "request_welcome", "edit", "unsupported", "image")
	}
}

// policy draws every setting; the definitions overlap on purpose.
func (d *draw) policy() policy.Policy {
	p := policy.Default()
	p.Models = []string{policy.FirstTouch, policy.LastTouch, policy.Linear, policy.TimeDecay, policy.PositionBased, policy.TierWeighted}
	p.HalfLifeSeconds = []int64{3600, 86400, 7 * 86400}[d.count(0, 2)]
	p.PositionFirst = []policy.Number{"0.4", "0", "0.25", "0.5"}[d.count(0, 3)]
	p.PositionLast = []policy.Number{"0.4", "0", "0.5"}[d.count(0, 2)]
	if d.chance(30) {
		p.TierWeights = map[string]policy.Number{policy.TierRead: "0.3", policy.TierReply: "0.7"}
	}
	p.Precedence = d.pick(policy.PrecedenceAny, policy.PrecedenceAny, policy.PrecedenceStrongestTier)
	p.ImplicitReplyWindowSeconds = []int64{86400, 86400, 3600, 0}[d.count(0, 3)]
	p.SessionMessages = d.pick(policy.SessionIgnore, policy.SessionCount)
	p.ConfirmClicks = d.pick(policy.ConfirmRedirect, policy.ConfirmRedirect, policy.ConfirmPixel)
	p.BrowserLinks = d.pick(policy.LinksOn, policy.LinksOn, policy.LinksOff)
	p.BlockedIdentifiers, p.OptOutTerms = []string{"U9"}, []string{"stop"}
	p.Windows = d.windows()
	values := []string{"value", "revenue", "total"}
	p.Conversions = []policy.Definition{
		{Name: "purchase", Event: "Order Completed", ValueProperties: values, RefundEvent: "Order Refunded"},
		{Name: "whatsapp.order", Event: "whatsapp.order", ValueProperties: values},
	}
	for _, more := range []policy.Definition{
		{Name: "vip", Event: "Order Completed", ValueProperties: []string{"total", "value"}, RefundEvent: "Order Refunded", Where: map[string]string{"tier": "vip"}},
		{Name: "once", Event: "Order Completed", ValueProperties: values, OnceWithinSeconds: 86400, RefundEvent: "Order Refunded"},
		{Name: "lead", Event: "Lead", ValueProperties: values, OnceWithinSeconds: 7200},
		{Name: "interested", Event: "interested", ValueProperties: values, OnceWithinSeconds: 3600},
		{Name: "buy", Event: "buy", ValueProperties: values},
		{Name: "message", Event: "whatsapp.message", ValueProperties: values},
		{Name: "choice", Event: "whatsapp.button", ValueProperties: values, Where: map[string]string{"payload": "BUY"}},
		{Name: "flow", Event: "whatsapp.flow", ValueProperties: values, RefundEvent: "Order Refunded"},
		{Name: "paid", Event: "whatsapp.payment", ValueProperties: values},
	} {
		if d.chance(40) {
			p.Conversions = append(p.Conversions, more)
		}
	}
	p.KeywordRules = keywordRules()
	return p
}

// keywordRules overlap, in two modes and several scripts.
func keywordRules() []policy.KeywordRule {
	return []policy.KeywordRule{
		{Event: "interested", Any: []string{"interested", "buy"}, All: []string{}, None: []string{"not"}, Mode: policy.ModeWord, Value: "5", Currency: "NOK"},
		{Event: "interested", Any: []string{"interested"}, All: []string{}, None: []string{}, Mode: policy.ModeSubstring},
		{Event: "buy", Any: []string{"vil kjøpe", "mua hàng", "コーヒー", "can't", "👍"}, All: []string{}, None: []string{"ikke"}, Mode: policy.ModeWord},
		{Event: "buy", Any: []string{}, All: []string{"prix", "été"}, None: []string{}, Mode: policy.ModeWord, Value: "7.5", Currency: "EUR"},
	}
}

// windows draws rules, the narrow ones first.
func (d *draw) windows() (all []policy.Window) {
	for _, w := range []policy.Window{
		{Conversion: "purchase", Tier: policy.TierRead, Seconds: 3600},
		{Channel: "organic_search", Seconds: 0},
		{Channel: hit.ChannelEmail, Tier: policy.TierDelivered, Seconds: 7200},
		{Campaign: "c1", Seconds: 2 * 86400},
		{Template: "spring", Tier: policy.TierSent, Seconds: 86400},
		{Tier: policy.TierReply, Seconds: 0},
	} {
		if d.chance(25) {
			all = append(all, w)
		}
	}
	all = append(all, policy.Window{Tier: policy.TierClick, Seconds: 7 * 86400}, policy.Window{Tier: policy.TierReply, Seconds: 86400})
	if d.chance(70) {
		all = append(all, policy.Window{Tier: policy.TierRead, Seconds: 86400})
	}
	if d.chance(40) {
		all = append(all, policy.Window{Seconds: 7200})
	}
	return all
}
