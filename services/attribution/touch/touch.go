// Package touch concludes what reached a person: the state of messages, sessions
// and visits of devices, and the engagements that can earn credit (attribution.md
// section 3). It is pure.
package touch

import (
	"github.com/google/uuid"

	"github.com/touchline/touchline/services/internal/hit"
)

// Message is the state of one message: a join over all that was said of it.
// Instants are 0 when the thing did not happen.
type Message struct {
	Channel  string
	ID       string
	Anchor   uuid.UUID // value of the reference that its facts share
	Sender   string    // the business' number or address
	Template *hit.Template
	Campaign string
	Variant  string
	Token    string
	Category string // pricing category
	Cost     *hit.Amount

	Registered bool      // a sender registered it; else known from statuses alone
	Session    bool      // a chat answer: registered with neither template nor campaign
	Person     uuid.UUID // of the recipient; [uuid.Nil]: no recipient was ever named

	Times
	FailureReason string
}

// Times are the earliest instants at which a message reached its stages; 0: never.
// A later stage implies the earlier ones.
type Times struct {
	SentAt      hit.Instant
	DeliveredAt hit.Instant
	ReadAt      hit.Instant
	ClickedAt   hit.Instant
	RepliedAt   hit.Instant
	FailedAt    hit.Instant // set only when it was neither delivered nor read
}
