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

var amount = rapid.Custom(func(t *rapid.T) *apd.Decimal {
	return apd.New(rapid.Int64Range(-1_000_000, 1_000_000_000_000).Draw(t, "coefficient"), rapid.Int32Range(-6, 3).Draw(t, "exponent"))
})

func TestAssign_SumsAreExact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := everyModel()
		c := at(10*day, "")
		c.Value, c.Currency = amount.Draw(t, "value"), rapid.SampledFrom([]string{"NOK", "VND", "KWD", "CLF", "XXX"}).Draw(t, "currency")
		row := Assign(&p, NewTouches(&p, touchesOf.Draw(t, "touches")), c)[0]
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
		first := Assign(&p, NewTouches(&p, touches), at(10*day, "99.99"))
		again := slices.Clone(touches)
		for i := range again {
			again[i].Engagements = slices.Clone(again[i].Engagements)
			slices.Reverse(again[i].Engagements)
		}
		second := Assign(&p, NewTouches(&p, rapid.Permutation(again).Draw(t, "again")), at(10*day, "99.99"))
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
		first := Assign(&p, NewTouches(&p, touches), at(10*day, "99.99"))
		beyond := rapid.SampledFrom([]hit.Instant{10*day + 1, 3*day - 1, 20 * day}).Draw(t, "beyond")
		stranger := message("stranger", engagement("click", 10*day))
		stranger.Person[0]++
		more := append(slices.Clone(touches), message("z", engagement("click", beyond)), stranger)
		if diff := cmp.Diff(first, Assign(&p, NewTouches(&p, more), at(10*day, "99.99"))); diff != "" {
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
		c.Value, c.Currency = amount.Draw(t, "value"), "NOK"
		mirrored := at(10*day, "")
		mirrored.Value, mirrored.Currency = new(apd.Decimal).Neg(c.Value), "NOK"
		row, mirror := Assign(&p, touches, c)[0], Assign(&p, touches, mirrored)[0]
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
		for _, part := range split(value, currency, []int64{a, b}) {
			if part.Negative && !value.Negative {
				t.Fatalf("%s of %s", part, value)
			}
			left = conversion.Subtract(left, part)
		}
		if !left.IsZero() {
			t.Fatalf("%s of %s is left", left, value)
		}
		if again, ok := conversion.ParseAmount(Format(value, currency)); ok && again.Cmp(value) != 0 {
			t.Fatalf("%s is written as %s", value, Format(value, currency))
		}
	})
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
		Assign(&p, x, c)
	}
}

func BenchmarkHalving(b *testing.B) {
	life := big.NewInt(int64(7 * day))
	for b.Loop() {
		halving(3*day+12345, life)
	}
}

// In words it comes to the same as in numbers of any size.
func TestApportionWords(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		total := rapid.OneOf(rapid.Uint64(), rapid.Uint64Range(0, 100), rapid.Just(uint64(Whole))).Draw(t, "total")
		small := rapid.SliceOfN(rapid.OneOf(rapid.Uint64Range(0, 3), rapid.Uint64Range(0, 1<<58)), 1, 30).Draw(t, "shares")
		shares := make([]*big.Int, len(small))
		sum := uint64(0)
		for i, s := range small {
			shares[i] = new(big.Int).SetUint64(s)
			sum += s
		}
		if sum == 0 {
			t.Skip("the sum of shares is positive")
		}
		again, ok := words(shares)
		if !ok || !slices.Equal(again, small) {
			t.Fatalf("%v in words are %v", shares, again)
		}
		got := apportionWords(total, small)
		for i, want := range apportion(new(big.Int).SetUint64(total), shares) {
			if got[i] != want.Uint64() {
				t.Fatalf("part %d is %d, want %s", i, got[i], want)
			}
		}
	})
	if _, ok := words([]*big.Int{new(big.Int).SetUint64(1 << 63), new(big.Int).SetUint64(1 << 63)}); ok {
		t.Error("a sum of 65 bits passes for a word")
	}
	if _, ok := words([]*big.Int{new(big.Int).Lsh(big.NewInt(1), 64)}); ok {
		t.Error("65 bits pass for a word")
	}
}
