package api

import "github.com/touchline/touchline/services/attribution/api/gen"

// catalogue is every finding there is, with how often it applies: 0 is not at all.
func catalogue(found evidence) []gen.Finding {
	return append(nothingYet(found), inTheWay(found)...)
}

// nothingYet is what a workspace lacks at its beginning, one step at a time: the
// next is told of only when the one before is done.
func nothingYet(found evidence) []gen.Finding {
	var refused int64
	for _, q := range found.quarantine {
		refused += q.Count
	}
	m, c := found.messages, found.conversions
	return []gen.Finding{
		{
			Code: "no_source", Severity: gen.Stop, Count: once(!found.sources),
			Title:   "Nothing may send yet",
			Meaning: "The workspace has no source, so the tracking edge accepts nothing for it.",
			Remedy:  "Create a source with POST /v1/sources: a pixel for the site, a server key for your systems, WhatsApp for Meta's callbacks.",
		},
		{
			Code: "no_fact", Severity: gen.Stop, Count: once(found.sources && !found.facts),
			Title:   "Nothing has arrived",
			Meaning: "There are sources, but no page view, message or event of theirs has been stored.",
			Remedy:  "Send a first event with a source's write key, and look at the books: what was refused is counted there as rejected.",
		},
		{
			Code: "no_message", Severity: gen.Stop, Count: once(found.facts && m.total == 0),
			Title:   "No message is known",
			Meaning: "Without messages only visits and ads can earn credit.",
			Remedy:  "Register what you send with POST /v1/messages, and point the WhatsApp webhook at this system.",
		},
		{
			Code: "no_conversion", Severity: gen.Stop, Count: once(found.facts && c.Total == 0),
			Title:   "No conversion is known",
			Meaning: "No stored event is named by a conversion of the policy, in the time looked at.",
			Remedy:  "Send “Order Completed”, or name your own event in the policy's conversions. Names are compared letter by letter.",
		},
		{
			Code: "rejected", Severity: gen.Warn, Count: refused,
			Title:   "Items were refused",
			Meaning: "They are counted as rejected and kept in quarantine with the reason.",
			Remedy:  "Read GET /v1/quarantine, mend what sends them, and send them again.",
		},
	}
}

// inTheWay is what keeps single messages and conversions apart.
func inTheWay(found evidence) []gen.Finding {
	m, c := found.messages, found.conversions
	return []gen.Finding{
		{
			Code: "messages_without_recipient", Severity: gen.Warn, Count: m.unaddressed, Of: &m.total,
			Title:   "Messages without a recipient",
			Meaning: "Neither registration nor statuses say whom they went to, so they can earn nothing.",
			Remedy:  "Fill `to` when you register a message: phone, e-mail or user id.",
		},
		{
			Code: "statuses_without_registration", Severity: gen.Warn, Count: m.unregistered, Of: &m.total,
			Title:   "Statuses without a registration",
			Meaning: "The channel reports on messages that nobody registered: they count, but without template and campaign.",
			Remedy:  "Register every message, by POST /v1/messages or by sending through the proxy. A registration that comes late still completes it.",
		},
		{
			Code: "orders_without_identifiers", Severity: gen.Warn, Count: c.UnidentifiedOrders, Of: &c.Orders,
			Title:   "Orders without identifiers",
			Meaning: "Nothing says whose they are: no user id, phone or e-mail, and no device that anybody was seen on.",
			Remedy:  "Send the customer's phone or e-mail with the order, or identify them on the site at checkout.",
		},
		{
			Code: "conversions_without_identifiers", Severity: gen.Note, Count: c.Unidentified - c.UnidentifiedOrders, Of: &c.Total,
			Title:   "Other conversions without identifiers",
			Meaning: "They are of devices that nobody has signed in on; messages cannot reach them, visits can.",
			Remedy:  "Identify people when they sign in, or put click tokens into the links of messages.",
		},
		{
			Code: "unattributed", Severity: gen.Note, Count: c.Unattributed, Of: &c.Total,
			Title:   "Conversions that nothing earned",
			Meaning: "No touchpoint of the person lies within a window before them.",
			Remedy:  "That is often true. If you expected credit, look at the windows of the policy: delivered and sent earn nothing unless a rule says so.",
		},
		{
			Code: "messages_failed", Severity: gen.Note, Count: m.failed, Of: &m.total,
			Title:   "Messages that failed",
			Meaning: "They reached nobody and earn nothing.",
			Remedy:  "Look at the channel's reasons: old numbers, opted-out people, a template that was paused.",
		},
		{
			Code: "no_engagement", Severity: gen.Warn, Count: once(m.total > 0 && m.engaged == 0),
			Title:   "No message was read, clicked or answered",
			Meaning: "By default only those earn credit.",
			Remedy:  "Check that the WhatsApp webhook delivers statuses and messages, and that links carry the click token as mt=….",
		},
		{
			Code: "identities_refused", Severity: gen.Note, Count: found.refused,
			Title:   "Identifiers that would join two users",
			Meaning: "Two different user ids would have become one person; the weaker link was refused.",
			Remedy:  "If they are one person, send an alias call that names both.",
		},
		{
			Code: "identities_shared", Severity: gen.Note, Count: found.shared,
			Title:   "Identifiers that too many people share",
			Meaning: "They stand beside more than 20 others of a kind, like a shop's own phone, and so join nobody.",
			Remedy:  "Stop sending them, or add them to blocked_identifiers.",
		},
	}
}

func once(applies bool) int64 {
	if applies {
		return 1
	}
	return 0
}
