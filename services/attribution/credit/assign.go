package credit

import (
	"cmp"
	"slices"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/conversion"
	"github.com/touchline/touchline/services/attribution/fact"
	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/attribution/touch"
	"github.com/touchline/touchline/services/internal/hit"
)

// counted is a touchpoint that counts for a conversion, by the engagement that
// does.
type counted struct {
	touch      *touch.Touch
	engagement touch.Engagement
	window     int64 // seconds
	age        hit.Instant
}

// stronger reports whether c counts rather than d of one touchpoint: the strongest
// tier, within it the latest, at one instant the click.
func (c counted) stronger(d counted) bool {
	return cmp.Or(
		cmp.Compare(touch.Rank(c.engagement.Tier), touch.Rank(d.engagement.Tier)),
		cmp.Compare(d.engagement.At, c.engagement.At),
		cmp.Compare(c.engagement.Tier, d.engagement.Tier), // "click" before "reply"
	) < 0
}

// eligible returns the touchpoints that count for a conversion, by (time, key).
func (x *Touches) eligible(definition string, person uuid.UUID, m moment) []counted {
	if person == uuid.Nil {
		return nil
	}
	var found []counted
	index := map[*touch.Touch]int{}
	for _, e := range x.near(person, m) {
		v := judge(x.policy, definition, m, e)
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
		return cmp.Or(cmp.Compare(a.engagement.At, b.engagement.At), cmp.Compare(a.touch.Key, b.touch.Key),
			cmp.Compare(a.touch.Channel, b.touch.Channel))
	})
	if x.policy.Precedence == policy.PrecedenceStrongestTier {
		found = strongestTier(found)
	}
	return distinct(found)
}

func strongestTier(found []counted) []counted {
	strongest := 3
	for i := range found {
		strongest = min(strongest, touch.Rank(found[i].engagement.Tier))
	}
	return slices.DeleteFunc(found, func(c counted) bool { return touch.Rank(c.engagement.Tier) > strongest })
}

// distinct drops a touchpoint whose channel and key an earlier one has: page views
// of two sources can have one event id, and a row is known by its touchpoint key.
func distinct(found []counted) []counted {
	type key struct{ channel, key string }
	seen := map[key]bool{}
	return slices.DeleteFunc(found, func(c counted) bool {
		k := key{c.touch.Channel, c.touch.Key}
		repeated := seen[k]
		seen[k] = true
		return repeated
	})
}

// Assign divides a conversion among the touchpoints before it. Its refunds follow
// it, in order.
func Assign(p *policy.Policy, x *Touches, c *conversion.Conversion) []Conversion {
	at, precision := c.Event.At()
	touches := x.eligible(c.Definition.Name, c.Owner.Person, newMoment(at, precision))
	row := outline(p, c.Event.Lead(), c.Owner)
	row.Definition, row.ID, row.Flags = c.Definition.Name, c.ID, tidy(c.Flags)
	row.Credits = creditsOf(p, touches)
	row.setValue(c)
	rows := []Conversion{row}
	for i := range c.Refunds {
		rows = append(rows, refund(&row, c, &c.Refunds[i]))
	}
	return rows
}

// Orphan is the row of a refund of an order that nobody reported.
func Orphan(p *policy.Policy, o *conversion.Orphan) Conversion {
	row := outline(p, o.Copy, o.Owner)
	row.Definition, row.ID, row.Flags, row.Refund = o.Definition.Name, o.ID, tidy(o.Flags), true
	row.Credits = creditsOf(p, nil)
	if o.Value != nil {
		row.Value, row.Currency = Format(o.Value, o.Currency), o.Currency
		row.Credits[0].Credited = slices.Repeat([]string{row.Value}, len(row.Models))
	}
	return row
}

// outline is the part of a row that a copy of the event gives.
func outline(p *policy.Policy, c *conversion.Copy, owner conversion.Owner) Conversion {
	return Conversion{
		Anchor: fact.Anchor(c.Fact).Value, EventID: c.ID, EventName: c.Name, InThread: c.InThread,
		EventAt: c.Fact.At, OrderID: c.OrderID, Person: owner.Person, Identified: owner.Identified, Models: p.Models,
	}
}

// refund is the row of one refund: the original's touchpoints and weights, and the
// difference between the split of what is left after and before it.
func refund(original *Conversion, c *conversion.Conversion, r *conversion.Refund) Conversion {
	row := outline(&policy.Policy{Models: original.Models}, r.Copy, c.Owner)
	row.Definition, row.ID, row.Flags, row.Refund = original.Definition, r.ID, tidy(r.Flags), true
	row.Currency = original.Currency
	row.Value = Format(conversion.Subtract(r.After, r.Before), row.Currency)
	row.Credits = slices.Clone(original.Credits)
	for i := range row.Credits {
		row.Credits[i].Credited = make([]string, len(row.Models))
	}
	for m := range row.Models {
		weights := row.weights(m)
		after, before := split(r.After, row.Currency, weights), split(r.Before, row.Currency, weights)
		for i := range row.Credits {
			row.Credits[i].Credited[m] = Format(conversion.Subtract(after[i], before[i]), row.Currency)
		}
	}
	return row
}

// setValue splits the conversion's value by the weights of each model.
func (row *Conversion) setValue(c *conversion.Conversion) {
	if c.Value == nil {
		return
	}
	row.Value, row.Currency = Format(c.Value, c.Currency), c.Currency
	for m := range row.Models {
		for i, part := range split(c.Value, c.Currency, row.weights(m)) {
			row.Credits[i].Credited = append(row.Credits[i].Credited, part.Text('f'))
		}
	}
}

// weights returns the weights of all credits under one model.
func (row *Conversion) weights(model int) []int64 {
	weights := make([]int64, len(row.Credits))
	for i := range row.Credits {
		weights[i] = row.Credits[i].Weights[model]
	}
	return weights
}

// creditsOf weighs touchpoints under every model; none make one unattributed credit.
func creditsOf(p *policy.Policy, touches []counted) []Credit {
	if len(touches) == 0 {
		whole := Credit{Channel: Unattributed}
		for range p.Models {
			whole.Weights = append(whole.Weights, Whole)
		}
		return []Credit{whole}
	}
	credits := make([]Credit, len(touches))
	for i := range touches {
		credits[i] = describe(&touches[i])
	}
	for _, model := range p.Models {
		for i, weight := range weigh(model, p, touches) {
			credits[i].Weights = append(credits[i].Weights, weight)
		}
	}
	return credits
}

func describe(c *counted) Credit {
	k := Credit{
		Channel: c.touch.Channel, Tier: c.engagement.Tier, TouchKey: c.touch.Key, TouchAt: c.engagement.At,
		WindowSeconds: c.window, LagMicros: int64(c.age), Campaign: c.touch.Campaign,
	}
	if m := c.touch.Message; m != nil {
		k.MessageChannel, k.MessageID, k.Variant = m.Channel, m.ID, m.Variant
		if m.Template != nil {
			k.TemplateName, k.TemplateLanguage = m.Template.Name, m.Template.Language
		}
	}
	return k
}

// tidy sorts flags and drops repetitions.
func tidy(flags []string) []string {
	sorted := slices.Clone(flags)
	slices.Sort(sorted)
	return slices.Compact(sorted)
}
