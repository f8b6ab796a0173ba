package whatsapp

import (
	"encoding/json"
	"math/big"
	"strings"

	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/tracking/edge/lenient"
	"github.com/touchline/touchline/services/tracking/intake"
)

// The types of inbound messages that are read in a way of their own.
const (
	typeText        = "text"
	typeButton      = "button"
	typeInteractive = "interactive"
	typeOrder       = "order"
	typeReaction    = "reaction"
	typeSystem      = "system"

	// typeReactionRemoved is ours: a reaction that was withdrawn.
	typeReactionRemoved = "reaction_removed"
)

// inbound reads one element of messages, sent by who has the names.
func (c *change) inbound(element []byte, names []intake.Name) intake.Item {
	o, _ := lenient.Read(element)
	if o.Text("id") == "" {
		return c.rawElement("messages", element)
	}
	item := intake.Item{
		Fact:   hit.Fact{Kind: hit.KindInbound, Channel: hit.ChannelWhatsApp, ID: o.Text("id")},
		Names:  names,
		Stated: stated(o), Raw: element, Anonymous: true,
	}
	kind := o.Text("type")
	if kind == typeSystem && c.moved(o, &item) {
		return item
	}
	in := &hit.Inbound{
		Business: c.business,
		Type:     kind,
		Context:  o.Object("context").Text("id"),
		Group:    o.Has("group_id"),
		Referral: referral(o),
		Extra:    keep(o, "errors", "group_id", "identity"),
	}
	// Not the numbers that a context may name: they are not always the sender's.
	in.Extra = with(in.Extra, "context", keep(o.Object("context"), "forwarded", "frequently_forwarded", "referred_product"))
	item.Fact.Inbound = in
	read(in, o)
	return item
}

// moved reads the notices that a user has a new number or a new business-scoped id:
// both names are one person's. It reports false for any other notice.
func (c *change) moved(o lenient.Object, item *intake.Item) bool {
	system := o.Object("system")
	call := system.Text("type")
	switch call {
	case "user_changed_number", "user_changed_user_id":
	case "customer_changed_number": // the On-Premises API's word
		call = "user_changed_number"
	default:
		return false
	}
	newPhone := system.Text("wa_id")
	if newPhone == "" {
		newPhone = system.Text("new_wa_id")
	}
	item.Fact.Kind, item.Fact.Channel = hit.KindIdentify, ""
	item.Fact.Identify = &hit.Identify{Call: call}
	item.Names = []intake.Name{
		{Kind: intake.WaID, Text: o.Text("from")},
		{Kind: intake.WaID, Text: newPhone},
		{Kind: hit.BSUID, Text: o.Text("from_user_id")},
		{Kind: hit.BSUID, Text: system.Text("user_id")},
	}
	return true
}

// read fills in what is particular to the message's type.
func read(in *hit.Inbound, o lenient.Object) {
	body := o.Object(in.Type)
	switch in.Type {
	case typeText:
		in.Text = body.Text("body")
	case typeButton:
		in.Interact, in.Title = typeButton, body.Text("text")
		in.Payload, in.Token = CutToken(body.Text("payload"))
	case typeInteractive:
		interactive(in, body)
	case typeOrder:
		in.Order, in.Items = total(body.Get("product_items")), array(body.Get("product_items"))
		in.Extra = with(in.Extra, typeOrder, keep(body, "catalog_id", "text"))
	case typeReaction:
		in.Context = body.Text("message_id")
		in.Extra = with(in.Extra, typeReaction, keep(body, "emoji"))
		if body.Text("emoji") == "" {
			in.Type = typeReactionRemoved
		}
	case "image", "video", "audio", "document", "sticker":
		in.Text = body.Text("caption")
		// The address is short-lived and of no use later.
		in.Extra = with(in.Extra, in.Type, keep(body, "animated", "filename", "id", "mime_type", "sha256", "voice"))
	default:
		// location, contacts, system, unsupported, request_welcome, edit, revoke and
		// what Meta adds next: kept as it came.
		if document := o.Get(in.Type); document != nil && in.Type != "" {
			in.Extra = with(in.Extra, in.Type, document)
		}
	}
}

// interactive reads the answers to buttons, lists and Flows. The object may be
// missing although the type says interactive.
func interactive(in *hit.Inbound, body lenient.Object) {
	in.Interact = body.Text("type")
	reply := body.Object(in.Interact)
	switch in.Interact {
	case "button_reply", "list_reply":
		in.Title = reply.Text("title")
		in.Payload, in.Token = CutToken(reply.Text("id"))
		in.Extra = with(in.Extra, in.Interact, keep(reply, "description"))
	case "nfm_reply":
		in.Extra = with(in.Extra, in.Interact, keep(reply, "body", "name"))
		answers := []byte(reply.Text("response_json")) // JSON inside a string
		if !lenient.Valid(answers) {
			return
		}
		if fields, ok := lenient.Read(answers); ok {
			in.Fields = answers
			_, in.Token = CutToken(fields.Text("flow_token"))
		}
	default:
		if document := body.Get(in.Interact); document != nil && in.Interact != "" {
			in.Extra = with(in.Extra, in.Interact, document)
		}
	}
}

// CutToken takes a click token off the end of a payload: what follows ";mt=".
func CutToken(payload string) (rest, token string) {
	at := strings.LastIndex(payload, ";mt=")
	if at < 0 {
		return payload, ""
	}
	return payload[:at], payload[at+len(";mt="):]
}

// total sums an order: item_price x quantity, exactly. It is nil when the items are
// in several currencies, or one of them can't be read: a wrong sum would be worse
// than none.
func total(items []byte) *hit.Amount {
	sum, currency, n := new(big.Rat), "", 0
	for element := range lenient.Elements(items) {
		o, _ := lenient.Read(element)
		price, ok := decimal(o.Text("item_price"))
		if !ok {
			return nil
		}
		quantity, ok := decimal(o.Text("quantity"))
		if !ok {
			return nil
		}
		own := strings.ToUpper(strings.TrimSpace(o.Text("currency")))
		if n > 0 && own != currency {
			return nil
		}
		currency = own
		sum.Add(sum, price.Mul(price, quantity))
		n++
	}
	if n == 0 {
		return nil
	}
	return &hit.Amount{Amount: decimalText(sum), Currency: currency}
}

func array(raw json.RawMessage) json.RawMessage {
	if lenient.Kind(raw) != '[' {
		return nil
	}
	return raw
}

// referral reads the ad or post that a chat was opened from; any type of message can
// carry it.
func referral(o lenient.Object) *hit.Referral {
	if lenient.Kind(o.Get("referral")) != '{' {
		return nil
	}
	r := o.Object("referral")
	return &hit.Referral{
		SourceID: r.Text("source_id"), SourceType: r.Text("source_type"),
		SourceURL: r.Text("source_url"), Headline: r.Text("headline"), ClickID: r.Text("ctwa_clid"),
	}
}

// with adds a member to an object that may be nil; nothing when the member is nil.
func with(object json.RawMessage, key string, member json.RawMessage) json.RawMessage {
	if member == nil {
		return object
	}
	o, _ := lenient.Read(object)
	merged := map[string]json.RawMessage{key: member}
	for k, v := range o.All() {
		merged[k] = v
	}
	raw, err := json.Marshal(merged)
	if err != nil {
		return object // unreachable: the members were valid JSON
	}
	return raw
}
