package policy

import (
	"encoding/json"
	"math/big"
	"strings"

	"github.com/cockroachdb/apd/v3"
)

// Number is an exact decimal as text in plain notation, e.g. "0.4". Empty: none.
type Number string

// maxDigits bounds the digits of a number on either side of the point. Guessed:
// far beyond any weight or price.
const maxDigits = 30

// Rat returns the number as an exact fraction; an empty or unreadable one is 0.
func (n Number) Rat() *big.Rat {
	r, ok := new(big.Rat).SetString(string(n))
	if !ok {
		return new(big.Rat)
	}
	return r
}

// MarshalJSON writes the number as a JSON number, digit for digit.
func (n Number) MarshalJSON() ([]byte, error) {
	if n == "" {
		return []byte("null"), nil
	}
	return json.Marshal(json.Number(n))
}

// parseNumber reads a JSON number, or a decimal written as a JSON string, into its
// shortest plain notation.
func parseNumber(raw json.RawMessage) (Number, bool) {
	text := string(raw)
	if strings.HasPrefix(text, `"`) {
		if json.Unmarshal(raw, &text) != nil {
			return "", false
		}
	}
	d, _, err := apd.NewFromString(strings.TrimSpace(text))
	if err != nil || d.Form != apd.Finite {
		return "", false
	}
	d.Reduce(d) // of -0.00 too: it is 0
	if d.Exponent < -maxDigits || int64(d.Exponent)+d.NumDigits() > maxDigits {
		return "", false
	}
	return Number(d.Text('f')), true
}
