package credit

import (
	"math"
	"math/bits"
	"strconv"

	"github.com/cockroachdb/apd/v3"
)

// usualDigits is the number of decimals of a currency that [minorDigits] does not
// name, known or not.
const usualDigits = 2

// minorDigits returns the decimals of a currency's minor unit by ISO 4217 (list one
// of 2026-01-01). It is a table of its own because CLDR, which x/text carries, rounds
// some currencies to what is in use and not to what the standard says.
func minorDigits(currency string) int32 {
	switch currency {
	case "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF":
		return 0
	case "BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND":
		return 3
	case "CLF", "UYW":
		return 4
	}
	return usualDigits
}

// amount is a decimal that fits into a word: units of 10^-scale.
type amount struct {
	units    uint64
	scale    int32 // the currency's, or more when the value has more
	negative bool  // never of 0
}

// amountOf reads a value in the decimals of its currency, or its own when they are
// more, trailing zeros aside; ok is false when it does not fit into a word.
func amountOf(value *apd.Decimal, currency string) (a amount, ok bool) {
	if !value.Coeff.IsUint64() {
		return amount{}, false
	}
	units, exponent := value.Coeff.Uint64(), value.Exponent
	if units == 0 {
		return amount{scale: minorDigits(currency)}, true
	}
	for units%10 == 0 {
		units /= 10
		exponent++
	}
	a = amount{scale: max(minorDigits(currency), -exponent), negative: value.Negative}
	a.units, ok = shifted(units, a.scale+exponent)
	return a, ok
}

// shifted is units times 10^places; places is not negative.
func shifted(units uint64, places int32) (product uint64, ok bool) {
	for ; places > 0; places-- {
		var high uint64
		if high, units = bits.Mul64(units, 10); high > 0 {
			return 0, false
		}
	}
	return units, true
}

// append writes the amount in plain notation.
func (a amount) append(text []byte) []byte {
	if a.negative {
		text = append(text, '-')
	}
	var room [20]byte // as long as a word gets
	digits, places := strconv.AppendUint(room[:0], a.units, 10), int(a.scale)
	if places == 0 {
		return append(text, digits...)
	}
	if whole := len(digits) - places; whole > 0 {
		text = append(append(text, digits[:whole]...), '.')
		return append(text, digits[whole:]...)
	}
	text = append(text, '0', '.')
	for range places - len(digits) {
		text = append(text, '0')
	}
	return append(text, digits...)
}

// Format writes an amount with the decimals of its currency, or more when it has
// more.
func Format(value *apd.Decimal, currency string) string {
	a, ok := amountOf(value, currency)
	if !ok {
		return exactFormat(value, currency)
	}
	var room [24]byte // as long as a usual amount gets
	return string(a.append(room[:0]))
}

// minus returns a - b with no more decimals than it needs or the currency has.
func (a amount) minus(b amount, currency string) (difference amount, ok bool) {
	scale := max(a.scale, b.scale)
	of, okay := a.signed(scale)
	off, fine := b.signed(scale)
	left := of - off // neither is more than half a word
	difference = amount{units: uint64(max(left, -left)), scale: scale, negative: left < 0}
	for minor := minorDigits(currency); difference.scale > minor && difference.units%10 == 0; difference.scale-- {
		difference.units /= 10
	}
	return difference, okay && fine
}

// signed is the amount in units of 10^-scale, which is no less than its own.
func (a amount) signed(scale int32) (units int64, ok bool) {
	shift, ok := shifted(a.units, scale-a.scale)
	if !ok || shift > math.MaxInt64/2 {
		return 0, false
	}
	if a.negative {
		return -int64(shift), true
	}
	return int64(shift), true
}

// split divides an amount by weights, whose sum is [Whole], exactly: the parts sum to
// it.
func (a amount) split(weights, parts []uint64, s *scratch) {
	s.apportion(a.units, weights, parts)
}

// part is an amount's part of so many units.
func (a amount) part(units uint64) amount {
	return amount{units: units, scale: a.scale, negative: a.negative && units > 0}
}
