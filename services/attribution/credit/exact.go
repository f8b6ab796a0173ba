package credit

import (
	"math/big"
	"slices"

	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/internal/hit"
)

// exactWeights is what [plan.weigh] has to come to, in numbers of any size: for the few
// policies, amounts and ages that words do not suffice for, and what they are tested
// against.
func exactWeights(model string, p *policy.Policy, touches []counted) []int64 {
	weights := make([]int64, len(touches))
	switch model {
	case policy.FirstTouch:
		weights[0] = Whole
		return weights
	case policy.LastTouch:
		weights[len(touches)-1] = Whole
		return weights
	}
	shares := exactShares(model, p, touches)
	if !slices.ContainsFunc(shares, func(s *big.Int) bool { return s.Sign() > 0 }) {
		shares = ones(len(touches))
	}
	for i, part := range apportion(big.NewInt(Whole), shares) {
		weights[i] = part.Int64()
	}
	return weights
}

// exactShares returns whole numbers in the proportion of the weights. None, or all zero,
// stand for equal shares.
func exactShares(model string, p *policy.Policy, touches []counted) []*big.Int {
	n := len(touches)
	switch model {
	case policy.TimeDecay:
		return decayShares(p.HalfLifeSeconds, touches)
	case policy.PositionBased:
		return exactPosition(p.PositionFirst.Rat(), p.PositionLast.Rat(), n)
	case policy.TierWeighted:
		rates := make([]*big.Rat, n)
		for i := range touches {
			rates[i] = p.TierWeights[touches[i].engagement.Tier].Rat()
		}
		return whole(rates)
	}
	return nil
}

func ones(n int) []*big.Int {
	shares := make([]*big.Int, n)
	for i := range shares {
		shares[i] = big.NewInt(1)
	}
	return shares
}

// exactPosition gives the first and last their fractions and the rest equal parts
// of what is left; two share in the proportion of first and last. One has the share
// of the last, which, whatever it is, is all.
func exactPosition(first, last *big.Rat, n int) []*big.Int {
	rates := make([]*big.Rat, n)
	rest := new(big.Rat).Sub(big.NewRat(1, 1), first)
	rest.Sub(rest, last)
	if n > 2 {
		rest.Quo(rest, big.NewRat(int64(n-2), 1))
	}
	for i := range rates {
		rates[i] = rest
	}
	rates[0], rates[n-1] = first, last
	return whole(rates)
}

// whole brings rates to their common denominator.
func whole(rates []*big.Rat) []*big.Int {
	denominator := big.NewInt(1)
	for _, r := range rates {
		gcd := new(big.Int).GCD(nil, nil, denominator, r.Denom())
		denominator.Mul(denominator, new(big.Int).Quo(r.Denom(), gcd))
	}
	shares := make([]*big.Int, len(rates))
	for i, r := range rates {
		shares[i] = new(big.Int).Mul(r.Num(), new(big.Int).Quo(denominator, r.Denom()))
	}
	return shares
}

// decayBits is the precision of [halving]: 2^-96 is 10^-16 of a part of [Whole].
const decayBits = 96

// decayShares are proportional to 2^(-(age - youngest age) / half life).
func decayShares(halfLifeSeconds int64, touches []counted) []*big.Int {
	youngest := touches[0].age
	for i := range touches {
		youngest = min(youngest, touches[i].age)
	}
	halfLife := big.NewInt(max(halfLifeSeconds, 1))
	halfLife.Mul(halfLife, big.NewInt(int64(second)))
	shares := make([]*big.Int, len(touches))
	for i := range touches {
		shares[i] = halving(touches[i].age-youngest, halfLife)
	}
	return shares
}

// halving returns 2^(-age/halfLife) in units of 2^-decayBits.
//
// It is computed in integers, because math.Exp2 differs in its last bits between
// processors and a credit must not: whole half lives are a shift, the fraction r is
// exp(-r ln 2) by its series. That costs some 25 multiplications of 128-bit numbers,
// about 5 microseconds a touchpoint; only what [plan.decay] cannot vouch for pays it.
func halving(age hit.Instant, halfLife *big.Int) *big.Int {
	lives, rest := new(big.Int).QuoRem(big.NewInt(int64(age)), halfLife, new(big.Int))
	x := rest.Lsh(rest, decayBits) // r ln 2
	x.Quo(x, halfLife)
	x.Mul(x, ln2()).Rsh(x, decayBits)

	sum := new(big.Int).Lsh(big.NewInt(1), decayBits)
	term := new(big.Int).Set(sum)
	for n := int64(1); term.Sign() != 0; n++ {
		term.Mul(term, x).Rsh(term, decayBits)
		term.Quo(term, big.NewInt(n))
		if n%2 == 1 {
			sum.Sub(sum, term)
		} else {
			sum.Add(sum, term)
		}
	}
	return sum.Rsh(sum, uint(lives.Uint64()))
}

// ln2 is the natural logarithm of 2 in units of 2^-decayBits, rounded down.
func ln2() *big.Int {
	// 0.693147180559945309417232121458176568 x 2^96 = 0xB17217F7D1CF79ABC9E3B398
	return new(big.Int).SetBytes([]byte{0xB1, 0x72, 0x17, 0xF7, 0xD1, 0xCF, 0x79, 0xAB, 0xC9, 0xE3, 0xB3, 0x98})
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

// byRemainder returns the indexes of remainders, largest first, ties to the earlier.
func byRemainder(remainders []*big.Int) []int {
	order := make([]int, len(remainders))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return remainders[b].Cmp(remainders[a]) })
	return order
}
