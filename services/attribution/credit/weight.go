package credit

import (
	"math/bits"

	"github.com/touchline/touchline/services/attribution/policy"
)

// weigh returns the weights of touchpoints under one model, in parts of [Whole].
// Touchpoints come by (time, key); there is at least one. What it returns lies in s
// until s is used again.
//
// Everything is reckoned in words where that is known to come to the last digit to
// what [exactWeights] says, and by that where it is not.
func (c *plan) weigh(model string, touches []counted, s *scratch) []uint64 {
	n := len(touches)
	s.grow(n)
	weights := s.weights[:n]
	clear(weights)
	switch {
	case n == 1, model == policy.LastTouch:
		weights[n-1] = uint64(Whole)
		return weights
	case model == policy.FirstTouch:
		weights[0] = uint64(Whole)
		return weights
	case model == policy.TimeDecay:
		if c.decay(touches, weights, s) {
			return weights
		}
	case c.shares(model, touches, s.shares[:n]):
		s.apportion(uint64(Whole), s.shares[:n], weights)
		return weights
	}
	for i, weight := range exactWeights(model, c.policy, touches) {
		weights[i] = uint64(weight)
	}
	return weights
}

// shares fills in numbers in the proportion of the weights; ok is false when they, or
// their sum, do not fit into a word.
func (c *plan) shares(model string, touches []counted, shares []uint64) (ok bool) {
	fits := true
	switch model {
	case policy.PositionBased:
		fits = c.positionFits && c.positionShares(shares)
	case policy.TierWeighted:
		fits = c.tiersFit
		for i := range shares {
			shares[i] = c.rate(touches[i].engagement.Tier)
		}
	default:
		equal(shares)
	}
	var sum, carry uint64
	for _, share := range shares {
		var over uint64
		sum, over = bits.Add64(sum, share, 0)
		carry |= over
	}
	if sum == 0 {
		equal(shares)
	}
	return fits && carry == 0
}

func equal(shares []uint64) {
	for i := range shares {
		shares[i] = 1
	}
}

// positionShares gives the first and last their fractions and the rest equal parts of
// what is left; two share in the proportion of first and last.
func (c *plan) positionShares(shares []uint64) (ok bool) {
	n := len(shares)
	if n == 2 {
		shares[0], shares[1] = c.position[0], c.position[1]
		return true
	}
	between := uint64(n - 2)
	for i := range shares {
		shares[i] = c.position[2]
	}
	var high, higher uint64
	high, shares[0] = bits.Mul64(c.position[0], between)
	higher, shares[n-1] = bits.Mul64(c.position[1], between)
	return high == 0 && higher == 0
}
