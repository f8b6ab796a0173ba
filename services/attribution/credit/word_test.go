package credit

import (
	"math"
	"math/big"
	"math/bits"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	stdcmp "cmp"

	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/attribution/touch"
	"github.com/touchline/touchline/services/internal/hit"
)

// The edges of what is reckoned in words: where they do not suffice, where a result is
// not known, where room ends.

func TestScratch_GrowGivesEachItsOwnRoom(t *testing.T) {
	t.Parallel()
	var s scratch
	for _, n := range []int{1, 16, 17, 40} {
		s.grow(n)
		lists := [][]uint64{s.weights, s.shares, s.parts, s.remainders}
		for k, list := range lists {
			if len(list) != max(n, 16) {
				t.Fatalf("room for %d in list %d of %d", len(list), k, n)
			}
			for i := range list {
				list[i] = uint64(k)
			}
		}
		for k, list := range lists {
			if slices.Min(list) != uint64(k) || slices.Max(list) != uint64(k) {
				t.Errorf("list %d of %d shares its room: %v", k, n, list)
			}
		}
		if len(s.order) < n {
			t.Errorf("an order of %d, want %d", len(s.order), n)
		}
		before := &s.weights[0]
		if s.grow(len(s.weights)); &s.weights[0] != before {
			t.Errorf("there was room for %d", len(s.weights))
		}
	}
}

// What is divided is what the parts and remainders come to, whichever way it is done.
func TestScratch_FloorsLeaveTheRemainders(t *testing.T) {
	t.Parallel()
	whole := uint64(Whole)
	tests := []struct {
		total  uint64
		shares []uint64
	}{
		{9_999_999, []uint64{whole / 3, whole / 3, whole/3 + 1}},
		{9_999_999, []uint64{whole / 3, whole / 3, whole / 3}},        // one less than the whole
		{9_999_999, []uint64{whole / 3, whole / 3, whole/3 + 2}},      // one more
		{math.MaxUint64, []uint64{whole / 3, whole / 3, whole/3 + 1}}, // products of two words
		{math.MaxUint64, []uint64{math.MaxUint64 - 3, 0, 2, 1}},
		{1, []uint64{whole - 1, 1}}, // hardly less than one
		{1, []uint64{7}},
		{7, []uint64{1, 1, 1}},
	}
	for _, tt := range tests {
		var s scratch
		s.grow(len(tt.shares))
		sum := uint64(0)
		for _, share := range tt.shares {
			sum += share
		}
		parts, left := make([]uint64, len(tt.shares)), tt.total
		missing := s.floors(tt.total, sum, tt.shares, parts)
		for i, share := range tt.shares {
			high, low := bits.Mul64(tt.total, share)
			part, remainder := bits.Div64(high, low, sum)
			if parts[i] != part || s.remainders[i] != remainder {
				t.Errorf("%d x %d / %d is %d, rest %d, want %d, rest %d", tt.total, share, sum, parts[i], s.remainders[i], part, remainder)
			}
			left -= part
		}
		if missing != left {
			t.Errorf("%d of %d are missing, want %d", missing, tt.total, left)
		}
	}
}

// Few parts or many, few missing or many: it is the largest remainders that get one, of
// equal ones the earlier.
func TestScratch_HandOut(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 2, 13, 60, 100} {
		remainders := make([]uint64, n)
		for i := range remainders {
			remainders[i] = uint64(1 + i*7%5)
		}
		order := make([]int, n)
		for i := range order {
			order[i] = i
		}
		slices.SortStableFunc(order, func(a, b int) int { return stdcmp.Compare(remainders[b], remainders[a]) })
		for missing := range n {
			want := make([]uint64, n)
			for _, i := range order[:missing] {
				want[i]++
			}
			var s scratch
			s.grow(n)
			copy(s.remainders, remainders)
			got := make([]uint64, n)
			if s.handOut(missing, got); !slices.Equal(got, want) {
				t.Fatalf("%d of %d: %v, want %v", missing, n, got, want)
			}
		}
	}
}

