package credit

import (
	"math/bits"
)

// decayWords bounds the touchpoints whose time_decay is reckoned in words: with more,
// what one may be off by is no longer small beside the distance of two remainders.
const decayWords = 1000

// decayError is more than what a share of [plan.decay] can be off by from the share of
// [decayShares], in the shares' own units: less than 8 of [quickHalving], of which at
// least two bits are cut off, and one for cutting.
const decayError = 4

// decay reckons the weights of time_decay in words and reports whether they are known
// to be those of [exactWeights], to the last part.
//
// A share is off by less than E = decayError. Then the quota W a/A of the exact shares
// a, of which A is the sum, and that of ours, W s/S, differ by
//
//	W |s (A - S) - S (a - s)| / (A S) < W E (n s/S + 1) / A, at most W E (n + 1) / A
//
// so that a remainder, in units of 1/S, is off by less than W E (n + 1), if E is taken
// a little larger than it is for the sake of S/A. Where that could move a part over a
// whole number, or a remainder over another that decides who gets a missing unit, the
// answer is not known. Touchpoints of one age have one share, so between these nothing
// can move.
func (c *plan) decay(touches []counted, weights []uint64, s *scratch) bool {
	n := len(touches)
	oldest, youngest := touches[0].age, touches[n-1].age
	shares := s.shares[:n]
	if oldest == youngest {
		equal(shares)
		s.apportion(uint64(Whole), shares, weights)
		return true
	}
	if c.halfLife == 0 || n > decayWords {
		return false
	}
	var sum uint64
	cut := uint(bits.Len(uint(n))) // the sum of n shares, each cut by that, is less than 2^63
	for i := range touches {
		age := uint64(touches[i].age - youngest)
		shares[i] = quickHalving(age%c.halfLife, c.halfLife) >> (uint(age/c.halfLife) + cut)
		sum += shares[i]
	}
	missing := int(s.floors(uint64(Whole), sum, shares, weights))
	off := uint64(Whole) * decayError * uint64(n+1)
	if !s.floorsHold(weights, sum, off) || !s.orderHolds(touches, missing, off) {
		return false
	}
	for _, i := range s.order[:missing] {
		weights[i]++
	}
	return true
}

// floorsHold reports whether remainders that are off by less than off, in units of
// 1/sum, leave the whole parts as they are. What is nothing cannot become less.
func (s *scratch) floorsHold(parts []uint64, sum, off uint64) bool {
	for i, part := range parts {
		if r := s.remainders[i]; r+off >= sum || r < off && part > 0 {
			return false
		}
	}
	return true
}

// orderHolds reports whether remainders that are off by less than off leave those that
// get a missing unit as they are, and puts these first in s.order.
func (s *scratch) orderHolds(touches []counted, missing int, off uint64) bool {
	order := s.byRemainder(len(touches))
	if missing == 0 {
		return true
	}
	last, next := order[missing-1], order[missing]
	least := s.remainders[last]
	if least-s.remainders[next] >= 2*off {
		return true
	}
	for i := range touches { // one age or far away
		r := s.remainders[i]
		if touches[i].age != touches[last].age && max(r, least)-min(r, least) < 2*off {
			return false
		}
	}
	return true
}

// quickHalving returns 2^-(rest/life) in units of 2^-63, off by less than 8; rest is
// less than life.
//
// It is exp(-x) by its series, x being rest/life ln 2, term by term from the last. Each
// step cuts off less than 1 of a coefficient and less than 1 of a product, of which all
// that follows keeps a part of x, so that less than 2/(1 - x) < 6.6 comes together; x
// is too small by less than 3 units of 2^-64. What is left out of the series is less
// than 0.01.
func quickHalving(rest, life uint64) uint64 {
	fraction, _ := bits.Div64(rest, 0, life)
	x, _ := bits.Mul64(fraction, ln2Word)
	var sum uint64
	for _, coefficient := range &series {
		product, _ := bits.Mul64(sum, x)
		sum = coefficient - product
	}
	return sum
}

// series are the coefficients of exp, 1/19! to 1/0! in units of 2^-63, rounded down.
var series = [...]uint64{
	one63 / 121645100408832000, one63 / 6402373705728000, one63 / 355687428096000, one63 / 20922789888000,
	one63 / 1307674368000, one63 / 87178291200, one63 / 6227020800, one63 / 479001600, one63 / 39916800,
	one63 / 3628800, one63 / 362880, one63 / 40320, one63 / 5040, one63 / 720, one63 / 120, one63 / 24,
	one63 / 6, one63 / 2, one63, one63,
}

const (
	one63   = uint64(1) << 63
	ln2Word = 0xB17217F7D1CF79AB // ln 2 in units of 2^-64, rounded down
)
