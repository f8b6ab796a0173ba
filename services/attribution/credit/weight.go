package credit

import (
	"math/big"
	"slices"

	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/internal/hit"
)

// byRemainder returns the indexes of remainders, largest first, ties to the earlier.
func byRemainder(remainders []*big.Int) []int {
	order := make([]int, len(remainders))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return remainders[b].Cmp(remainders[a]) })
	return order
}

// weigh returns the weights of touchpoints under one model, in parts of [Whole].
// Touchpoints come by (time, key); there is at least one.
func weigh(model string, p *policy.Policy, touches []counted) []int64 {
	weights := make([]int64, len(touches))
	switch model {
	case policy.FirstTouch:
		weights[0] = Whole
		return weights
	case policy.LastTouch:
		weights[len(touches)-1] = Whole
		return weights
	}
	shares := sharesOf(model, p, touches)
	if !slices.ContainsFunc(shares, func(s *big.Int) bool { return s.Sign() > 0 }) {
		shares = equal(len(touches))
	}
	if small, ok := words(shares); ok {
		for i, part := range apportionWords(uint64(Whole), small) {
			weights[i] = int64(part)
		}
		return weights
	}
	for i, part := range apportion(big.NewInt(Whole), shares) {
		weights[i] = part.Int64()
	}
	return weights
}

// sharesOf returns whole numbers in the proportion of the weights. All zero stands
// for equal shares.
func sharesOf(model string, p *policy.Policy, touches []counted) []*big.Int {
	n := len(touches)
	switch model {
	case policy.TimeDecay:
		return decayShares(p.HalfLifeSeconds, touches)
	case policy.PositionBased:
		return positionShares(p.PositionFirst.Rat(), p.PositionLast.Rat(), n)
	case policy.TierWeighted:
		rates := make([]*big.Rat, n)
		for i := range touches {
			rates[i] = p.TierWeights[touches[i].engagement.Tier].Rat()
		}
		return whole(rates)
	}
	return equal(n)
}

func equal(n int) []*big.Int {
	shares := make([]*big.Int, n)
	for i := range shares {
		shares[i] = big.NewInt(1)
	}
	return shares
}

// positionShares gives the first and last their fractions and the rest equal parts
// of what is left; two share in the proportion of first and last. One has the share
// of the last, which, whatever it is, is all.
func positionShares(first, last *big.Rat, n int) []*big.Int {
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
// about 5 microseconds a touchpoint where the float takes 10 nanoseconds; only
// time_decay pays it.
func halving(age hit.Instant, halfLife *big.Int) *big.Int {
	lives, rest := new(big.Int).QuoRem(big.NewInt(int64(age)), halfLife, new(big.Int))
	if lives.Cmp(big.NewInt(decayBits)) > 0 {
		return new(big.Int)
	}
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
