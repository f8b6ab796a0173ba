package credit

import (
	"fmt"
	"math"
	"math/big"
	"testing"

	"github.com/cockroachdb/apd/v3"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/conversion"
	"github.com/touchline/touchline/services/attribution/fact"
	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/attribution/touch"
	"github.com/touchline/touchline/services/internal/hit"
)

// visit is a touchpoint without a message.
func visit(channel, key, campaign string, engagements ...touch.Engagement) touch.Touch {
	return touch.Touch{Channel: channel, Key: key, Campaign: campaign, Person: anna, Engagements: engagements}
}

func TestJudge(t *testing.T) {
	t.Parallel()
	p := policy.Default()
	p.Windows = []policy.Window{{Tier: "sent", Seconds: 0}, {Tier: "click", Seconds: 10}, {Tier: "read", Seconds: 1}}
	second10 := moment{at: 100 * second, late: 101*second - 1}
	tests := []struct {
		name string
		tier string
		at   hit.Instant
		want Verdict
	}{
		{"in the window", "click", 95 * second, Verdict{Rule: 1, Window: 10, Age: 5 * second}},
		{"at its very beginning", "click", 90 * second, Verdict{Rule: 1, Window: 10, Age: 10 * second}},
		{"a microsecond too old", "click", 90*second - 1, Verdict{Outside, 1, 10, 10*second + 1, 1}},
		{"much too old for its own rule", "read", 90 * second, Verdict{Outside, 2, 1, 10 * second, 9 * second}},
		{"in the conversion's second", "click", 101*second - 1, Verdict{Rule: 1, Window: 10}},
		{"after the conversion's second", "click", 101*second + 6, Verdict{After, 1, 10, 0, 7}},
		{"after it, though no rule matches", "reply", 101 * second, Verdict{After, -1, 0, 0, 1}},
		{"no rule", "reply", 99 * second, Verdict{Reason: NoRule, Rule: -1, Age: second}},
		{"a rule that says never", "sent", 99 * second, Verdict{Reason: Never, Rule: 0, Age: second}},
		{"never, at the very instant too", "sent", 100 * second, Verdict{Reason: Never, Rule: 0}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := message("m")
			if diff := cmp.Diff(tt.want, judge(&p, "purchase", second10, &entry{touch: &m, engagement: engagement(tt.tier, tt.at)})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRuleOf_EmptyFieldMatchesAll(t *testing.T) {
	t.Parallel()
	p := policy.Policy{Windows: []policy.Window{{Seconds: 1}}}
	m := message("m")
	m.Campaign, m.Message.Template = "spring", &hit.Template{Name: "hello"}
	if got := ruleOf(&p, "purchase", &m, "sent"); got != 0 {
		t.Errorf("rule %d, want 0: it names nothing", got)
	}
}

func TestCounted_Stronger(t *testing.T) {
	t.Parallel()
	of := func(tier string, at hit.Instant) counted { return counted{engagement: engagement(tier, at)} }
	order := []counted{of("click", 9), of("reply", 9), of("reply", 8), of("click", 7), of("read", 10), of("delivered", 11), of("sent", 12)}
	for i, a := range order {
		for j, b := range order {
			if got := a.stronger(b); got != (i < j) {
				t.Errorf("%v before %v: %v", a.engagement, b.engagement, got)
			}
		}
	}
}

// Cases of eligible that take several engagements or touchpoints to show.
func TestAssign_Chosen(t *testing.T) {
	t.Parallel()
	const now = 100 * day
	all := policy.Default()
	all.Windows = []policy.Window{{Seconds: 7 * 86_400}}
	strongest := all
	strongest.Precedence = policy.PrecedenceStrongestTier
	nobodys := message("n", engagement("click", now))
	nobodys.Person = uuid.Nil
	other := message("x", engagement("read", now-9), engagement("click", now-1))
	other.Channel = "email"
	tests := []struct {
		name    string
		policy  policy.Policy
		touches []touch.Touch
		want    []string
	}{
		{"seven days, inclusive", all, []touch.Touch{message("a", engagement("click", now-7*day))}, []string{"a click 8035200000000"}},
		{"what does not count hides nothing after it", policy.Default(), []touch.Touch{message("a", engagement("sent", now-5), engagement("click", now-4))}, []string{"a click 8639999999996"}},
		{"ordered by the engagement that counts", all, []touch.Touch{
			message("a", engagement("read", now-9), engagement("click", now-1)), message("b", engagement("read", now-5)),
		}, []string{"b read 8639999999995", "a click 8639999999999"}},
		{"at one instant by key", all, []touch.Touch{
			message("b", engagement("read", now-9), engagement("click", now-1)), message("a", engagement("click", now-1)),
		}, []string{"a click 8639999999999", "b click 8639999999999"}},
		{"weaker tiers count too", all, []touch.Touch{message("a", engagement("click", now-2)), message("b", engagement("sent", now-1))}, []string{
			"a click 8639999999998", "b sent 8639999999999",
		}},
		{"the strongest tier present may be the weakest there is", strongest, []touch.Touch{message("a", engagement("sent", now-2))}, []string{"a sent 8639999999998"}},
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

	t.Run("one key of two channels by channel", func(t *testing.T) {
		t.Parallel()
		mine := message("x", engagement("click", now-1))
		for _, its := range []touch.Touch{other, visit("email", "x", "", engagement("click", now-1))} {
			var got []string
			for _, k := range Assign(NewTouches(&all, []touch.Touch{mine, its}), at(now, ""))[0].Credits {
				got = append(got, k.Channel)
			}
			if diff := cmp.Diff([]string{"email", "whatsapp"}, got); diff != "" {
				t.Error(diff)
			}
		}
	})
	t.Run("nobody's conversion has nobody's touchpoints", func(t *testing.T) {
		t.Parallel()
		c := at(now, "")
		c.Owner = conversion.Owner{}
		if got := Assign(NewTouches(&all, []touch.Touch{nobodys}), c)[0].Credits; len(got) != 1 || got[0].Channel != Unattributed {
			t.Errorf("credits %+v", got)
		}
	})
}

// Of two touchpoints of one channel, key and instant that one stays whose engagement
// goes first, whatever order they come in.
func TestAssign_OneKeyAtOneInstant(t *testing.T) {
	t.Parallel()
	p := policy.Default()
	tests := map[string][2]touch.Engagement{ // first and second
		"the stronger tier": {{Tier: "reply", At: day, Fact: "z"}, {Tier: "read", At: day, Fact: "a"}},
		"click, then reply": {{Tier: "click", At: day, Fact: "z"}, {Tier: "reply", At: day, Fact: "a"}},
		"the smaller fact":  {{Tier: "click", At: day, Fact: "a"}, {Tier: "click", At: day, Fact: "z"}},
	}
	for name, e := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first, second := visit("email", "p", "first", e[0]), visit("email", "p", "second", e[1])
			for _, touches := range [][]touch.Touch{{first, second}, {second, first}} {
				got := Assign(NewTouches(&p, touches), at(day, ""))[0].Credits
				if len(got) != 1 || got[0].Campaign != "first" {
					t.Errorf("credits %+v", got)
				}
			}
		})
	}
}

// A whole row, field by field, of a message and of a visit, and of its refund.
func TestAssign_Row(t *testing.T) {
	t.Parallel()
	p := policy.Default()
	p.Models = []string{policy.Linear}
	m := message("m", engagement("click", day))
	m.Campaign = "spring"
	m.Message.Variant, m.Message.Template = "B", &hit.Template{Name: "hello", Language: "nb"}
	plain := message("n", engagement("click", day+1))
	c := at(2*day, "10")
	lead := &c.Event.Copies[0]
	lead.InThread, lead.OrderID, lead.Fact.Event.Properties = true, "17", []byte(`{"order_id":"17"}`)
	c.ID, c.Flags = "order:17", []string{"z", "a", "z"}
	before, after := apd.New(10, 0), apd.New(4, 0)
	c.Refunds = []conversion.Refund{{ID: "r#2", Before: before, After: after, Flags: []string{"y", "b", "y"}, Copy: &conversion.Copy{
		ID: "r", Name: "Refund", OrderID: "17", Fact: &hit.Fact{Kind: hit.KindEvent, ID: "r", At: 3 * day, Event: lead.Fact.Event},
	}}}
	credits := []Credit{
		{
			Channel: "whatsapp", Tier: "click", TouchKey: "m", TouchAt: day, WindowSeconds: 7 * 86_400, LagMicros: int64(day), MessageChannel: "whatsapp",
			MessageID: "m", TemplateName: "hello", TemplateLanguage: "nb", Campaign: "spring", Variant: "B", Weights: []int64{333_333_333_334}, Credited: []string{"3.34"},
		},
		{
			Channel: "whatsapp", Tier: "click", TouchKey: "n", TouchAt: day + 1, WindowSeconds: 7 * 86_400, LagMicros: int64(day) - 1,
			MessageChannel: "whatsapp", MessageID: "n", Weights: []int64{333_333_333_333}, Credited: []string{"3.33"},
		},
		{
			Channel: "email", Tier: "click", TouchKey: "p", TouchAt: day + 2, WindowSeconds: 7 * 86_400, LagMicros: int64(day) - 2,
			Campaign: "May", Weights: []int64{333_333_333_333}, Credited: []string{"3.33"},
		},
	}
	want := Conversion{
		Definition: "purchase", ID: "order:17", Anchor: fact.OrderRef("17").Value, EventID: "e", EventName: "Buy", InThread: true, EventAt: 2 * day, OrderID: "17",
		Value: "10.00", Currency: "NOK", Person: anna, Identified: true, Flags: []string{"a", "z"}, Models: []string{policy.Linear}, Credits: credits,
	}
	refund := want
	refund.ID, refund.EventID, refund.EventName, refund.InThread = "r#2", "r", "Refund", false
	refund.EventAt, refund.Refund, refund.Value, refund.Flags = 3*day, true, "-6.00", []string{"b", "y"}
	refund.Credits = append([]Credit(nil), credits...)
	// 4.00 is 1.34, 1.33, 1.33.
	for i, credited := range []string{"-2.00", "-2.00", "-2.00"} {
		refund.Credits[i].Credited = []string{credited}
	}
	got := Assign(NewTouches(&p, []touch.Touch{visit("email", "p", "May", engagement("click", day+2)), plain, m}), c)
	if diff := cmp.Diff([]Conversion{want, refund}, got); diff != "" {
		t.Error(diff)
	}
}

func TestAssign_TinyAmountsAreWrittenOut(t *testing.T) {
	t.Parallel()
	p := policy.Default()
	c := at(day, "0.000000012")
	row := Assign(NewTouches(&p, nil), c)[0]
	if row.Value != "0.000000012" || row.Credits[0].Credited[0] != "0.000000012" {
		t.Errorf("value %s, credited %v", row.Value, row.Credits[0].Credited)
	}
}

func TestOrphan_Flags(t *testing.T) {
	t.Parallel()
	p := policy.Default()
	o := conversion.Orphan{
		Definition: &policy.Definition{Name: "purchase"}, ID: "r#2", Flags: []string{"z", "a", "a"}, Owner: conversion.Owner{Person: anna},
		Copy: &conversion.Copy{ID: "r", Fact: &hit.Fact{Kind: hit.KindEvent, ID: "r", At: day, Event: &hit.Event{}}},
	}
	row := Orphan(&p, &o)
	if diff := cmp.Diff([]string{"a", "z"}, row.Flags); diff != "" || row.Definition != "purchase" || row.ID != "r#2" || row.EventID != "r" || row.Person != anna || row.EventAt != day {
		t.Errorf("%+v\n%s", row, diff)
	}
}

// Times that no clock ever showed must not make Derive panic, which promises to take
// any input.
func TestAssign_ImpossibleTimes(t *testing.T) {
	t.Parallel()
	p := policy.Default()
	x := NewTouches(&p, []touch.Touch{message("m", engagement("click", 0), engagement("read", math.MinInt64), engagement("sent", math.MaxInt64))})
	for _, when := range []hit.Instant{math.MinInt64, math.MinInt64 + 1, 0, math.MaxInt64 - second} {
		if rows := Assign(x, at(when, "1")); len(rows) != 1 {
			t.Errorf("at %d: %d rows", when, len(rows))
		}
	}
}

func TestWeigh_ManyAndOldTouches(t *testing.T) {
	t.Parallel()
	p := policy.Default()
	second1, none := p, p
	second1.HalfLifeSeconds, none.HalfLifeSeconds = 1, 0
	aged := func(ages ...hit.Instant) (list []counted) {
		for _, age := range ages {
			list = append(list, counted{engagement: touch.Engagement{Tier: "click"}, age: age})
		}
		return list
	}
	tests := []struct {
		name    string
		model   string
		policy  *policy.Policy
		touches []counted
		want    []int64
	}{
		{"the rest is shared equally", policy.PositionBased, &p, aged(4, 3, 2, 1), []int64{400_000_000_000, 100_000_000_000, 100_000_000_000, 400_000_000_000}},
		{"one second's half life", policy.TimeDecay, &second1, aged(second, 0), []int64{333_333_333_333, 666_666_666_667}},
		{"no half life is a second's", policy.TimeDecay, &none, aged(second, 0), []int64{333_333_333_333, 666_666_666_667}},
		{"only the difference of ages counts", policy.TimeDecay, &second1, aged(2001*second, 2000*second), []int64{333_333_333_333, 666_666_666_667}},
		{"one that is very much older has nothing", policy.TimeDecay, &second1, aged(2000*second, 0), []int64{0, Whole}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, weigh(t, tt.model, tt.policy, tt.touches)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// 2^-n in units of 2^-96, exactly.
func TestHalving_WholeLives(t *testing.T) {
	t.Parallel()
	for n := range uint(100) {
		want := new(big.Int)
		if n <= decayBits {
			want.Lsh(big.NewInt(1), decayBits-n)
		}
		if got := halving(hit.Instant(n)*second, big.NewInt(int64(second))); got.Cmp(want) != 0 {
			t.Errorf("2^-%d = %s units, want %s", n, got, want)
		}
	}
}

// All 96 bits, from the decimals of OEIS A002162.
func TestLn2_AllBits(t *testing.T) {
	t.Parallel()
	ln2Text := "0.693147180559945309417232121458176568075500134360255254120680009"
	exact, _, err := big.ParseFloat(ln2Text, 10, 200, big.ToZero)
	if err != nil {
		t.Fatal(err)
	}
	want, _ := exact.SetMantExp(exact, decayBits).Int(nil)
	if ln2().Cmp(want) != 0 {
		t.Errorf("ln 2 = %x, want %x", ln2(), want)
	}
}

// The minor units of ISO 4217, by number of decimals.
func TestMinorDigits(t *testing.T) {
	t.Parallel()
	for currency, want := range map[string]string{
		"JPY": "7", "KRW": "7", "VND": "7", "CLP": "7", "ISK": "7", "XOF": "7", "NOK": "7.00", "ILS": "7.00", "EUR": "7.00", "???": "7.00", "": "7.00",
		"KWD": "7.000", "TND": "7.000", "CLF": "7.0000", "UYW": "7.0000",
	} {
		if got := Format(apd.New(7, 0), currency); got != want {
			t.Errorf("7 %s is written %s, want %s", currency, got, want)
		}
	}
	for _, value := range []*apd.Decimal{apd.New(70, -1), apd.New(700000, -5), apd.New(7, 0)} {
		if got := Format(value, "NOK"); got != "7.00" {
			t.Errorf("%s is written %s", value, got)
		}
	}
	if got := fmt.Sprint(Format(apd.New(7, 2), "NOK"), " ", Format(apd.New(-7, -3), "NOK")); got != "700.00 -0.007" {
		t.Error(got)
	}
}

// Nothing of what is taken is nothing, not less than nothing, however much it is.
func TestSplit_NothingIsNotNegative(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"-1", "-1e30"} {
		value, _, err := apd.NewFromString(text)
		if err != nil {
			t.Fatal(err)
		}
		parts := exactSplit(value, "NOK", []*big.Int{big.NewInt(Whole), new(big.Int)})
		if !parts[0].Negative || parts[1].Negative || !parts[1].IsZero() {
			t.Errorf("%s: parts %s and %s", text, parts[0], parts[1])
		}
	}
}
