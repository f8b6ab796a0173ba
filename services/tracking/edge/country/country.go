// Package country finds the country that an item itself names, for reading national
// phone numbers. It is pure.
package country

import "github.com/touchline/touchline/services/tracking/edge/lenient"

// Of returns the ISO 3166-1 alpha-2 code that properties or traits name: of an
// address, the delivery's first, else outright; empty when there is none, or only a
// country's name.
func Of(o lenient.Object) string {
	for _, key := range []string{"shipping_address", "billing_address", "address"} {
		if code := stated(o.Object(key)); code != "" {
			return code
		}
	}
	return stated(o)
}

func stated(o lenient.Object) string {
	if code := Alpha2(o.Text("country_code")); code != "" {
		return code
	}
	return Alpha2(o.Text("country"))
}

// Alpha2 returns a code of two letters in upper case, and "" for any other text.
func Alpha2(text string) string {
	if len(text) != 2 {
		return ""
	}
	code := []byte(text)
	for i, b := range code {
		if b |= 0x20; b < 'a' || b > 'z' {
			return ""
		}
		code[i] &^= 0x20
	}
	return string(code)
}
