package credit

import (
	"math/big"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	stdcmp "cmp"

	"github.com/touchline/touchline/services/attribution/conversion"
	"github.com/touchline/touchline/services/attribution/fact"
	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/attribution/touch"
	"github.com/touchline/touchline/services/internal/hit"
)

// The oracle is the credit function as it was before it was made fast: maps, numbers of
// any size, one step after the other. What it concludes is what [Assign] has to.

func oracleEligible(x *Touches, definition string, person uuid.UUID, m moment) []counted {
	if person == uuid.Nil {
		return nil
	}
	var found []counted
	index := map[*touch.Touch]int{}
	for _, e := range x.all[person] {
		v := judge(x.policy, definition, m, &e)
		if v.Reason != Eligible {
			continue
		}
		c := counted{e.touch, e.engagement, v.Window, v.Age}
		i, known := index[e.touch]
		if !known {
			index[e.touch] = len(found)
			found = append(found, c)
		} else if c.stronger(found[i]) {
			found[i] = c
		}
	}
	slices.SortStableFunc(found, func(a, b counted) int {
		return stdcmp.Or(stdcmp.Compare(a.engagement.At, b.engagement.At), stdcmp.Compare(a.touch.Key, b.touch.Key),
			stdcmp.Compare(a.touch.Channel, b.touch.Channel))
	})
	if x.policy.Precedence == policy.PrecedenceStrongestTier {
		found = strongestTier(found)
	}
	return distinctByMap(found)
}

func oracleAssign(x *Touches, c *conversion.Conversion) []Conversion {
	at, precision := c.Event.At()
	row := oracleOutline(x.policy.Models, c.Event.Lead(), c.Owner)
	row.Definition, row.ID, row.Flags = c.Definition.Name, c.ID, tidy(c.Flags)
	row.Credits = oracleCredits(x.policy, oracleEligible(x, c.Definition.Name, c.Owner.Person, newMoment(at, precision)))
	if c.Value != nil {
		row.Currency = c.Currency
		row.setExactValue(c.Value)
	}
	rows := []Conversion{row}
	for i := range c.Refunds {
		r := &c.Refunds[i]
		back := oracleOutline(row.Models, r.Copy, c.Owner)
		back.Definition, back.ID, back.Flags, back.Refund = row.Definition, r.ID, tidy(r.Flags), true
		back.Credits, back.Currency = slices.Clone(row.Credits), row.Currency
		back.setExactRefund(r)
		rows = append(rows, back)
	}
	return rows
}

func oracleOutline(models []string, c *conversion.Copy, owner conversion.Owner) Conversion {
	return Conversion{
		Anchor: fact.Anchor(c.Fact).Value, EventID: c.ID, EventName: c.Name, InThread: c.InThread,
		EventAt: c.Fact.At, OrderID: c.OrderID, Person: owner.Person, Identified: owner.Identified, Models: models,
	}
}

func oracleCredits(p *policy.Policy, touches []counted) []Credit {
	if len(touches) == 0 {
		return []Credit{{Channel: Unattributed, Weights: slices.Repeat([]int64{Whole}, len(p.Models))}}
	}
	credits := make([]Credit, len(touches))
	for i := range touches {
		describe(&credits[i], &touches[i])
	}
	for _, model := range p.Models {
		for i, weight := range exactWeights(model, p, touches) {
			credits[i].Weights = append(credits[i].Weights, weight)
		}
	}
	return credits
}

// numbers are those that a policy can state: few digits as a rule, sixty at most.
var numbers = rapid.Custom(func(t *rapid.T) policy.Number {
	return policy.Number(rapid.OneOf(
		rapid.SampledFrom([]string{"0", "1", "0.4", "0.3", "0.25", "0.1", "2", "0.8"}),
		rapid.StringMatching(`0\.[0-9]{1,4}`),
		rapid.StringMatching(`[1-9][0-9]{0,29}\.[0-9]{1,30}`),
	).Draw(t, "number"))
})

var policies = rapid.Custom(func(t *rapid.T) policy.Policy {
	p := everyModel()
	p.HalfLifeSeconds = rapid.OneOf(
		rapid.SampledFrom([]int64{7 * 86_400, 86_400, 3600, 1, 1 << 62}), rapid.Int64Range(1, 400*86_400),
	).Draw(t, "half life")
	first, last := numbers.Draw(t, "first"), numbers.Draw(t, "last")
	if sum := first.Rat(); sum.Add(sum, last.Rat()).Cmp(big.NewRat(1, 1)) <= 0 {
		p.PositionFirst, p.PositionLast = first, last
	}
	p.TierWeights = rapid.MapOf(rapid.SampledFrom([]string{"click", "reply", "read", "delivered", "sent"}), numbers).Draw(t, "tiers")
	if rapid.Bool().Draw(t, "strongest") {
		p.Precedence = policy.PrecedenceStrongestTier
	}
	p.Windows = []policy.Window{{Tier: "sent", Seconds: 86_400}, {Seconds: rapid.SampledFrom([]int64{7 * 86_400, 3600, 90 * 86_400}).Draw(t, "window")}}
	return p
})

// ages are such that many agree, or lie whole half lives apart.
var ages = rapid.OneOf(
	rapid.Int64Range(-1000, int64(9*day)), rapid.Int64Range(0, 5),
	rapid.Map(rapid.Int64Range(0, 9), func(n int64) int64 { return n * int64(day) }),
	rapid.Map(rapid.Int64Range(0, 200), func(n int64) int64 { return n * 3600 * int64(second) }),
)

var crowd = rapid.Custom(func(t *rapid.T) []touch.Touch {
	one := rapid.Custom(func(t *rapid.T) touch.Engagement {
		return engagement(rapid.SampledFrom([]string{"click", "reply", "read", "delivered", "sent"}).Draw(t, "tier"), 10*day-hit.Instant(ages.Draw(t, "age")))
	})
	id := rapid.StringMatching(`[a-h][a-e]?`)
	var touches []touch.Touch
	for _, key := range rapid.SliceOfN(id, 0, 24).Draw(t, "keys") { // now and then one key twice
		touches = append(touches, message(key, rapid.SliceOfN(one, 1, 3).Draw(t, "engagements")...))
	}
	return touches
})

func TestAssign_IsTheOracle(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := policies.Draw(t, "policy")
		x := NewTouches(&p, crowd.Draw(t, "touches"))
		for range 2 { // the second in the scratch of the first
			c := at(10*day, "")
			c.Value, c.Currency = rapid.OneOf(amounts, hugeAmounts).Draw(t, "value"), rapid.SampledFrom([]string{"NOK", "VND", "KWD", "CLF", "XXX"}).Draw(t, "currency")
			refund := conversion.Copy{ID: "r", Fact: &hit.Fact{Kind: hit.KindEvent, ID: "r", At: 11 * day, Event: &hit.Event{}}}
			left := c.Value
			for range rapid.IntRange(0, 2).Draw(t, "refunds") {
				rest := rapid.OneOf(amounts, hugeAmounts).Draw(t, "left")
				c.Refunds = append(c.Refunds, conversion.Refund{ID: "r", Copy: &refund, Before: left, After: rest})
				left = rest
			}
			if rapid.IntRange(0, 9).Draw(t, "worthless") == 0 {
				c.Value, c.Refunds = nil, nil
			}
			if diff := cmp.Diff(oracleAssign(x, c), Assign(x, c)); diff != "" {
				t.Fatalf("the oracle says otherwise: %s", diff)
			}
		}
	})
}
