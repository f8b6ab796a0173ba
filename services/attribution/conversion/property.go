package conversion

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/cockroachdb/apd/v3"

	"github.com/touchline/touchline/services/internal/hit"
)

// maxDigits bounds an amount on either side of the decimal point: more is no amount
// of money, and PostgreSQL and every reader of the table must hold it. Guessed.
const maxDigits = 1000

// Properties are the members of an event's JSON object. Names are exact.
type Properties map[string]json.RawMessage

// ParseProperties reads a JSON object; anything else has no properties.
func ParseProperties(raw json.RawMessage) Properties {
	var p Properties
	if len(raw) == 0 || json.Unmarshal(raw, &p) != nil || p == nil {
		return Properties{}
	}
	return p
}

// amountProperties are an amount as an event states it; nil states none.
func amountProperties(a *hit.Amount) Properties {
	p := Properties{}
	if a != nil {
		p.setText("value", a.Amount)
		p.setText("currency", a.Currency)
	}
	return p
}

func (p Properties) setText(name, text string) {
	if text == "" {
		return
	}
	if raw, err := json.Marshal(text); err == nil { // a string always marshals
		p[name] = raw
	}
}

// has reports whether the property is there; null is absent.
func (p Properties) has(name string) bool {
	raw, ok := p[name]
	return ok && !bytes.Equal(bytes.TrimSpace(raw), []byte("null"))
}

// text returns a string, number or boolean as text, a string untrimmed. The second
// result is false for anything else.
func (p Properties) text(name string) (string, bool) {
	raw := bytes.TrimSpace(p[name])
	if len(raw) == 0 {
		return "", false
	}
	switch raw[0] {
	case '"':
		var text string
		err := json.Unmarshal(raw, &text)
		return text, err == nil
	case '{', '[', 'n':
		return "", false
	}
	return string(raw), true
}

// amount returns a property as an exact decimal; false when it is no finite number.
func (p Properties) amount(name string) (*apd.Decimal, bool) {
	text, ok := p.text(name)
	if !ok {
		return nil, false
	}
	return ParseAmount(text)
}

// ParseAmount reads a decimal, trailing zeros removed. The second result is false
// when the text is no finite number, or one of more digits than money has.
func ParseAmount(text string) (*apd.Decimal, bool) {
	text = strings.TrimSpace(text)
	if text == "" || len(text) > 2*maxDigits {
		return nil, false
	}
	d, _, err := apd.NewFromString(text)
	if err != nil || d.Form != apd.Finite {
		return nil, false
	}
	d.Reduce(d) // of -0.00 too: it is 0
	if d.Exponent < -maxDigits || int64(d.Exponent)+d.NumDigits() > maxDigits {
		return nil, false
	}
	return d, true
}