func TestScratch_FloorsHold(t *testing.T) {
	t.Parallel()
	const sum, off = 1000, 10
	tests := []struct {
		name            string
		part, remainder uint64
		want            bool
	}{
		{"far from either side", 1, 500, true},
		{"so near above a whole number that it may be below", 1, 9, false},
		{"just far enough above", 1, 10, true},
		{"a whole number", 1, 0, false},
		{"nothing cannot become less", 0, 0, true},
		{"nor what is hardly more", 0, 9, true},
		{"so near below a whole number that it may be above", 1, 990, false},
		{"just far enough below", 1, 989, true},
		{"near below one", 0, 999, false},
	}
	for _, tt := range tests {
		for _, place := range []int{0, 1} { // one in doubt is enough
			s, parts := scratch{remainders: []uint64{500, 500}}, []uint64{1, 1}
			s.remainders[place], parts[place] = tt.remainder, tt.part
			if got := s.floorsHold(parts, sum, off); got != tt.want {
				t.Errorf("%s: %v", tt.name, got)
			}
		}
	}
}

func TestScratch_OrderHolds(t *testing.T) {
	t.Parallel()
	const off = 10
	tests := []struct {
		name       string
		remainders []uint64
		ages       []hit.Instant
		missing    int
		want       bool
		order      []int32 // of those that get one
	}{
		{"nothing is missing", []uint64{0, 0}, []hit.Instant{2, 1}, 0, true, nil},
		{"far apart", []uint64{100, 80}, []hit.Instant{2, 1}, 1, true, []int32{0}},
		{"not far enough", []uint64{81, 100}, []hit.Instant{2, 1}, 1, false, nil},
		{"equal", []uint64{100, 100}, []hit.Instant{2, 1}, 1, false, nil},
		{"equal, but of one age", []uint64{100, 100, 10}, []hit.Instant{2, 2, 1}, 1, true, []int32{0}},
		{"of one age, with another near below", []uint64{100, 100, 81}, []hit.Instant{2, 2, 1}, 1, false, nil},
		{"with another just far enough below", []uint64{100, 100, 80}, []hit.Instant{2, 2, 1}, 1, true, []int32{0}},
		{"with another near above", []uint64{119, 100, 100}, []hit.Instant{2, 1, 1}, 2, false, nil},
		{"with another just far enough above", []uint64{120, 100, 100}, []hit.Instant{2, 1, 1}, 2, true, []int32{0, 1}},
		{"near one another, but both get one", []uint64{99, 79, 100}, []hit.Instant{3, 2, 1}, 2, true, []int32{2, 0}},
		{"near one another, but neither gets one", []uint64{100, 10, 11}, []hit.Instant{3, 2, 1}, 1, true, []int32{0}},
	}
	for _, tt := range tests {
		touches := make([]counted, len(tt.ages))
		for i, age := range tt.ages {
			touches[i].age = age
		}
		s := scratch{remainders: tt.remainders, order: make([]int32, len(tt.ages))}
		got := s.orderHolds(touches, tt.missing, off)
		if got != tt.want || got && !slices.Equal(s.order[:tt.missing], tt.order) {
			t.Errorf("%s: %v, in the order %v", tt.name, got, s.order)
		}
	}
}

// aged makes touchpoints of so many ages.
func aged(ages ...hit.Instant) (touches []counted) {
	for _, age := range ages {
		touches = append(touches, counted{age: age})
	}
	return touches
}

