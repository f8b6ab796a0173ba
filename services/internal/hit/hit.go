// Package hit is the contract between the tracking service, which writes hits,
// and the attribution service, which reads them: what arrived ([Hit]), what it
// says ([Fact]), how identifiers are normalised and how both are encoded.
//
// It is pure: no clock, no I/O, no logging. Every time is an argument. A test in
// services/internal lists its dependencies and fails when one is added.
package hit

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"slices"
	"time"

	"github.com/google/uuid"
)

// Instant is a point in time: microseconds since 1970-01-01T00:00:00Z, UTC. The
// zero value means "not known".
type Instant int64

// InstantOf truncates t to microseconds.
func InstantOf(t time.Time) Instant { return Instant(t.UnixMicro()) }

// Time returns the instant as a UTC [time.Time].
func (i Instant) Time() time.Time { return time.UnixMicro(int64(i)).UTC() }

// Kind says what sort of thing a fact states (attribution.md section 1).
type Kind string

// The kinds of facts.
const (
	KindMessage  Kind = "message"  // a message registered by its sender
	KindStatus   Kind = "status"   // a channel's report on a message
	KindClick    Kind = "click"    // a tracked link was followed
	KindInbound  Kind = "inbound"  // a person wrote to the business
	KindPage     Kind = "page"     // a page or screen was viewed
	KindEvent    Kind = "event"    // something happened: an order, a refund, any track call
	KindIdentify Kind = "identify" // identifiers belong to one person
	KindRaw      Kind = "raw"      // authentic, kept as it came, no rule reads it
)

// Trust ranks the ways a fact can arrive; a larger one is trusted more.
type Trust uint8

// The levels of trust, weakest first.
const (
	TrustBrowser Trust = 1 // a write key, which anybody can read off a page
	TrustServer  Trust = 2 // a server key
	TrustWebhook Trust = 3 // a body signed by its sender
)

// Status is a stage in the life of a message.
type Status string

// The statuses of messages. A payment's statuses are "payment:" and Meta's word.
const (
	StatusSent         Status = "sent"
	StatusDelivered    Status = "delivered"
	StatusRead         Status = "read"
	StatusPlayed       Status = "played"
	StatusFailed       Status = "failed"
	StatusBounced      Status = "bounced"
	StatusUnsubscribed Status = "unsubscribed"

	StatusPaymentPrefix = "payment:"
)

// Precision says how exactly a fact's time is known.
type Precision uint8

// A time given in whole seconds t means "somewhere in [t, t + 1 s)".
const (
	PrecisionExact  Precision = 0
	PrecisionSecond Precision = 1
)

// The channels of messages that have rules of their own.
const (
	ChannelWhatsApp = "whatsapp"
	ChannelSMS      = "sms"
	ChannelEmail    = "email"
)

// The flags that intake and consume put on a fact. They are shown to users and
// decide nothing.
const (
	FlagTimeCorrected   = "time_corrected"   // the stated time was unusable; the time of receipt stands in
	FlagTextCleaned     = "text_cleaned"     // U+0000 or invalid UTF-8 was replaced by U+FFFD
	FlagInvalidPhone    = "invalid_phone"    // a phone that libphonenumber refuses, kept as its digits
	FlagBlockedByDigits = "identifier_empty" // an identifier had nothing left after normalisation
	FlagConsentInvalid  = "consent_invalid"  // a state of consent or a signal that is none there is was left out
	FlagHandoverRefused = "handover_refused" // the device of another site was dropped: its handover was expired, or not ours
)

// Hit is one accepted item on its way from the edge to the facts: the unit in
// which the books are kept.
type Hit struct {
	Workspace uuid.UUID `json:"workspace"`
	Receipt   Receipt   `json:"receipt"`
	Fact      Fact      `json:"fact"`

	// Rejection is set of an item that the edge refused and that counts all the
	// same, as accepted and as rejected. Its Fact has Source and ReceivedAt only.
	Rejection *Rejection `json:"rejection,omitempty"`
}

// Rejection says why an item was refused.
type Rejection struct {
	Reason string `json:"reason"`           // one of the edge's closed set
	Detail string `json:"detail,omitempty"` // for a human
	Raw    []byte `json:"raw,omitempty"`    // the item as it came, for a replay
}

// Receipt names one acknowledged hit. Numbers are dense per epoch and shard, so
// that a missing one is a lost hit.
type Receipt struct {
	Epoch  uuid.UUID `json:"epoch"`  // one run of one edge instance
	Shard  int       `json:"shard"`  // the stream shard, from 0
	Number int64     `json:"number"` // from 1, without gaps
}

// Identifier is one name that a person goes by, after normalisation.
//
// Between edge and consume Value is plain text; in stored facts it is a keyed
// digest in lower-case hex and Folded the digest of the case-folded form. No rule
// looks inside either: they are only ever compared for equality.
type Identifier struct {
	Kind   IdentifierKind `json:"kind"`
	Value  string         `json:"value"`
	Folded string         `json:"folded,omitempty"`
}

