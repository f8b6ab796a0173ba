package credit

import (
	"math/big"
	"slices"
	"testing"

	"github.com/cockroachdb/apd/v3"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/touchline/touchline/services/attribution/conversion"
	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/attribution/touch"
	"github.com/touchline/touchline/services/internal/hit"
)

// everyModel is the default policy with all models.
func everyModel() policy.Policy {
	p := policy.Default()
	p.Models = []string{policy.FirstTouch, policy.LastTouch, policy.Linear, policy.TimeDecay, policy.PositionBased, policy.TierWeighted}
	p.Windows = []policy.Window{{Seconds: 7 * 86_400}}
	return p
}

var touchesOf = rapid.Custom(func(t *rapid.T) []touch.Touch {
	id := rapid.StringMatching(`[a-f]`)
	one := rapid.Custom(func(t *rapid.T) touch.Engagement {
		tier := rapid.SampledFrom([]string{"click", "reply", "read", "delivered", "sent"}).Draw(t, "tier")
		return engagement(tier, 10*day-hit.Instant(rapid.Int64Range(-1000, int64(9*day)).Draw(t, "before")))
	})
	var touches []touch.Touch
	for _, key := range rapid.SliceOfNDistinct(id, 0, 6, rapid.ID).Draw(t, "keys") {
		touches = append(touches, message(key, rapid.SliceOfN(one, 1, 4).Draw(t, "engagements")...))
	}
	return touches
})

var amounts = rapid.Custom(func(t *rapid.T) *apd.Decimal {
	return apd.New(rapid.Int64Range(-1_000_000, 1_000_000_000_000).Draw(t, "coefficient"), rapid.Int32Range(-6, 3).Draw(t, "exponent"))
})

// hugeAmounts have more digits than a word, or nearly so.
var hugeAmounts = rapid.Custom(func(t *rapid.T) *apd.Decimal {
	d, _, _ := apd.NewFromString(rapid.StringMatching(`-?[1-9][0-9]{14,29}(\.[0-9]{1,9})?`).Draw(t, "digits"))
	return d
})

func TestAssign_SumsAreExact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := everyModel()
		c := at(10*day, "")
		c.Value, c.Currency = amounts.Draw(t, "value"), rapid.SampledFrom([]string{"NOK", "VND", "KWD", "CLF", "XXX"}).Draw(t, "currency")
		row := Assign(NewTouches(&p, touchesOf.Draw(t, "touches")), c)[0]
		for m, model := range row.Models {
			var weights int64
			left := c.Value
			for _, k := range row.Credits {
				weights += k.Weights[m]
				part, _, err := apd.NewFromString(k.Credited[m])
				if err != nil || k.Weights[m] < 0 {
					t.Fatalf("%s: credit %+v: %v", model, k, err)
				}
				left = conversion.Subtract(left, part)
			}
			if weights != Whole || !left.IsZero() {
				t.Fatalf("%s: weights sum to %d, %s of %s is missing", model, weights, left, c.Value)
			}
		}
	})
}

func TestAssign_OrderDoesNotMatter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := everyModel()
		touches := touchesOf.Draw(t, "touches")
		first := Assign(NewTouches(&p, touches), at(10*day, "99.99"))
		again := slices.Clone(touches)
		for i := range again {
			again[i].Engagements = slices.Clone(again[i].Engagements)
			slices.Reverse(again[i].Engagements)
		}
		second := Assign(NewTouches(&p, rapid.Permutation(again).Draw(t, "again")), at(10*day, "99.99"))
		if diff := cmp.Diff(first, second); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestAssign_WhatLiesOutsideChangesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := everyModel()
		touches := touchesOf.Draw(t, "touches")
		first := Assign(NewTouches(&p, touches), at(10*day, "99.99"))
		beyond := rapid.SampledFrom([]hit.Instant{10*day + 1, 3*day - 1, 20 * day}).Draw(t, "beyond")
		stranger := message("stranger", engagement("click", 10*day))
		stranger.Person[0]++
		more := append(slices.Clone(touches), message("z", engagement("click", beyond)), stranger)
		if diff := cmp.Diff(first, Assign(NewTouches(&p, more), at(10*day, "99.99"))); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestAssign_ValueDoesNotMoveWeights(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := everyModel()
		touches := NewTouches(&p, touchesOf.Draw(t, "touches"))
		c := at(10*day, "")
		c.Value, c.Currency = amounts.Draw(t, "value"), "NOK"
		mirrored := at(10*day, "")
		mirrored.Value, mirrored.Currency = new(apd.Decimal).Neg(c.Value), "NOK"
		row, mirror := Assign(touches, c)[0], Assign(touches, mirrored)[0]
		for i := range row.Credits {
			if diff := cmp.Diff(row.Credits[i].Weights, mirror.Credits[i].Weights); diff != "" {
				t.Fatal(diff)
			}
			for m := range row.Models {
				a, _, _ := apd.NewFromString(row.Credits[i].Credited[m])
				b, _, _ := apd.NewFromString(mirror.Credits[i].Credited[m])
				if a.Cmp(b.Neg(b)) != 0 {
					t.Fatalf("%s of %s against %s of %s", a, c.Value, b, mirrored.Value)
				}
			}
		}
	})
}