// The edges of what time_decay knows in words. Where it does not know it says so, and
// where it knows it says what numbers of any size say.
func TestDecay_Edges(t *testing.T) {
	t.Parallel()
	const week = 7 * 86_400
	many := func(n int) []counted {
		return aged(append(slices.Repeat([]hit.Instant{day}, n/2), make([]hit.Instant, n-n/2)...)...)
	}
	tests := []struct {
		name     string
		halfLife int64
		touches  []counted
		known    bool
	}{
		{"two of one age", week, aged(day, day), true},
		{"many of one age", week, aged(make([]hit.Instant, 1001)...), true},
		{"2.4 Whole decayError from a whole number, of which 3 are the bound", week, aged(830_294_603_277, 0), false},
		{"2.7", week, aged(2_266_850_823_612, 0), false},
		{"3.7", week, aged(1_820_905_324_258, 0), true},
		{"3.8", week, aged(1_676_510_649_852, 0), true},
		{"a thousand", week, many(1000), true},
		{"one more", week, many(1001), false},
		{"a half life of more than a word", math.MaxInt64, aged(day, 0), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := policy.Policy{HalfLifeSeconds: tt.halfLife}
			c := compile(&p)
			s := &scratch{}
			s.grow(len(tt.touches))
			if got := c.decay(tt.touches, make([]uint64, len(tt.touches)), s); got != tt.known {
				t.Errorf("known: %v", got)
			}
			weigh(t, policy.TimeDecay, &p, tt.touches)
		})
	}
}

func TestQuickHalving_IsOffByLessThanEight(t *testing.T) {
	t.Parallel()
	for _, life := range []uint64{1, 2, 3, uint64(second), uint64(7 * day), 1<<62 + 12345, math.MaxInt64} {
		for k := range uint64(500) {
			high, low := bits.Mul64(life-1, k)
			rest, _ := bits.Div64(high, low, 499) // from 0 to life-1
			exact := halving(hit.Instant(rest), new(big.Int).SetUint64(life))
			want := exact.Rsh(exact, decayBits-63).Uint64()
			if got := quickHalving(rest, life); max(got, want)-min(got, want) >= 8 {
				t.Fatalf("2^-(%d/%d) is %d units, want %d", rest, life, got, want)
			}
		}
	}
}

func TestSeries(t *testing.T) {
	t.Parallel()
	for i, got := range series {
		k := int64(len(series) - 1 - i)
		factorial := new(big.Int).MulRange(1, k)
		if want := new(big.Int).Quo(new(big.Int).SetUint64(one63), factorial).Uint64(); got != want {
			t.Errorf("1/%d! is %d, want %d", k, got, want)
		}
	}
	if want := new(big.Int).Rsh(ln2(), decayBits-64).Uint64(); ln2Word != want {
		t.Errorf("ln 2 is %x, want %x", uint64(ln2Word), want)
	}
}

func TestCompile_HalfLife(t *testing.T) {
	t.Parallel()
	const longest = math.MaxInt64 / int64(second)
	for seconds, want := range map[int64]uint64{
		-5: uint64(second), 0: uint64(second), 1: uint64(second), 2: 2 * uint64(second),
		longest: uint64(longest) * uint64(second), longest + 1: 0, math.MaxInt64: 0,
	} {
		if c := compile(&policy.Policy{HalfLifeSeconds: seconds}); c.halfLife != want {
			t.Errorf("%d seconds are %d microseconds, want %d", seconds, c.halfLife, want)
		}
	}
}

func TestProportion(t *testing.T) {
	t.Parallel()
	tests := []struct {
		rates []policy.Number
		want  []uint64
		ok    bool
	}{
		{nil, nil, true},
		{[]policy.Number{"0", "0"}, []uint64{0, 0}, true},
		{[]policy.Number{"4", "2"}, []uint64{2, 1}, true},
		{[]policy.Number{"3", "0"}, []uint64{1, 0}, true},
		{[]policy.Number{"0.4", "0.4", "0.2"}, []uint64{2, 2, 1}, true},
		{[]policy.Number{"0.25", "0.1"}, []uint64{5, 2}, true},
		{[]policy.Number{"18446744073709551614", "1"}, []uint64{math.MaxUint64 - 1, 1}, true},
		{[]policy.Number{"18446744073709551615", "1"}, nil, false},
		{[]policy.Number{"18446744073709551616", "1"}, nil, false},
		{[]policy.Number{"36893488147419103230", "2"}, nil, false},
		{[]policy.Number{"-1", "2"}, nil, false},
		{[]policy.Number{"2", "-0.5"}, nil, false},
	}
	for _, tt := range tests {
		rates := make([]*big.Rat, len(tt.rates))
		for i, rate := range tt.rates {
			rates[i] = rate.Rat()
		}
		if got, ok := proportion(rates); ok != tt.ok || ok && !slices.Equal(got, tt.want) {
			t.Errorf("%v: %v, %v, want %v, %v", tt.rates, got, ok, tt.want, tt.ok)
		}
	}
}