// IdentifierKind is the kind of an [Identifier].
type IdentifierKind string

// The kinds of identifiers. All but device are strong.
const (
	UserID IdentifierKind = "user_id"
	Phone  IdentifierKind = "phone"
	BSUID  IdentifierKind = "bsuid"
	Email  IdentifierKind = "email"
	Device IdentifierKind = "device"
)

// Precedence ranks a kind: the smaller goes first. Devices are last.
func (k IdentifierKind) Precedence() int {
	switch k {
	case UserID:
		return 0
	case Phone:
		return 1
	case BSUID:
		return 2
	case Email:
		return 3
	case Device:
		return 4
	}
	return 5
}

// SortIdentifiers puts identifiers in order of precedence, equals in the order
// stated, and drops repetitions.
func SortIdentifiers(ids []Identifier) []Identifier {
	slices.SortStableFunc(ids, func(a, b Identifier) int {
		return cmp.Compare(a.Kind.Precedence(), b.Kind.Precedence())
	})
	kept := ids[:0]
	for _, id := range ids {
		if !slices.ContainsFunc(kept, func(k Identifier) bool { return k.Kind == id.Kind && k.Value == id.Value }) {
			kept = append(kept, id)
		}
	}
	return kept
}

// Fact is what one hit says. Which of the bodies is set follows from Kind.
type Fact struct {
	Kind    Kind      `json:"kind"`
	Source  uuid.UUID `json:"source"`
	Trust   Trust     `json:"trust"`
	Channel string    `json:"channel,omitempty"` // of message, status, inbound, click, send response
	ID      string    `json:"id"`                // message, click or event id
	Status  Status    `json:"status,omitempty"`  // of status

	At         Instant   `json:"at"`          // when it happened; see [Precision]
	Precision  Precision `json:"precision"`   // of At
	ReceivedAt Instant   `json:"received_at"` // when the edge had it
	Flags      []string  `json:"flags,omitempty"`

	// Identifiers holds the strong ones in order of precedence; of a message,
	// status or inbound they are the other side's, never the business'.
	Identifiers []Identifier `json:"identifiers,omitempty"`
	Device      *Identifier  `json:"device,omitempty"`

	Message  *Message        `json:"message,omitempty"`
	Report   *Report         `json:"report,omitempty"` // of status
	Click    *Click          `json:"click,omitempty"`
	Inbound  *Inbound        `json:"inbound,omitempty"`
	Page     *Page           `json:"page,omitempty"`
	Event    *Event          `json:"event,omitempty"`
	Identify *Identify       `json:"identify,omitempty"`
	Raw      json.RawMessage `json:"raw,omitempty"`

	// Consent is set when the sender said anything of it. No rule reads it.
	Consent *Consent `json:"consent,omitempty"`
}

// Message is what the sender said of a message it sent.
type Message struct {
	Sender   string    `json:"sender,omitempty"` // phone_number_id or address of the business
	Template *Template `json:"template,omitempty"`
	Campaign string    `json:"campaign,omitempty"`
	Variant  string    `json:"variant,omitempty"`
	Token    string    `json:"click_token,omitempty"`
	Cost     *Amount   `json:"cost,omitempty"`
}

// Template names an approved message text.
type Template struct {
	Name     string `json:"name"`
	Language string `json:"language,omitempty"`
}

// Amount is money: a decimal as text and an ISO 4217 code in upper case, empty
// when none was stated.
type Amount struct {
	Amount   string `json:"amount"`
	Currency string `json:"currency,omitempty"`
}

// Report is what a channel said besides the status.
type Report struct {
	Sender   string          `json:"sender,omitempty"`   // the business number or address
	Category string          `json:"category,omitempty"` // pricing category, e.g. "marketing", "service"
	Reason   string          `json:"reason,omitempty"`   // of a failure
	Code     int             `json:"code,omitempty"`     // of a failure, the channel's own number
	Machine  bool            `json:"machine,omitempty"`  // an open made by a machine
	Group    bool            `json:"group,omitempty"`    // the recipient is a group
	Payment  *Payment        `json:"payment,omitempty"`
	Extra    json.RawMessage `json:"extra,omitempty"` // what else came with it, kept
}

// Payment is an in-chat payment reported by a status of type "payment".
type Payment struct {
	Reference string `json:"reference,omitempty"`
	Amount    Amount `json:"amount"`
}

// Click is one visit of a tracked link: of ours, which has a click token, or of the
// channel's own, which names the message.
type Click struct {
	Token   string `json:"click_token,omitempty"`
	URL     string `json:"url,omitempty"`
	Method  string `json:"method,omitempty"`     // HEAD is no click
	Agent   string `json:"agent,omitempty"`      // user agent; bots are no clicks
	Message string `json:"message_id,omitempty"` // without a token: id, on the fact's channel, of the message that the link was in
}