func TestApportion_Quota(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		shares := rapid.SliceOfN(rapid.Int64Range(0, Whole), 1, 8).Draw(t, "shares")
		shares[0]++ // never all zero
		total := rapid.Int64Range(0, 1<<40).Draw(t, "total")
		scale := rapid.Int64Range(1, 1000).Draw(t, "scale")
		var plain, scaled []*big.Int
		sum := new(big.Int)
		for _, s := range shares {
			plain = append(plain, big.NewInt(s))
			scaled = append(scaled, new(big.Int).Mul(big.NewInt(s), big.NewInt(scale)))
			sum.Add(sum, big.NewInt(s))
		}
		left := big.NewInt(total)
		for i, part := range apportion(big.NewInt(total), plain) {
			left.Sub(left, part)
			quota := new(big.Int).Mul(big.NewInt(total), plain[i])
			quota.Quo(quota, sum)
			if over := new(big.Int).Sub(part, quota); over.Sign() < 0 || over.Cmp(big.NewInt(1)) > 0 {
				t.Fatalf("part %d is %s, its quota %s", i, part, quota)
			}
			if other := apportion(big.NewInt(total), scaled)[i]; part.Cmp(other) != 0 {
				t.Fatalf("shares times %d: part %d is %s, was %s", scale, i, other, part)
			}
		}
		if left.Sign() != 0 {
			t.Fatalf("%s is left", left)
		}
	})
}

func FuzzSplit(f *testing.F) {
	f.Add("100.00", "NOK", int64(1), int64(2))
	f.Add("-0.0005", "KWD", int64(0), int64(5))
	f.Fuzz(func(t *testing.T, text, currency string, a, b int64) {
		value, ok := conversion.ParseAmount(text)
		if !ok || a < 0 || b < 0 || a+b <= 0 {
			return
		}
		left := value
		exact := exactSplit(value, currency, []*big.Int{big.NewInt(a), big.NewInt(b)})
		for _, part := range exact {
			if part.Negative && !value.Negative {
				t.Fatalf("%s of %s", part, value)
			}
			left = conversion.Subtract(left, part)
		}
		if got, ok := splitWords(value, currency, a, b); ok && !slices.Equal(got, []string{exact[0].Text('f'), exact[1].Text('f')}) {
			t.Fatalf("%s is split into %s, want %s", value, got, exact)
		}
		if text := Format(value, currency); text != exactFormat(value, currency) {
			t.Fatalf("%s is written as %s", exactFormat(value, currency), text)
		}
		if !left.IsZero() {
			t.Fatalf("%s of %s is left", left, value)
		}
		if again, ok := conversion.ParseAmount(Format(value, currency)); ok && again.Cmp(value) != 0 {
			t.Fatalf("%s is written as %s", value, Format(value, currency))
		}
	})
}

// splitWords splits a value as [Assign] does; ok is false when it is too large for that.
func splitWords(value *apd.Decimal, currency string, weights ...int64) (parts []string, ok bool) {
	a, ok := amountOf(value, currency)
	if !ok {
		return nil, false
	}
	var s scratch
	s.grow(len(weights))
	shares := make([]uint64, len(weights))
	for i, w := range weights {
		shares[i] = uint64(w)
	}
	s.apportion(a.units, shares, s.parts[:len(weights)])
	for _, units := range s.parts[:len(weights)] {
		parts = append(parts, string(a.part(units).append(nil)))
	}
	return parts, true
}

