package credit

import (
	"math"
	"math/big"
	"slices"

	"github.com/touchline/touchline/services/attribution/policy"
)

// plan is what a policy says of weights, read once: the numbers of a policy are
// decimals as text, and a conversion has no time to parse them.
type plan struct {
	policy   *policy.Policy
	halfLife uint64     // microseconds, positive; 0: more than a word holds
	position [3]uint64  // first, last and all between, in one proportion
	tiers    []tierRate // of those that the policy names, in one proportion
	// Whether the proportions fit into words. A policy's numbers have up to sixty digits;
	// where they do not fit, each conversion is reckoned in numbers of any size.
	positionFits, tiersFit bool
}

// tierRate is the weight of one tier.
type tierRate struct {
	tier string
	rate uint64
}

func compile(p *policy.Policy) plan {
	c := plan{policy: p}
	if life := max(p.HalfLifeSeconds, 1); life <= math.MaxInt64/int64(second) {
		c.halfLife = uint64(life) * uint64(second)
	}
	first, last := p.PositionFirst.Rat(), p.PositionLast.Rat()
	rest := new(big.Rat).Sub(big.NewRat(1, 1), first)
	rates, fit := proportion([]*big.Rat{first, last, rest.Sub(rest, last)})
	c.position, c.positionFits = [3]uint64(rates), fit
	var tiers []*big.Rat
	for tier, weight := range p.TierWeights {
		c.tiers = append(c.tiers, tierRate{tier: tier})
		tiers = append(tiers, weight.Rat())
	}
	rates, c.tiersFit = proportion(tiers)
	for i, rate := range rates {
		c.tiers[i].rate = rate
	}
	return c
}

// proportion brings rates to the smallest whole numbers in their proportion; ok is
// false when they, or their sum, do not fit into a word or one is negative.
func proportion(rates []*big.Rat) (words []uint64, ok bool) {
	shares, divisor := whole(rates), new(big.Int)
	for _, s := range shares {
		divisor.GCD(nil, nil, divisor, new(big.Int).Abs(s))
	}
	sum := new(big.Int)
	for _, s := range shares {
		if divisor.Sign() > 0 {
			s.Quo(s, divisor)
		}
		sum.Add(sum, s)
		words = append(words, s.Uint64())
	}
	negative := slices.ContainsFunc(shares, func(s *big.Int) bool { return s.Sign() < 0 })
	return words, !negative && sum.IsUint64()
}

// rate returns the weight of a tier; 0 when the policy names none.
func (c *plan) rate(tier string) uint64 {
	for i := range c.tiers {
		if c.tiers[i].tier == tier {
			return c.tiers[i].rate
		}
	}
	return 0
}
