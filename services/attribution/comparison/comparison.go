// Package comparison is what a version of the table says otherwise than the one whose
// place it takes: found by postgres when a build is complete, stored with the version,
// told by the recompute command and the REST API. It is pure.
package comparison

import "time"

// Comparison sets the version that was built against the one in force at that moment.
// Both spoke of the same facts.
type Comparison struct {
	Version    int  `json:"version"` // after
	Against    int  `json:"against"` // before
	ComparedAt Time `json:"compared_at"`
	// Differences is how many rows differ, of all parts together; 0: the two say the same.
	Differences int64    `json:"differences"`
	Parts       []Part   `json:"parts"`
	Credits     []Credit `json:"credits"` // in order of model, channel, currency
	Moved       []Moved  `json:"moved"`   // in order of model, currency
}

// Time is written as everywhere in the REST API: RFC 3339, UTC, microseconds.
type Time struct{ time.Time }

// MarshalJSON implements [json.Marshaler].
func (t Time) MarshalJSON() ([]byte, error) {
	return []byte(t.UTC().Format(`"2006-01-02T15:04:05.000000Z"`)), nil
}

// The parts, as they are called in [Part.Name].
const (
	Conversions    = "conversion" // with its credits
	Messages       = "message"
	Persons        = "person" // of an identifier
	Links          = "link"
	Claims         = "claim"
	CreditRollups  = "credit_rollup"
	MessageRollups = "message_rollup"
)

// Part is one kind of row. Persons, links and claims are missing when both versions
// stand on the same ones.
type Part struct {
	Name       string `json:"part"`
	Before     int64  `json:"before"` // rows of the version that was in force
	After      int64  `json:"after"`
	OnlyBefore int64  `json:"only_before"`
	OnlyAfter  int64  `json:"only_after"`
	Changed    int64  `json:"changed"` // in both, and not the same
	Rows       []Row  `json:"rows"`    // the first that differ, in order of key
}

// Differences is how many rows differ.
func (p Part) Differences() int64 { return p.OnlyBefore + p.OnlyAfter + p.Changed }

// Credit is what a model gives a channel. Gained and Lost add up what single
// conversions gave it more and less, so that after = before + gained - lost even where
// two conversions level out.
type Credit struct {
	Model    string  `json:"model"`
	Channel  string  `json:"channel"`
	Currency *string `json:"currency"` // nil: of conversions without a value
	Before   Amount  `json:"before"`
	After    Amount  `json:"after"`
	Gained   Amount  `json:"gained"`
	Lost     Amount  `json:"lost"`
}

// Moved is what a model took from channels of a conversion and gave to others of the
// same conversion.
type Moved struct {
	Model    string  `json:"model"`
	Currency *string `json:"currency"`
	Amount
}

// Amount is a sum of credits.
type Amount struct {
	Conversions float64 `json:"conversions"` // sum of weights: 1 is one conversion
	Value       string  `json:"value"`       // a decimal; "0" without a currency
}

// Add puts a part in, with its differences.
func (c *Comparison) Add(p Part) {
	c.Parts = append(c.Parts, p)
	c.Differences += p.Differences()
}

// Equal says that the two versions say the same.
func (c *Comparison) Equal() bool { return c.Differences == 0 }