func BenchmarkAssign(b *testing.B) {
	p := everyModel()
	var touches []touch.Touch
	for i := range 10 {
		touches = append(touches, message(string(rune('a'+i)), engagement("click", 9*day+hit.Instant(i)), engagement("read", 9*day)))
	}
	x := NewTouches(&p, touches)
	c := at(10*day, "99.99")
	b.ReportAllocs()
	for b.Loop() {
		Assign(x, c)
	}
}

func BenchmarkHalving(b *testing.B) {
	life := big.NewInt(int64(7 * day))
	for b.Loop() {
		halving(3*day+12345, life)
	}
}

// In words it comes to the same as in numbers of any size.
func TestScratch_Apportion(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		total := rapid.OneOf(rapid.Uint64(), rapid.Uint64Range(0, 100), rapid.Just(uint64(Whole))).Draw(t, "total")
		small := rapid.SliceOfN(rapid.OneOf(rapid.Uint64Range(0, 3), rapid.Uint64Range(0, 1<<57)), 1, 60).Draw(t, "shares")
		shares := make([]*big.Int, len(small))
		sum := uint64(0)
		for i, s := range small {
			shares[i] = new(big.Int).SetUint64(s)
			sum += s
		}
		if sum == 0 {
			t.Skip("the sum of shares is positive")
		}
		var s scratch
		s.grow(len(small))
		got := make([]uint64, len(small))
		s.apportion(total, small, got)
		for i, want := range apportion(new(big.Int).SetUint64(total), shares) {
			if got[i] != want.Uint64() {
				t.Fatalf("part %d is %d, want %s", i, got[i], want)
			}
		}
	})
}

// What is reckoned along the way allocates nothing: rows, credits, weights, amounts and
// their text are the result.
//
//nolint:paralleltest // allocations are counted while nothing else runs
func TestAssign_AllocatesItsResultOnly(t *testing.T) {
	p := everyModel()
	var touches []touch.Touch
	for i := range 10 {
		touches = append(touches, message(string(rune('a'+i)), engagement("click", 9*day+hit.Instant(i)*second), engagement("read", 9*day)))
	}
	x, c := NewTouches(&p, touches), at(10*day, "99.99")
	if got := testing.AllocsPerRun(100, func() { Assign(x, c) }); got > 5 {
		t.Errorf("%v allocations, want 5", got)
	}
	refund := &conversion.Copy{ID: "r", Fact: &hit.Fact{Kind: hit.KindEvent, ID: "r", At: 11 * day, Event: &hit.Event{}}}
	c.Refunds = []conversion.Refund{{ID: "r", Copy: refund, Before: c.Value, After: apd.New(773, -2)}}
	if got := testing.AllocsPerRun(100, func() { Assign(x, c) }); got > 8 {
		t.Errorf("with a refund %v allocations, want 8: its credits, amounts and their text", got)
	}
}

// Ages as they come leave no doubt, so that time_decay is reckoned in words; where they
// do leave one, it says so.
func TestDecay_KnowsWhenItDoesNotKnow(t *testing.T) {
	t.Parallel()
	c := compile(&policy.Policy{HalfLifeSeconds: 7 * 86_400})
	ages := func(list ...hit.Instant) (touches []counted) {
		for _, age := range list {
			touches = append(touches, counted{age: age})
		}
		return touches
	}
	var s scratch
	decay := func(touches []counted) bool {
		s.grow(len(touches))
		return c.decay(touches, make([]uint64, len(touches)), &s)
	}
	sure := 0
	for i := range hit.Instant(1000) {
		var list []hit.Instant
		for k := range 2 + i%19 {
			list = append(list, (i*7_919_777_333+k*k*104_729_999_999)%(7*day))
		}
		slices.Sort(list)
		slices.Reverse(list) // touchpoints come by time
		if decay(ages(list...)) {
			sure++
		}
	}
	if sure < 990 {
		t.Errorf("of 1,000 only %d are reckoned in words", sure)
	}
	if decay(ages(7*day, 7*day, 0)) {
		t.Error("a half and two quarters are whole numbers, of which words cannot know on which side they lie")
	}
	if !decay(ages(day, day, day)) || !decay(ages(9*day, day, day, day)) {
		t.Error("those of one age are handed units in order, which takes no precision")
	}
}
