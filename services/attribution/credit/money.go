package credit

import (
	"math/big"
	"math/bits"

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

// digits returns the decimals that value is split in: those of the currency, or its
// own when they are more, trailing zeros aside.
func digits(value *apd.Decimal, currency string) int32 {
	reduced, _ := new(apd.Decimal).Reduce(value)
	return max(minorDigits(currency), -reduced.Exponent)
}

// Format writes an amount with the decimals of its currency, or more when it has
// more.
func Format(value *apd.Decimal, currency string) string {
	scale := digits(value, currency)
	return decimal(units(value, scale), scale, value.Negative).Text('f')
}

// units returns the absolute of value in units of 10^-scale; scale is no less than
// the value's own decimals.
func units(value *apd.Decimal, scale int32) *big.Int {
	coefficient := new(big.Int).Set(value.Coeff.MathBigInt())
	shift := int64(value.Exponent) + int64(scale)
	if shift < 0 { // trailing zeros beyond the scale
		return coefficient.Quo(coefficient, power10(-shift))
	}
	return coefficient.Mul(coefficient, power10(shift))
}

func power10(n int64) *big.Int {
	return new(big.Int).Exp(big.NewInt(10), big.NewInt(n), nil)
}

// decimal is n units of 10^-scale; zero is never negative.
func decimal(n *big.Int, scale int32, negative bool) *apd.Decimal {
	d := apd.NewWithBigInt(new(apd.BigInt).SetMathBigInt(n), -scale)
	d.Negative = negative && n.Sign() != 0
	return d
}

// split divides an amount by weights, exactly: the parts sum to it.
func split(value *apd.Decimal, currency string, weights []int64) []*apd.Decimal {
	scale := digits(value, currency)
	total := units(value, scale)
	if total.IsInt64() { // as good as always
		return splitWords(total.Uint64(), weights, scale, value.Negative)
	}
	shares := make([]*big.Int, len(weights))
	for i, w := range weights {
		shares[i] = big.NewInt(w)
	}
	parts := make([]*apd.Decimal, len(weights))
	for i, n := range apportion(total, shares) {
		parts[i] = decimal(n, scale, value.Negative)
	}
	return parts
}

// splitWords is split of an amount that fits into a word.
func splitWords(total uint64, weights []int64, scale int32, negative bool) []*apd.Decimal {
	shares := make([]uint64, len(weights))
	for i, w := range weights {
		shares[i] = uint64(w)
	}
	parts, decimals := make([]*apd.Decimal, len(weights)), make([]apd.Decimal, len(weights))
	for i, n := range apportionWords(total, shares) {
		decimals[i].SetFinite(int64(n), -scale)
		decimals[i].Negative = negative && n != 0
		parts[i] = &decimals[i]
	}
	return parts
}

// apportion divides total into whole parts proportional to shares by largest
// remainder: floors first, then one each to the largest remainders, ties to the
// earlier. Shares are not negative and their sum is positive.
func apportion(total *big.Int, shares []*big.Int) []*big.Int {
	sum := new(big.Int)
	for _, s := range shares {
		sum.Add(sum, s)
	}
	parts := make([]*big.Int, len(shares))
	remainders := make([]*big.Int, len(shares))
	missing := new(big.Int).Set(total)
	for i, s := range shares {
		product := new(big.Int).Mul(total, s)
		parts[i], remainders[i] = product.QuoRem(product, sum, new(big.Int))
		missing.Sub(missing, parts[i])
	}
	// Fewer units are missing than there are shares.
	for _, i := range byRemainder(remainders)[:missing.Int64()] {
		parts[i].Add(parts[i], big.NewInt(1))
	}
	return parts
}

// words returns shares that fit into a word each, and their sum too.
func words(shares []*big.Int) (small []uint64, ok bool) {
	small = make([]uint64, len(shares))
	sum := uint64(0)
	for i, s := range shares {
		if !s.IsUint64() {
			return nil, false
		}
		small[i] = s.Uint64()
		if sum += small[i]; sum < small[i] {
			return nil, false
		}
	}
	return small, true
}

// apportionWords is apportion in words: a tenth of its time, and nearly all amounts and
// models need no more. The sum of the shares fits into a word.
func apportionWords(total uint64, shares []uint64) []uint64 {
	sum := uint64(0)
	for _, s := range shares {
		sum += s
	}
	parts, remainders := make([]uint64, len(shares)), make([]uint64, len(shares))
	missing := total
	for i, s := range shares {
		high, low := bits.Mul64(total, s)
		parts[i], remainders[i] = bits.Div64(high, low, sum) // no more than total, as s is no more than sum
		missing -= parts[i]
	}
	for ; missing > 0; missing-- {
		largest := 0
		for i, r := range remainders {
			if r > remainders[largest] {
				largest = i
			}
		}
		parts[largest]++
		remainders[largest] = 0 // had it been 0 before, nothing would be missing
	}
	return parts
}
