package credit

import (
	"math"
	"testing"

	"github.com/cockroachdb/apd/v3"
	"github.com/google/go-cmp/cmp"

	"github.com/touchline/touchline/services/attribution/conversion"
	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/attribution/touch"
	"github.com/touchline/touchline/services/internal/hit"
)

func TestShifted(t *testing.T) {
	t.Parallel()
	tests := []struct {
		units  uint64
		places int32
		want   uint64
		ok     bool
	}{
		{7, 0, 7, true},
		{7, 3, 7000, true},
		{math.MaxUint64, 0, math.MaxUint64, true},
		{math.MaxUint64 / 10, 1, math.MaxUint64 - 5, true},
		{math.MaxUint64/10 + 1, 1, 0, false},
		{1, 19, 10_000_000_000_000_000_000, true},
		{1, 20, 0, false},
		{2, 19, 0, false},
		{math.MaxUint64, 1, 0, false},
		{1, 60, 0, false},
	}
	for _, tt := range tests {
		if got, ok := shifted(tt.units, tt.places); got != tt.want || ok != tt.ok {
			t.Errorf("%d x 10^%d = %d, %v", tt.units, tt.places, got, ok)
		}
	}
}

func TestAmount_Signed(t *testing.T) {
	t.Parallel()
	tests := []struct {
		amount amount
		scale  int32
		want   int64
		ok     bool
	}{
		{amount{units: 5, scale: 2}, 2, 5, true},
		{amount{units: 5, scale: 2, negative: true}, 4, -500, true},
		{amount{units: math.MaxInt64 / 2}, 0, math.MaxInt64 / 2, true},
		{amount{units: math.MaxInt64 / 2, negative: true}, 0, -(math.MaxInt64 / 2), true},
		{amount{units: math.MaxInt64/2 + 1}, 0, 0, false},
		{amount{units: math.MaxUint64, negative: true}, 0, 0, false},
		{amount{units: 1}, 20, 0, false},
	}
	for _, tt := range tests {
		if got, ok := tt.amount.signed(tt.scale); got != tt.want || ok != tt.ok {
			t.Errorf("%+v in 10^-%d: %d, %v", tt.amount, tt.scale, got, ok)
		}
	}
}

func TestAmount_Minus(t *testing.T) {
	t.Parallel()
	const half = math.MaxInt64 / 2
	tests := []struct {
		a, b, want amount
		ok         bool
	}{
		{amount{units: 5, scale: 2}, amount{units: 6, scale: 2}, amount{units: 1, scale: 2, negative: true}, true},
		{amount{units: 6, scale: 2}, amount{units: 5, scale: 2}, amount{units: 1, scale: 2}, true},
		{amount{units: 5, scale: 2}, amount{units: 5, scale: 2}, amount{scale: 2}, true},
		{amount{units: 1005, scale: 3}, amount{units: 5, scale: 3}, amount{units: 100, scale: 2}, true},
		{amount{units: 1, scale: 2}, amount{units: 1, scale: 3, negative: true}, amount{units: 11, scale: 3}, true},
		{amount{units: half, scale: 2}, amount{units: half, scale: 2, negative: true}, amount{units: 2 * half, scale: 2}, true},
		{amount{units: half, scale: 2, negative: true}, amount{units: half, scale: 2}, amount{units: 2 * half, scale: 2, negative: true}, true},
		{amount{units: half + 1, scale: 2}, amount{scale: 2}, amount{}, false},
		{amount{scale: 2}, amount{units: half + 1, scale: 2}, amount{}, false},
		{amount{units: half, scale: 2}, amount{units: 1, scale: 3}, amount{}, false},
	}
	for _, tt := range tests {
		if got, ok := tt.a.minus(tt.b, "NOK"); ok != tt.ok || ok && got != tt.want {
			t.Errorf("%+v - %+v = %+v, %v", tt.a, tt.b, got, ok)
		}
	}
}

// Amounts at the edge of a word are written alike on either side of it, and none with
// an exponent.
func TestFormat_Edges(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"18446744073709551615e-2":  "184467440737095516.15", // the largest word
		"18446744073709551616e-2":  "184467440737095516.16",
		"-18446744073709551617e-2": "-184467440737095516.17",
		"184467440737095516.1":     "184467440737095516.10",
		"1e30":                     "1000000000000000000000000000000.00",
		"-12345678901234567890123": "-12345678901234567890123.00",
		"0.000000000012":           "0.000000000012",
		"-0.000000000012":          "-0.000000000012",
		"0.1234567890123456789012": "0.1234567890123456789012",
		"0e-30":                    "0.00",
	} {
		value, _, err := apd.NewFromString(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, exact := Format(value, "NOK"), exactFormat(value, "NOK"); got != want || exact != want {
			t.Errorf("%s is written %s, and as an amount of any size %s", text, got, exact)
		}
	}
}

// Small parts of large amounts are written out too.
func TestAssign_PartsOfHugeAmounts(t *testing.T) {
	t.Parallel()
	p := policy.Default()
	p.Models = []string{policy.LastTouch}
	x := NewTouches(&p, []touch.Touch{message("a", engagement("click", day)), message("b", engagement("click", day+1))})
	c := at(2*day, "12345678901234567890.000000001")
	c.Refunds = []conversion.Refund{{
		ID: "r", Before: c.Value, After: apd.New(0, 0),
		Copy: &conversion.Copy{ID: "r", Fact: &hit.Fact{Kind: hit.KindEvent, ID: "r", At: 3 * day, Event: &hit.Event{}}},
	}}
	var got []string
	for _, row := range Assign(x, c) {
		got = append(got, row.Value, row.Credits[0].Credited[0], row.Credits[1].Credited[0])
	}
	want := []string{
		"12345678901234567890.000000001", "0.000000000", "12345678901234567890.000000001",
		"-12345678901234567890.000000001", "0.00", "-12345678901234567890.000000001",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	c.Value, c.Refunds = apd.NewWithBigInt(apd.NewBigInt(0).SetUint64(math.MaxUint64), -27), nil
	c.Value.Coeff.Add(&c.Value.Coeff, apd.NewBigInt(1))
	if got := Assign(x, c)[0].Credits[1].Credited[0]; got != "0.000000018446744073709551616" {
		t.Errorf("all is %s", got)
	}
}

// A conversion of fewer touchpoints, or of just as many as there is room for, finds
// nothing of the one before in what both are reckoned in.
func TestAssign_NothingIsLeftOfTheOneBefore(t *testing.T) {
	t.Parallel()
	p := everyModel()
	var touches []touch.Touch
	for i := range 16 {
		touches = append(touches, message(string(rune('a'+i)), engagement("click", hit.Instant(i+1)*day/4)))
	}
	refund := &conversion.Copy{ID: "r", Fact: &hit.Fact{Kind: hit.KindEvent, ID: "r", At: 9 * day, Event: &hit.Event{}}}
	x := NewTouches(&p, touches)
	for _, when := range []hit.Instant{4 * day, 3 * day, 2 * day, day, day / 2} {
		c := at(when, "10.01")
		c.Refunds = []conversion.Refund{{ID: "r", Copy: refund, Before: c.Value, After: apd.New(773, -2)}}
		if diff := cmp.Diff(oracleAssign(x, c), Assign(x, c)); diff != "" {
			t.Errorf("at %d: %s", when, diff)
		}
	}
}
