// Package intake turns what a wire format was read as into a hit: a printed list of
// named steps, each of which sets something or drops the item with a reason. An item
// that is dropped is still a hit, with a rejection instead of a fact, so that it is
// counted as accepted and as rejected and can be looked at.
//
// It is pure: no clock, no I/O. The folders under edge call [Run] for every item.
package intake

import (
	"fmt"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/internal/hit/canonical"
)

// WaID is the kind of a [Name] that WhatsApp calls a user by: digits without a plus,
// or a business-scoped user id. It becomes a phone or a bsuid.
const WaID hit.IdentifierKind = "wa_id"

// Name is one identifier as the wire states it, before normalisation.
type Name struct {
	Kind hit.IdentifierKind
	Text string
}

// Stated is a time as the wire states it.
type Stated struct {
	Text    string // empty: not stated, the time of receipt stands
	Seconds bool   // Text is a number of seconds since 1970, not an ISO 8601 time
	SentAt  string // when the sender's clock said it sent; corrects Text
}

// Item is one item of a request as its wire format was read.
type Item struct {
	// Fact is what it says. Its source, trust, times and identifiers are set by Run.
	Fact hit.Fact
	// Names are the identifiers, devices included, in the order stated.
	Names []Name
	// Country is the ISO 3166-1 alpha-2 code that the item itself names; it goes
	// before that of the source.
	Country string
	Stated  Stated
	// Raw is the item as it came. It is what a rejection keeps and what is measured
	// against [Env.MaxItem].
	Raw []byte
	// Anonymous lets an item without any identifier pass.
	Anonymous bool
	// Refusal is set by a wire format that could not read the item.
	Refusal *Refusal
}

// Env is what a request says of all of its items.
type Env struct {
	Workspace uuid.UUID
	Source    uuid.UUID
	Country   string // of the source, else of the workspace; may be empty
	Trust     hit.Trust
	// ReceivedAt is when the edge had the request.
	ReceivedAt hit.Instant
	// MaxItem is the most bytes an item may have; 0: no limit.
	MaxItem int
	// Phone says what [ReadPhone] does, from memory as a rule; nil: that is asked.
	Phone func(name Name, country string) (id hit.Identifier, valid, ok bool)
}

// MaxItems is how many items one request may have. They are appended in one step that
// nothing else can get between, so that a flood of tiny ones would keep everybody's
// waiting: 20,000 took 0.4 s, 250,000 more than four. The calls of an SDK have 100 bytes and
// more, so that a body of the default limit holds no more of them than this.
const MaxItems = 5000

// TooManyError is a request with more than [MaxItems] items. Nothing of it is kept.
type TooManyError struct {
	Pointer string // JSON pointer to the array
	Items   int    // that it has
}

// Error implements error.
func (e *TooManyError) Error() string {
	return fmt.Sprintf("%d items in %s, at most %d: send them in several requests", e.Items, e.Pointer, MaxItems)
}

// CheckItems returns a [TooManyError] when an array has too many items.
func CheckItems(pointer string, items int) error {
	if items > MaxItems {
		return &TooManyError{Pointer: pointer, Items: items}
	}
	return nil
}

// Reason says why an item was refused. The set is closed: see [Reasons].
type Reason string

// The reasons.
const (
	Malformed    Reason = "malformed"      // not the JSON it should be, or nested too deep
	TooLarge     Reason = "too_large"      // more bytes than an item may have
	UnknownType  Reason = "unknown_type"   // a batch item whose type is none we know
	NoIdentifier Reason = "no_identifier"  // nobody that it could belong to
	BadEventName Reason = "bad_event_name" // a track call without a name, or with one too long
	BadID        Reason = "bad_id"         // a message or event id that is missing or too long
	BadField     Reason = "bad_field"      // a field that must be one of a set, or of a form, is not
)

// Reasons returns every reason there is, for metrics and documents.
func Reasons() []Reason {
	return []Reason{Malformed, TooLarge, UnknownType, NoIdentifier, BadEventName, BadID, BadField}
}

// Refusal is why an item was refused.
type Refusal struct {
	Reason  Reason
	Detail  string // one sentence for the sender
	Pointer string // JSON pointer to the field in the request; empty: the item
}

const (
	// maxRejected caps what a rejection keeps of its item, in bytes. Guessed: enough
	// to see what it was, little enough that a flood of them fills no disk.
	maxRejected = 32 << 10
	// maxID and maxEventName bound texts that are keys, in bytes. Guessed generously:
	// the longest ids seen in the wild have about 200.
	maxID        = 1024
	maxEventName = 512
	// maxText caps the text of an inbound message, in bytes. WhatsApp's own limit is
	// 4,096 characters.
	maxText = 16 << 10
	// maxDepth leaves room for the two levels that a fact puts around its JSON.
	maxDepth = canonical.MaxDepth - 2
)

// Run is [Env.Run] of an item that is not changed.
func Run(item Item, env Env) (hit.Hit, *Refusal) { return env.Run(&item) }

// Run takes item through every step, which changes it, and returns its hit and, when it
// was dropped, why; the hit then carries the rejection.
func (env *Env) Run(item *Item) (hit.Hit, *Refusal) {
	s := state{item: item, fact: &item.Fact, env: env}
	for _, step := range steps() {
		if refusal := step.run(&s); refusal != nil {
			return reject(item.Raw, env, refusal), refusal
		}
	}
	return hit.Hit{Workspace: env.Workspace, Fact: item.Fact}, nil
}

func reject(raw []byte, env *Env, refusal *Refusal) hit.Hit {
	detail := refusal.Detail
	if refusal.Pointer != "" {
		detail = refusal.Pointer + ": " + detail
	}
	return hit.Hit{
		Workspace: env.Workspace,
		Fact:      hit.Fact{Source: env.Source, ReceivedAt: env.ReceivedAt},
		Rejection: &hit.Rejection{
			Reason: string(refusal.Reason),
			Detail: detail,
			Raw:    raw[:min(len(raw), maxRejected)],
		},
	}
}
