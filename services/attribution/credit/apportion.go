package credit

import (
	"cmp"
	"math/bits"
	"slices"
)

// scratch is what one conversion is reckoned in, used again for the next.
type scratch struct {
	found      []counted
	place      []int32 // by number of a touchpoint: 1 + its index in found; 0: not there
	weights    []uint64
	shares     []uint64
	parts      []uint64
	remainders []uint64
	order      []int32
	text       []byte
	ends       []int // of the amounts in text
}

// grow makes room for n touchpoints.
func (s *scratch) grow(n int) {
	if n <= len(s.weights) {
		return
	}
	n = max(n, 16)
	words := make([]uint64, 4*n)
	s.weights, s.shares, s.parts, s.remainders = words[:n], words[n:2*n], words[2*n:3*n], words[3*n:]
	s.order = make([]int32, n)
}

// apportion divides total in the proportion of shares, whose sum is positive and fits
// into a word. It is [apportion] in words: nearly all amounts and models need no more.
func (s *scratch) apportion(total uint64, shares, parts []uint64) {
	sum := uint64(0)
	for _, share := range shares {
		sum += share
	}
	s.handOut(int(s.floors(total, sum, shares, parts)), parts)
}

// floors divides total in the proportion of shares, each part rounded down, and
// returns how many units that leaves: fewer than there are shares. The remainders are
// left in s.
func (s *scratch) floors(total, sum uint64, shares, parts []uint64) (missing uint64) {
	remainders := s.remainders[:len(shares)]
	missing = total
	for i, share := range shares {
		high, low := bits.Mul64(total, share)
		switch {
		case high > 0:
			parts[i], remainders[i] = bits.Div64(high, low, sum) // no more than total, as share is no more than sum
		case sum == uint64(Whole): // a constant, by which processors need not divide
			parts[i], remainders[i] = low/uint64(Whole), low%uint64(Whole)
		default:
			parts[i], remainders[i] = low/sum, low%sum
		}
		missing -= parts[i]
	}
	return missing
}

// few is how many comparisons are taken rather than to sort. Guessed.
const few = 400

// handOut gives one unit each to the parts with the largest remainders, ties to the
// earlier. It uses the remainders up.
func (s *scratch) handOut(missing int, parts []uint64) {
	remainders := s.remainders[:len(parts)]
	if missing*len(parts) > few {
		for _, i := range s.byRemainder(len(parts))[:missing] {
			parts[i]++
		}
		return
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
}

// byRemainder returns the indexes of n remainders, largest first, ties to the earlier.
func (s *scratch) byRemainder(n int) []int32 {
	order := s.order[:n]
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int {
		return cmp.Or(cmp.Compare(s.remainders[b], s.remainders[a]), cmp.Compare(a, b))
	})
	return order
}
