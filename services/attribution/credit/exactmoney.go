package credit

import (
	"math/big"

	"github.com/cockroachdb/apd/v3"

	"github.com/touchline/touchline/services/attribution/conversion"
)

// digits returns the decimals that value is split in: those of the currency, or its
// own when they are more, trailing zeros aside.
func digits(value *apd.Decimal, currency string) int32 {
	reduced, _ := new(apd.Decimal).Reduce(value)
	return max(minorDigits(currency), -reduced.Exponent)
}

// exactFormat is [Format] of an amount of any size.
func exactFormat(value *apd.Decimal, currency string) string {
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

// exactSplit divides an amount of any size by weights, exactly: the parts sum to it.
func exactSplit(value *apd.Decimal, currency string, weights []*big.Int) []*apd.Decimal {
	scale := digits(value, currency)
	total := units(value, scale)
	parts := make([]*apd.Decimal, len(weights))
	for i, n := range apportion(total, weights) {
		parts[i] = decimal(n, scale, value.Negative)
	}
	return parts
}

// setExactValue is setValue of an amount that no word holds.
func (row *Conversion) setExactValue(value *apd.Decimal) {
	row.Value = exactFormat(value, row.Currency)
	for i := range row.Credits {
		row.Credits[i].Credited = make([]string, len(row.Models))
	}
	for m := range row.Models {
		for i, part := range exactSplit(value, row.Currency, row.exactly(m)) {
			row.Credits[i].Credited[m] = part.Text('f')
		}
	}
}

// setExactRefund is setRefund of amounts that no word holds.
func (row *Conversion) setExactRefund(r *conversion.Refund) {
	row.Value = exactFormat(conversion.Subtract(r.After, r.Before), row.Currency)
	for i := range row.Credits {
		row.Credits[i].Credited = make([]string, len(row.Models))
	}
	for m := range row.Models {
		weights := row.exactly(m)
		after, before := exactSplit(r.After, row.Currency, weights), exactSplit(r.Before, row.Currency, weights)
		for i := range row.Credits {
			row.Credits[i].Credited[m] = exactFormat(conversion.Subtract(after[i], before[i]), row.Currency)
		}
	}
}

// exactly returns the weights of all credits under one model.
func (row *Conversion) exactly(model int) []*big.Int {
	weights := make([]*big.Int, len(row.Credits))
	for i := range weights {
		weights[i] = big.NewInt(row.Credits[i].Weights[model])
	}
	return weights
}
