package policy

import (
	"encoding/json"
	"math/big"
)

// Number is an exact decimal as text in plain notation, e.g. "0.4". Empty: none.
type Number string

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
