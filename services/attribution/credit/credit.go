// Package credit divides conversions among the touchpoints before them: windows,
// precedence, models and the splitting of money (attribution.md sections 5 to 7).
// It is pure and uses no floating point.
package credit

import (
	"github.com/google/uuid"

	"github.com/touchline/touchline/services/internal/hit"
)

// Unattributed is the channel of the one credit of a conversion without an
// eligible touchpoint.
const Unattributed = "unattributed"

// Whole is the sum of the weights of one conversion under one model.
const Whole int64 = 1_000_000_000_000

// Conversion is one counted conversion or refund with all its credits.
type Conversion struct {
	Definition string
	ID         string    // "order:<order id>", else the event id
	Anchor     uuid.UUID // value of the reference that its copies share
	EventID    string
	EventName  string
	InThread   bool
	EventAt    hit.Instant
	OrderID    string // empty: none
	Refund     bool
	Value      string    // decimal; empty: none
	Currency   string    // ISO 4217; empty when there is no value
	Person     uuid.UUID // [uuid.Nil]: nobody
	Identified bool      // the person has a strong identifier
	Flags      []string  // sorted
	Models     []string  // the order of Credit.Weights and Credit.Credited
	Credits    []Credit  // by (time, touchpoint key); at least one
}

// Credit is one touchpoint's share of a conversion under every model.
type Credit struct {
	Channel          string
	Tier             string      // empty: unattributed
	TouchKey         string      // empty: unattributed
	TouchAt          hit.Instant // 0: unattributed
	WindowSeconds    int64       // of the rule that admitted it
	LagMicros        int64       // age at the conversion
	MessageChannel   string      // empty: no message
	MessageID        string
	TemplateName     string
	TemplateLanguage string
	Campaign         string
	Variant          string
	Weights          []int64  // parts of [Whole], one a model
	Credited         []string // decimals, one a model; nil: the conversion has no value
}