// Proportions that do not fit, by themselves or multiplied and summed for so many
// touchpoints. What comes of them is what numbers of any size say; weigh compares.
func TestShares_Edges(t *testing.T) {
	t.Parallel()
	position := func(first, last policy.Number) *policy.Policy {
		return &policy.Policy{PositionFirst: first, PositionLast: last}
	}
	tiers := func(click, read policy.Number) *policy.Policy {
		return &policy.Policy{TierWeights: map[string]policy.Number{"click": click, "read": read}}
	}
	of := func(tiers ...string) (touches []counted) {
		for _, tier := range tiers {
			touches = append(touches, counted{engagement: touch.Engagement{Tier: tier}})
		}
		return touches
	}
	five := of("click", "click", "click", "click", "click")
	tests := []struct {
		name    string
		model   string
		policy  *policy.Policy
		touches []counted
		fits    bool
	}{
		{"first and last of two", policy.PositionBased, position("0.4", "0.2"), five[:2], true},
		{"first, last and others", policy.PositionBased, position("0.4", "0.2"), five, true},
		{"many digits", policy.PositionBased, position("0.1234567890123456789012345678901", "0.3"), five, false},
		{"many digits of two", policy.PositionBased, position("0.1234567890123456789012345678901", "0.3"), five[:2], false},
		{"a bit more than a word", policy.PositionBased, position("0.18446744073709551617", "0.00000000000000000003"), five[:2], false},
		{"as many as go", policy.PositionBased, position("0.9999999999999999999", "0"), five[:3], true},
		{"first too much for so many", policy.PositionBased, position("0.9999999999999999999", "0"), five, false},
		{"last too much for so many", policy.PositionBased, position("0", "0.9999999999999999999"), five, false},
		{"nothing for those that are there", policy.TierWeighted, tiers("1", "0"), of("read", "sent", "read"), true},
		{"a tier that the policy does not name", policy.TierWeighted, tiers("1", "0.5"), of("sent", "click", "read"), true},
		{"many digits of a tier", policy.TierWeighted, tiers("1", "0.1234567890123456789012345678901"), of("click", "read"), false},
		{"a tier of a bit more than a word", policy.TierWeighted, tiers("18446744073709551617", "1"), of("click", "read"), false},
		{"as large as goes", policy.TierWeighted, tiers("9223372036854775807", "1"), of("click", "click", "read"), true},
		{"one more", policy.TierWeighted, tiers("9223372036854775807", "1"), of("click", "click", "read", "read"), false},
		{"too large, and then no more", policy.TierWeighted, tiers("9223372036854775808", "1"), of("click", "read", "click", "read", "read"), false},
		{"a sum that ends at zero", policy.TierWeighted, tiers("9223372036854775808", "1"), of("click", "click"), false},
		{"linear", policy.Linear, &policy.Policy{}, five, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := compile(tt.policy)
			if got := c.shares(tt.model, tt.touches, make([]uint64, len(tt.touches))); got != tt.fits {
				t.Errorf("fits: %v", got)
			}
			weigh(t, tt.model, tt.policy, tt.touches)
		})
	}
	c := compile(tiers("1", "0.5"))
	if diff := cmp.Diff([]uint64{2, 1, 0}, []uint64{c.rate("click"), c.rate("read"), c.rate("sent")}); diff != "" {
		t.Error(diff)
	}
}
