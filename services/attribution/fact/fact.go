// Package fact says by what facts find one another: the references that consume
// writes beside each stored fact and that derive follows to gather everything that
// can bear on a change. It is pure.
//
// In the attribution service a fact is a [hit.Fact] whose identifiers are keyed
// digests.
package fact

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"strings"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/internal/hit"
)

// RefKind is the kind of a [Ref]. The numbers are stored: never reuse one.
type RefKind int16

// The kinds of references.
const (
	RefUserID  RefKind = 1
	RefPhone   RefKind = 2
	RefBSUID   RefKind = 3
	RefEmail   RefKind = 4
	RefDevice  RefKind = 5
	RefMessage RefKind = 6 // channel and message id
	RefToken   RefKind = 7 // click token
	RefOrder   RefKind = 8 // order id
	RefEvent   RefKind = 9 // event id, whatever its source
)

// Ref is something that facts can have in common. Two facts of one workspace that
// share no chain of references cannot influence each other's conclusions.
type Ref struct {
	Kind  RefKind
	Value uuid.UUID // hash over kind and value: unique across kinds
}

var identifierRef = map[hit.IdentifierKind]RefKind{
	hit.UserID: RefUserID, hit.Phone: RefPhone, hit.BSUID: RefBSUID, hit.Email: RefEmail, hit.Device: RefDevice,
}

// IdentifierRef is the reference of an identifier. A stored identifier's digest is
// its reference, so that what a replaced copy withdraws names the identifier too.
func IdentifierRef(id hit.Identifier) Ref {
	if digest, ok := Digest(id.Value); ok {
		return Ref{Kind: identifierRef[id.Kind], Value: digest}
	}
	return ref(identifierRef[id.Kind], id.Value)
}

// Digest parses the value of a stored identifier, 32 hex digits. It says no to
// anything else, as identifiers in tests may be plain text.
func Digest(value string) (uuid.UUID, bool) {
	var digest uuid.UUID
	if len(value) != 2*len(digest) {
		return uuid.Nil, false
	}
	_, err := hex.Decode(digest[:], []byte(value))
	return digest, err == nil
}

// MessageRef is the reference of a message, outbound or inbound.
func MessageRef(channel, id string) Ref { return ref(RefMessage, channel, "\x00", id) }

// TokenRef is the reference of a click token.
func TokenRef(token string) Ref { return ref(RefToken, token) }

// OrderRef is the reference of an order, shared by its copies and refunds.
func OrderRef(orderID string) Ref { return ref(RefOrder, orderID) }

// EventRef is the reference of an event id, shared by copies without an order id.
func EventRef(id string) Ref { return ref(RefEvent, id) }

func ref(kind RefKind, parts ...string) Ref {
	var room [256]byte // most are shorter
	value := append(room[:0], byte(kind))
	for _, part := range parts {
		value = append(value, part...)
	}
	sum := sha256.Sum256(value)
	return Ref{Kind: kind, Value: uuid.UUID(sum[:16])}
}

// Refs returns all references of f, without repetition, its [Anchor] first.
func Refs(f *hit.Fact) []Ref {
	refs := []Ref{Anchor(f)}
	add := func(r Ref) {
		for _, have := range refs {
			if have == r {
				return
			}
		}
		refs = append(refs, r)
	}
	for _, id := range f.Identifiers {
		add(IdentifierRef(id))
	}
	if f.Device != nil {
		add(IdentifierRef(*f.Device))
	}
	switch {
	case f.Message != nil && f.Message.Token != "":
		add(TokenRef(f.Message.Token))
	case f.Click != nil && f.Click.Token != "":
		add(TokenRef(f.Click.Token))
	case f.Click != nil && f.Click.Message != "":
		add(MessageRef(f.Channel, f.Click.Message))
	case f.Page != nil:
		if token := PageToken(f.Page.URL); token != "" {
			add(TokenRef(token))
		}
	case f.Event != nil:
		for _, r := range eventRefs(f.ID) {
			add(r)
		}
	case f.Identify != nil && f.Identify.Message != "":
		add(MessageRef(f.Channel, f.Identify.Message))
	case f.Report != nil && f.Report.Payment != nil:
		add(EventRef(f.ID)) // it makes an event
	case f.Inbound != nil:
		add(MessageRef(f.Channel, f.ID)) // the anchor may be an order
		add(EventRef(f.ID))              // it makes events of this id
		if f.Inbound.Context != "" {
			add(MessageRef(f.Channel, f.Inbound.Context))
		}
		if f.Inbound.Token != "" {
			add(TokenRef(f.Inbound.Token))
		}
	}
	return refs
}

// eventRefs are the references by which an event meets all that can have its
// conversion id, so that no two components ever conclude one: an event of that id
// with or without an order, the order of "order:<id>", and what a WhatsApp message
// makes, "<message id>:payment" or "<message id>:<event name>".
func eventRefs(id string) []Ref {
	refs := []Ref{EventRef(id)}
	if order, ok := strings.CutPrefix(id, "order:"); ok {
		refs = append(refs, OrderRef(strings.TrimSpace(order)))
	}
	if message, _, ok := strings.Cut(id, ":"); ok && strings.HasPrefix(message, "wamid.") {
		refs = append(refs, EventRef(message))
	}
	return refs
}

// Anchor is the reference that all facts share from which one conversion or one
// message is made: the order of an event that has one, else its event id; the
// message of everything said of a message.
func Anchor(f *hit.Fact) Ref {
	switch {
	case f.Inbound != nil:
		if order := OrderID(f.Inbound.Fields); order != "" {
			return OrderRef(order)
		}
	case f.Event != nil:
		if order := OrderID(f.Event.Properties); order != "" {
			return OrderRef(order)
		}
	}
	switch f.Kind {
	case hit.KindMessage, hit.KindStatus, hit.KindInbound:
		return MessageRef(f.Channel, f.ID)
	}
	return EventRef(f.ID)
}

// PageToken returns the click token of a page's URL, its first mt parameter; empty
// when there is none.
func PageToken(rawURL string) string {
	_, query, found := strings.Cut(rawURL, "?")
	if !found {
		return ""
	}
	query, _, _ = strings.Cut(query, "#")
	for part := range strings.SplitSeq(query, "&") {
		if value, ok := strings.CutPrefix(part, "mt="); ok {
			if token, err := url.QueryUnescape(value); err == nil {
				return token
			}
		}
	}
	return ""
}

// OrderID returns the property order_id of a JSON object as trimmed text: a string
// as it stands, a number as it is written. Empty when absent, null or neither.
func OrderID(properties json.RawMessage) string {
	if !bytes.Contains(properties, []byte(`"order_id"`)) {
		return ""
	}
	var has map[string]json.RawMessage // a struct would take "Order_ID" too
	if json.Unmarshal(properties, &has) != nil {
		return ""
	}
	return Text(has["order_id"])
}

// Text returns a JSON string, number or boolean as trimmed text, and "" for
// anything else.
func Text(value json.RawMessage) string {
	value = bytes.TrimSpace(value)
	if len(value) == 0 {
		return ""
	}
	switch value[0] {
	case '"':
		var s string
		if json.Unmarshal(value, &s) != nil {
			return ""
		}
		return strings.TrimSpace(s)
	case '{', '[', 'n':
		return ""
	}
	return string(value)
}
