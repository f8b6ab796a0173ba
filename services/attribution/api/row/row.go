// Package row is one row of the attribution table as the API shows it, in each of
// the forms it can be asked for. What comes in is what the database holds; what goes
// out hides what its reader may not see. It is pure: no clock, no database.
package row

import (
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// whole is the sum of the weights of one conversion under one model.
const whole = 1_000_000_000_000

// Instant is a time as every answer shows it: RFC 3339, UTC, six digits.
type Instant struct{ time.Time }

// InstantOf returns t as an Instant.
func InstantOf(t time.Time) Instant { return Instant{t.UTC()} }

// MaybeInstant returns nil for nil.
func MaybeInstant(t *time.Time) *Instant {
	if t == nil {
		return nil
	}
	i := InstantOf(*t)
	return &i
}

// String prints the instant.
func (i Instant) String() string { return i.UTC().Format("2006-01-02T15:04:05.000000Z") }

// MarshalJSON prints the instant as a JSON string.
func (i Instant) MarshalJSON() ([]byte, error) { return []byte(`"` + i.String() + `"`), nil }

// Weight is a share of a conversion in parts per 10^12. Its text is a decimal
// between 0 and 1 with as many digits as it needs, so no float rounds it.
type Weight int64

// String prints the weight as a decimal.
func (w Weight) String() string { return decimal(int64(w), whole, 12) }

// MarshalJSON prints the weight as a JSON number.
func (w Weight) MarshalJSON() ([]byte, error) { return []byte(w.String()), nil }

// Lag is an age in microseconds, printed in seconds.
type Lag int64

// String prints the lag in seconds, as a decimal.
func (l Lag) String() string { return decimal(int64(l), 1_000_000, 6) }

// MarshalJSON prints the lag as a JSON number of seconds.
func (l Lag) MarshalJSON() ([]byte, error) { return []byte(l.String()), nil }

// decimal prints n/unit, unit = 10^digits, without trailing zeros.
func decimal(n, unit int64, digits int) string {
	sign := ""
	if n < 0 {
		sign, n = "-", -n
	}
	text := sign + strconv.FormatInt(n/unit, 10)
	if rest := n % unit; rest != 0 {
		fraction := strconv.FormatInt(rest, 10)
		text += "." + strings.Repeat("0", digits-len(fraction)) + fraction
		text = strings.TrimRight(text, "0")
	}
	return text
}

// Row is one conversion, touchpoint and model. The JSON names and their order are
// the interface; a pointer is nil where the row has none.
type Row struct {
	ID               uuid.UUID  `json:"id"`
	Conversion       string     `json:"conversion"`
	ConversionID     string     `json:"conversion_id"`
	EventID          string     `json:"event_id"`
	Event            string     `json:"event"`
	InThread         bool       `json:"in_thread"`
	EventAt          Instant    `json:"event_at"`
	OrderID          *string    `json:"order_id"`
	Value            *string    `json:"value"` // decimal
	Currency         *string    `json:"currency"`
	Model            string     `json:"model"`
	Weight           Weight     `json:"weight"`
	CreditedValue    *string    `json:"credited_value"` // decimal
	Channel          string     `json:"channel"`
	Tier             *string    `json:"tier"`
	TouchKey         *string    `json:"touch_key"`
	TouchAt          *Instant   `json:"touch_at"`
	WindowSeconds    *int64     `json:"window_seconds"`
	LagSeconds       *Lag       `json:"lag_seconds"`
	MessageID        *string    `json:"message_id"`
	TemplateName     *string    `json:"template_name"`
	TemplateLanguage *string    `json:"template_language"`
	Campaign         *string    `json:"campaign"`
	Variant          *string    `json:"variant"`
	SentAt           *Instant   `json:"sent_at"`
	DeliveredAt      *Instant   `json:"delivered_at"`
	ReadAt           *Instant   `json:"read_at"`
	ClickedAt        *Instant   `json:"clicked_at"`
	RepliedAt        *Instant   `json:"replied_at"`
	FailedAt         *Instant   `json:"failed_at"`
	PersonID         *uuid.UUID `json:"person_id"`
	Phone            *string    `json:"phone"`
	PolicyVersion    int        `json:"policy_version"`
}

// ID names a row: UUIDv5 in the workspace's name space over definition, conversion
// id, model, channel and touchpoint key, separated by U+0000, which no text that is
// stored contains. It is made of the plain ids, so it is the same for every reader.
func ID(workspace uuid.UUID, r *Row) uuid.UUID {
	key := ""
	if r.TouchKey != nil {
		key = *r.TouchKey
	}
	name := strings.Join([]string{r.Conversion, r.ConversionID, r.Model, r.Channel, key}, "\x00")
	return uuid.NewSHA1(workspace, []byte(name))
}
