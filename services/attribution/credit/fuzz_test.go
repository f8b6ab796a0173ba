package credit

import (
	"cmp"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/attribution/touch"
	"github.com/touchline/touchline/services/internal/hit"
)

// Under every model weights are no less than 0 and sum to the whole; the younger of
// two has no less by time_decay; first and last have all by theirs.
func FuzzWeigh(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 9}, int64(604_800), "0.4", "0.4", "1", "0.5")
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, int64(0), "0", "0", "", "1e-30")
	f.Fuzz(func(t *testing.T, ages []byte, halfLife int64, first, last, click, read string) {
		p := everyModel()
		p.HalfLifeSeconds = halfLife % (100 * 366 * 86_400)
		p.PositionFirst, p.PositionLast = number(first), number(last)
		p.TierWeights = map[string]policy.Number{"click": number(click), "read": number(read)}
		if sum := p.PositionFirst.Rat(); sum.Add(sum, p.PositionLast.Rat()).Cmp(policy.Number("1").Rat()) > 0 {
			p.PositionFirst, p.PositionLast = "0.5", "0.5" // Parse refuses more than the whole
		}
		var touches []counted
		for len(ages) >= 8 && len(touches) < 20 {
			age := hit.Instant(binary.LittleEndian.Uint64(ages) >> 1)
			tier := []string{"click", "read", "sent"}[ages[0]%3]
			touches = append(touches, counted{engagement: touch.Engagement{Tier: tier}, age: age})
			ages = ages[8:]
		}
		if len(touches) == 0 {
			return
		}
		slices.SortStableFunc(touches, func(a, b counted) int { return cmp.Compare(b.age, a.age) })
		for _, model := range p.Models {
			weights := weigh(t, model, &p, touches)
			var sum int64
			for i, w := range weights {
				sum += w
				if w < 0 || model == policy.TimeDecay && i > 0 && touches[i].age < touches[i-1].age && w < weights[i-1] {
					t.Fatalf("%s of %v: %v", model, touches, weights)
				}
			}
			if sum != Whole || model == policy.FirstTouch && weights[0] != Whole || model == policy.LastTouch && weights[len(weights)-1] != Whole {
				t.Fatalf("%s: weights %v sum to %d", model, weights, sum)
			}
		}
	})
}

// number is text as a policy's number; what Parse would refuse is none.
func number(text string) policy.Number {
	p, faults, err := policy.Parse([]byte(`{"tier_weights":{"click":"` + text + `"}}`))
	if err != nil || len(faults) > 0 {
		return ""
	}
	return p.TierWeights["click"]
}
