package credit

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"testing"

	"github.com/cockroachdb/apd/v3"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/touchline/touchline/services/attribution/conversion"
	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/attribution/touch"
	"github.com/touchline/touchline/services/internal/deptest"
	"github.com/touchline/touchline/services/internal/hit"
)

var anna = uuid.NameSpaceURL

const day = 86_400 * second

// at makes a conversion of anna's at an instant; value "" is none.
func at(t hit.Instant, value string) *conversion.Conversion {
	f := &hit.Fact{Kind: hit.KindEvent, ID: "e", At: t, Event: &hit.Event{Name: "Buy"}}
	c := &conversion.Conversion{
		Definition: &policy.Definition{Name: "purchase"}, ID: "e", Owner: conversion.Owner{Person: anna, Identified: true},
		Event: &conversion.Event{Name: "Buy", Copies: []conversion.Copy{{Fact: f, ID: "e", Name: "Buy"}}},
	}
	if value != "" {
		c.Value, _ = conversion.ParseAmount(value)
		c.Currency = "NOK"
	}
	return c
}

func message(id string, engagements ...touch.Engagement) touch.Touch {
	return touch.Touch{Channel: "whatsapp", Key: id, Person: anna, Message: &touch.Message{Channel: "whatsapp", ID: id}, Engagements: engagements}
}

func engagement(tier string, t hit.Instant) touch.Engagement {
	return touch.Engagement{Tier: tier, At: t, Fact: "f"}
}

// weigh returns the weights under one model, which have to be those of exactWeights.
func weigh(t *testing.T, model string, p *policy.Policy, touches []counted) []int64 {
	t.Helper()
	c := compile(p)
	weights := make([]int64, len(touches))
	for i, weight := range c.weigh(model, touches, &scratch{}) {
		weights[i] = int64(weight)
	}
	if diff := cmp.Diff(exactWeights(model, p, touches), weights); diff != "" {
		t.Errorf("%s of %v: %s", model, touches, diff)
	}
	return weights
}

// keys writes the touchpoints of a row, each with tier and time.
func keys(c Conversion) []string {
	var list []string
	for _, k := range c.Credits {
		list = append(list, fmt.Sprintf("%s %s %d", k.TouchKey, k.Tier, k.TouchAt))
	}
	return list
}