// Inbound is a message from a person to the business.
type Inbound struct {
	Business string          `json:"business,omitempty"` // phone_number_id
	Type     string          `json:"type"`               // Meta's type; "reaction_removed" for a withdrawn reaction
	Text     string          `json:"text,omitempty"`     // body of a text, caption of media
	Context  string          `json:"context,omitempty"`  // id of the message it answers
	Payload  string          `json:"payload,omitempty"`  // of a button or list reply, without the ";mt=" part
	Title    string          `json:"title,omitempty"`    // label of a button or list reply
	Token    string          `json:"token,omitempty"`    // click token cut off payload or flow_token
	Interact string          `json:"interact,omitempty"` // "button", "button_reply", "list_reply", "nfm_reply", …
	Fields   json.RawMessage `json:"fields,omitempty"`   // a Flow's answers, an object
	Order    *Amount         `json:"order,omitempty"`    // sum of item_price x quantity
	Items    json.RawMessage `json:"items,omitempty"`    // an order's product_items
	Referral *Referral       `json:"referral,omitempty"`
	Group    bool            `json:"group,omitempty"`
	Extra    json.RawMessage `json:"extra,omitempty"` // what else came with it, kept
}

// Referral is the ad or post that a chat was opened from.
type Referral struct {
	SourceID   string `json:"source_id"`
	SourceType string `json:"source_type,omitempty"`
	SourceURL  string `json:"source_url,omitempty"`
	Headline   string `json:"headline,omitempty"`
	ClickID    string `json:"ctwa_clid,omitempty"`
}

// Page is a view of a page or screen.
type Page struct {
	URL        string          `json:"url,omitempty"`
	Referrer   string          `json:"referrer,omitempty"`
	Name       string          `json:"name,omitempty"`
	Title      string          `json:"title,omitempty"`
	Screen     bool            `json:"screen,omitempty"`
	Properties json.RawMessage `json:"properties,omitempty"`
}

// Event is anything that happened. Properties is a JSON object in canonical form.
type Event struct {
	Name       string          `json:"name"`
	InThread   bool            `json:"in_thread,omitempty"`
	Properties json.RawMessage `json:"properties,omitempty"`
	Country    string          `json:"country,omitempty"` // ISO 3166-1 alpha-2 that the event names
}

// Identify says that the identifiers of its fact are one person's.
type Identify struct {
	Call    string          `json:"call"`            // identify, alias, group, user_changed_number, user_id_update, send_response
	Group   string          `json:"group,omitempty"` // a group call's id
	Traits  json.RawMessage `json:"traits,omitempty"`
	Message string          `json:"message,omitempty"` // of a send response: id, on the fact's channel, of what was sent to that person
}

// Consent is what a page knew of its visitor's consent when a fact happened. It is kept
// so that it can be shown later that there was one.
type Consent struct {
	State ConsentState `json:"state,omitempty"` // to measurement; empty when not stated
	GPC   bool         `json:"gpc,omitempty"`   // Global Privacy Control was on
	DNT   bool         `json:"dnt,omitempty"`   // Do Not Track was on
	// GCM is Google Consent Mode v2: an object of its purposes, each "granted" or "denied".
	GCM json.RawMessage `json:"gcm,omitempty"`
	TCF string          `json:"tcf,omitempty"` // the TC string of IAB TCF v2
}

// ConsentState is what a visitor said to being measured.
type ConsentState string

// The states of consent.
const (
	ConsentUnknown ConsentState = "unknown" // not asked, or not answered
	ConsentDenied  ConsentState = "denied"
	ConsentGranted ConsentState = "granted"
)

// Key returns the identity of the fact within its workspace: 16 bytes of a
// SHA-256 over the key columns of attribution.md section 1. Two hits with one key
// are copies of one fact.
func (f *Fact) Key() uuid.UUID {
	switch f.Kind {
	case KindMessage, KindInbound:
		return hash16(string(f.Kind), f.Channel, f.ID)
	case KindStatus:
		return hash16(string(f.Kind), f.Channel, f.ID, string(f.Status))
	case KindClick:
		return hash16(string(f.Kind), f.ID)
	default:
		return hash16(string(f.Kind), f.Source.String(), f.ID)
	}
}

// hash16 hashes parts with their lengths, so that ("ab","c") and ("a","bc") differ.
func hash16(parts ...string) uuid.UUID {
	h := sha256.New()
	var n [8]byte
	for _, p := range parts {
		binary.BigEndian.PutUint64(n[:], uint64(len(p)))
		h.Write(n[:])
		h.Write([]byte(p))
	}
	return uuid.UUID(h.Sum(nil)[:16])
}