func TestAssign_Eligibility(t *testing.T) {
	t.Parallel()
	const now = 100 * day
	strongest := policy.Default()
	strongest.Precedence = policy.PrecedenceStrongestTier
	never := policy.Default()
	never.Windows = []policy.Window{{Template: "spring", Seconds: 0}, {Seconds: 86_400}}
	spring := message("m", engagement(policy.TierClick, now))
	spring.Message.Template = &hit.Template{Name: "spring"}
	tests := []struct {
		name    string
		policy  policy.Policy
		touches []touch.Touch
		want    []string
	}{
		{"exactly the window before", policy.Default(), []touch.Touch{message("m", engagement("read", now-day))}, []string{"m read 8553600000000"}},
		{"a microsecond more", policy.Default(), []touch.Touch{message("m", engagement("read", now-day-1))}, []string{"  0"}},
		{"at the very instant", policy.Default(), []touch.Touch{message("m", engagement("read", now))}, []string{"m read 8640000000000"}},
		{"after it", policy.Default(), []touch.Touch{message("m", engagement("read", now+1))}, []string{"  0"}},
		{"no rule", policy.Default(), []touch.Touch{message("m", engagement("delivered", now))}, []string{"  0"}},
		{"duration 0 is never", never, []touch.Touch{spring}, []string{"  0"}},
		{"the strongest tier, though older", policy.Default(), []touch.Touch{message("m", engagement("read", now), engagement("reply", now-5))}, []string{"m reply 8639999999995"}},
		{"within it the latest", policy.Default(), []touch.Touch{message("m", engagement("click", now-9), engagement("reply", now-5))}, []string{"m reply 8639999999995"}},
		{"at one instant the click", policy.Default(), []touch.Touch{message("m", engagement("reply", now), engagement("click", now))}, []string{"m click 8640000000000"}},
		{"a later click beyond the conversion does not hide an earlier", policy.Default(), []touch.Touch{message("m", engagement("click", now+1), engagement("click", now-1))}, []string{"m click 8639999999999"}},
		{"by time, then key", policy.Default(), []touch.Touch{message("b", engagement("read", now)), message("a", engagement("read", now)), message("c", engagement("read", now-1))}, []string{
			"c read 8639999999999", "a read 8640000000000", "b read 8640000000000",
		}},
		{"only the strongest tier present", strongest, []touch.Touch{message("b", engagement("read", now)), message("a", engagement("click", now-9)), message("c", engagement("reply", now-8))}, []string{
			"a click 8639999999991", "c reply 8639999999992",
		}},
		{"one channel and key once", policy.Default(), []touch.Touch{message("a", engagement("click", now-9)), message("a", engagement("click", now-8))}, []string{"a click 8639999999991"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rows := Assign(NewTouches(&tt.policy, tt.touches), at(now, ""))
			if diff := cmp.Diff(tt.want, keys(rows[0])); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAssign_PrecisionOfTheConversion(t *testing.T) {
	t.Parallel()
	p := policy.Default()
	touches := NewTouches(&p, []touch.Touch{message("m", engagement("click", day+second-1)), message("n", engagement("click", day+second))})
	c := at(day, "")
	c.Event.Copies[0].Fact.Precision = hit.PrecisionSecond
	got := Assign(touches, c)[0]
	if diff := cmp.Diff([]string{"m click 86400999999"}, keys(got)); diff != "" {
		t.Error(diff)
	}
	if got.Credits[0].LagMicros != 0 {
		t.Errorf("lag %d, want 0: ages are never negative", got.Credits[0].LagMicros)
	}
}

func TestRuleOf_FirstMatchDecides(t *testing.T) {
	t.Parallel()
	p := policy.Default()
	p.Windows = []policy.Window{
		{Conversion: "lead", Seconds: 1}, {Channel: "email", Seconds: 2}, {Campaign: "c", Seconds: 3}, {Template: "t", Seconds: 4}, {Tier: "read", Seconds: 5},
	}
	with := func(change func(*touch.Touch)) *touch.Touch {
		m := message("m")
		change(&m)
		return &m
	}
	plain := with(func(*touch.Touch) {})
	tests := []struct {
		definition string
		touch      *touch.Touch
		tier       string
		want       int
	}{
		{"lead", plain, "read", 0},
		{"purchase", with(func(t *touch.Touch) { t.Channel = "email"; t.Campaign = "c" }), "click", 1},
		{"purchase", with(func(t *touch.Touch) { t.Campaign = "c" }), "read", 2},
		{"purchase", with(func(t *touch.Touch) { t.Message.Template = &hit.Template{Name: "t"} }), "read", 3},
		{"purchase", plain, "read", 4},
		{"purchase", plain, "click", -1},
	}
	for _, tt := range tests {
		if got := ruleOf(&p, tt.definition, tt.touch, tt.tier); got != tt.want {
			t.Errorf("%s of %+v: rule %d, want %d", tt.tier, tt.touch, got, tt.want)
		}
	}
}

func TestWeigh(t *testing.T) {
	t.Parallel()
	p := policy.Default()
	p.TierWeights = map[string]policy.Number{"click": "1", "read": "0.5"}
	none := p
	none.TierWeights = nil
	zero := p
	zero.PositionFirst, zero.PositionLast = "0", "0"
	of := func(tier string, age hit.Instant) counted {
		return counted{engagement: touch.Engagement{Tier: tier}, age: age}
	}
	one := []counted{of("click", 0)}
	two := []counted{of("read", 7*day), of("click", 0)}
	three := []counted{of("read", 15*day), of("sent", 8*day), of("click", day)}
	tests := []struct {
		model   string
		policy  *policy.Policy
		touches []counted
		want    []int64
	}{
		{policy.FirstTouch, &p, three, []int64{Whole, 0, 0}},
		{policy.LastTouch, &p, three, []int64{0, 0, Whole}},
		{policy.Linear, &p, three, []int64{333_333_333_334, 333_333_333_333, 333_333_333_333}},
		{policy.TimeDecay, &p, one, []int64{Whole}},
		{policy.TimeDecay, &p, two, []int64{333_333_333_333, 666_666_666_667}},
		{policy.TimeDecay, &p, three, []int64{142_857_142_857, 285_714_285_714, 571_428_571_429}},
		{policy.TimeDecay, &p, []counted{of("read", 7007*day), of("click", 7000*day), of("click", 7000*day), of("click", 7000*day)}, []int64{142_857_142_857, 285_714_285_715, 285_714_285_714, 285_714_285_714}},
		{policy.PositionBased, &p, one, []int64{Whole}},
		{policy.PositionBased, &p, two, []int64{Whole / 2, Whole / 2}},
		{policy.PositionBased, &p, three, []int64{400_000_000_000, 200_000_000_000, 400_000_000_000}},
		{policy.PositionBased, &zero, two, []int64{Whole / 2, Whole / 2}},
		{policy.PositionBased, &zero, three, []int64{0, Whole, 0}},
		{policy.TierWeighted, &p, three, []int64{333_333_333_333, 0, 666_666_666_667}},
		{policy.TierWeighted, &none, two, []int64{Whole / 2, Whole / 2}},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.model, len(tt.touches)), func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, weigh(t, tt.model, tt.policy, tt.touches)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestHalving_AgreesWithFloats(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		age := rapid.Int64Range(0, int64(400*day)).Draw(t, "age")
		life := rapid.Int64Range(int64(second), int64(30*day)).Draw(t, "half life")
		got, _ := new(big.Float).SetMantExp(new(big.Float).SetInt(halving(hit.Instant(age), big.NewInt(life))), -decayBits).Float64()
		want := math.Exp2(-float64(age) / float64(life))
		// The float is off by some 1e-16 of the exponent; ours by 2^-90 absolutely.
		if math.Abs(got-want) > want*1e-12+1e-26 {
			t.Fatalf("2^(-%d/%d) = %g, want %g", age, life, got, want)
		}
	})
}

func TestLn2(t *testing.T) {
	t.Parallel()
	got, _ := new(big.Float).SetMantExp(new(big.Float).SetInt(ln2()), -decayBits).Float64()
	if got != math.Ln2 {
		t.Errorf("ln 2 = %.17g, want %.17g", got, math.Ln2)
	}
}

func TestSplit(t *testing.T) {
	t.Parallel()
	thirds := []int64{333_333_333_334, 333_333_333_333, 333_333_333_333}
	tests := []struct {
		value, currency string
		weights         []int64
		want            []string
	}{
		{"100", "NOK", thirds, []string{"33.34", "33.33", "33.33"}},
		{"0.01", "NOK", thirds, []string{"0.01", "0.00", "0.00"}},
		{"100", "VND", thirds, []string{"34", "33", "33"}},
		{"1", "KWD", thirds, []string{"0.334", "0.333", "0.333"}},
		{"1", "CLF", thirds, []string{"0.3334", "0.3333", "0.3333"}},
		{"0.005", "NOK", thirds, []string{"0.002", "0.002", "0.001"}},
		{"100.000", "NOK", thirds, []string{"33.34", "33.33", "33.33"}},
		{"-100", "NOK", thirds, []string{"-33.34", "-33.33", "-33.33"}},
		{"-0.01", "NOK", thirds, []string{"-0.01", "0.00", "0.00"}},
		{"0", "NOK", thirds, []string{"0.00", "0.00", "0.00"}},
		{"10", "NOK", []int64{0, Whole}, []string{"0.00", "10.00"}},
		{"99999999999999999999999999.99", "USD", []int64{Whole / 2, Whole / 2}, []string{"50000000000000000000000000.00", "49999999999999999999999999.99"}},
	}
	for _, tt := range tests {
		value, ok := conversion.ParseAmount(tt.value)
		if !ok {
			t.Fatal(tt.value)
		}
		var got []string
		weights := make([]*big.Int, len(tt.weights))
		for i, w := range tt.weights {
			weights[i] = big.NewInt(w)
		}
		for _, part := range exactSplit(value, tt.currency, weights) {
			got = append(got, part.Text('f'))
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s %s: %v, want %v", tt.value, tt.currency, got, tt.want)
		}
		if got, ok := splitWords(value, tt.currency, tt.weights...); ok != (len(tt.value) < 20) || ok && !slices.Equal(got, tt.want) {
			t.Errorf("%s %s in words: %v, want %v", tt.value, tt.currency, got, tt.want)
		}
	}
}

// What a refund leaves can end in zeros; they are no digits of its own.
func TestSplit_TrailingZeros(t *testing.T) {
	t.Parallel()
	got, _ := splitWords(conversion.Subtract(apd.New(1005, -3), apd.New(5, -3)), "NOK", 1, 1, 1)
	if diff := cmp.Diff([]string{"0.34", "0.33", "0.33"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestAssign_RefundsReturnEveryTouchpointToZero(t *testing.T) {
	t.Parallel()
	p := policy.Default()
	p.Models = []string{policy.Linear, policy.LastTouch}
	touches := NewTouches(&p, []touch.Touch{
		message("a", engagement("click", 1)), message("b", engagement("click", 2)), message("c", engagement("click", 3)),
	})
	c := at(day, "100")
	refund := conversion.Copy{ID: "r", Fact: &hit.Fact{Kind: hit.KindEvent, ID: "r", At: 2 * day, Event: &hit.Event{}}}
	left := []string{"100", "66.67", "33.335", "0"}
	for i := range left[1:] {
		before, _ := conversion.ParseAmount(left[i])
		after, _ := conversion.ParseAmount(left[i+1])
		c.Refunds = append(c.Refunds, conversion.Refund{ID: fmt.Sprint("r", i), Copy: &refund, Before: before, After: after})
	}
	rows := Assign(touches, c)
	if len(rows) != 4 {
		t.Fatalf("%d rows, want the conversion and three refunds", len(rows))
	}
	if diff := cmp.Diff([]string{"100.00", "-33.33", "-33.335", "-33.335"}, []string{rows[0].Value, rows[1].Value, rows[2].Value, rows[3].Value}); diff != "" {
		t.Error(diff)
	}
	for m := range p.Models {
		for k := range rows[0].Credits {
			sum := apd.New(0, 0)
			for i := range rows {
				part, _, err := apd.NewFromString(rows[i].Credits[k].Credited[m])
				if err != nil || rows[i].Credits[k].Weights[m] != rows[0].Credits[k].Weights[m] {
					t.Fatalf("row %d: %v", i, err)
				}
				sum = conversion.Subtract(sum, part)
			}
			if !sum.IsZero() {
				t.Errorf("%s %s: %s is left", p.Models[m], rows[0].Credits[k].TouchKey, sum)
			}
		}
	}
	if !rows[3].Refund || rows[3].EventAt != 2*day || rows[3].Person != anna {
		t.Errorf("refund row %+v", rows[3])
	}
}

func TestOrphan(t *testing.T) {
	t.Parallel()
	p := policy.Default()
	o := conversion.Orphan{
		Definition: &policy.Definition{Name: "purchase"}, ID: "r", Currency: "NOK", Value: apd.New(-5, 0),
		Copy: &conversion.Copy{ID: "r", Fact: &hit.Fact{Kind: hit.KindEvent, ID: "r", Event: &hit.Event{}}},
	}
	row := Orphan(&p, &o)
	want := []Credit{{Channel: Unattributed, Weights: []int64{Whole, Whole}, Credited: []string{"-5.00", "-5.00"}}}
	if diff := cmp.Diff(want, row.Credits); diff != "" || row.Value != "-5.00" || !row.Refund {
		t.Errorf("%+v\n%s", row, diff)
	}
	o.Value = nil
	if row := Orphan(&p, &o); row.Value != "" || row.Credits[0].Credited != nil {
		t.Errorf("without a value: %+v", row)
	}
}

func TestDependencies(t *testing.T) {
	t.Parallel()
	deptest.Check(t, ".", deptest.Pure(
		"credit is THE function: it is pure, so that one set of facts always gives the same table",
		"github.com/cockroachdb/apd/v3", "github.com/google/uuid", "github.com/nyaruka/phonenumbers", "golang.org/x/text",
		"github.com/rivo/uniseg", "golang.org/x/net/publicsuffix", "golang.org/x/net/idna",
		"google.golang.org/protobuf", // by way of phonenumbers
		"github.com/touchline/touchline/services/internal/hit",
		"github.com/touchline/touchline/services/attribution/fact", "github.com/touchline/touchline/services/attribution/policy",
		"github.com/touchline/touchline/services/attribution/keyword", "github.com/touchline/touchline/services/attribution/channel",
		"github.com/touchline/touchline/services/attribution/touch", "github.com/touchline/touchline/services/attribution/conversion",
	))
}
