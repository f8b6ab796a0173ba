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

// before is the order of touchpoints: by (time, key, channel).
func (c *counted) before(d *counted) int {
	if c.engagement.At != d.engagement.At {
		return cmp.Compare(c.engagement.At, d.engagement.At)
	}
	return cmp.Or(cmp.Compare(c.touch.Key, d.touch.Key), cmp.Compare(c.touch.Channel, d.touch.Channel))
}

// eligible returns the touchpoints that count for a conversion, by (time, key). They
// are there until it is called again.
func (x *Touches) eligible(definition string, person uuid.UUID, m moment) []counted {
	if person == uuid.Nil {
		return nil
	}
	found := x.scratch.found[:0]
	near := x.near(person, m)
	for i := range near {
		e := &near[i]
		v := judge(x.policy, definition, m, e)
		if v.Reason != Eligible {
			continue
		}
		c := counted{e.touch, e.engagement, v.Window, v.Age}
		if place := &x.scratch.place[e.number]; *place == 0 {
			found = append(found, c)
			*place = int32(len(found))
		} else if c.stronger(found[*place-1]) {
			found[*place-1] = c
		}
	}
	for i := range near {
		x.scratch.place[near[i].number] = 0
	}
	x.scratch.found = found
	slices.SortStableFunc(found, func(a, b counted) int { return a.before(&b) })
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
	if len(found) > pairwise {
		return distinctByMap(found)
	}
	kept := found[:0]
	for i := range found {
		c := &found[i]
		if !slices.ContainsFunc(kept, func(k counted) bool { return k.touch.Key == c.touch.Key && k.touch.Channel == c.touch.Channel }) {
			kept = append(kept, *c)
		}
	}
	return kept
}

// pairwise is how many touchpoints are compared each with each rather than to allocate
// a map. Guessed.
const pairwise = 16

func distinctByMap(found []counted) []counted {
	type key struct{ channel, key string }
	seen := make(map[key]bool, len(found))
	return slices.DeleteFunc(found, func(c counted) bool {
		k := key{c.touch.Channel, c.touch.Key}
		repeated := seen[k]
		seen[k] = true
		return repeated
	})
}

// Assign divides a conversion among the touchpoints before it. Its refunds follow
// it, in order.
func Assign(x *Touches, c *conversion.Conversion) []Conversion {
	at, precision := c.Event.At()
	touches := x.eligible(c.Definition.Name, c.Owner.Person, newMoment(at, precision))
	rows := make([]Conversion, 1+len(c.Refunds))
	row := &rows[0]
	*row = outline(x.policy.Models, c.Event.Lead(), c.Owner)
	row.Definition, row.ID, row.Flags = c.Definition.Name, c.ID, tidy(c.Flags)
	row.Credits = x.creditsOf(touches)
	row.setValue(c.Value, c.Currency, &x.scratch)
	for i := range c.Refunds {
		rows[i+1] = refund(row, c, &c.Refunds[i], &x.scratch)
	}
	return rows
}

// Orphan is the row of a refund of an order that nobody reported.
func Orphan(p *policy.Policy, o *conversion.Orphan) Conversion {
	row := outline(p.Models, o.Copy, o.Owner)
	row.Definition, row.ID, row.Flags, row.Refund = o.Definition.Name, o.ID, tidy(o.Flags), true
	row.Credits = unattributed(len(p.Models))
	row.setValue(o.Value, o.Currency, &scratch{})
	return row
}

// outline is the part of a row that a copy of the event gives.
func outline(models []string, c *conversion.Copy, owner conversion.Owner) Conversion {
	return Conversion{
		Anchor: anchor(c), EventID: c.ID, EventName: c.Name, InThread: c.InThread,
		EventAt: c.Fact.At, OrderID: c.OrderID, Person: owner.Person, Identified: owner.Identified, Models: models,
	}
}

// anchor is [fact.Anchor] of a copy, whose order need not be read again.
func anchor(c *conversion.Copy) uuid.UUID {
	if c.OrderID != "" {
		return fact.OrderRef(c.OrderID).Value
	}
	return fact.Anchor(c.Fact).Value
}

// refund is the row of one refund: the original's touchpoints and weights, and the
// difference between the split of what is left after and before it.
func refund(original *Conversion, c *conversion.Conversion, r *conversion.Refund, s *scratch) Conversion {
	row := outline(original.Models, r.Copy, c.Owner)
	row.Definition, row.ID, row.Flags, row.Refund = original.Definition, r.ID, tidy(r.Flags), true
	row.Credits = slices.Clone(original.Credits)
	row.setRefund(r, original.Currency, s)
	return row
}

// creditsOf weighs touchpoints under every model; none make one unattributed credit.
func (x *Touches) creditsOf(touches []counted) []Credit {
	models := x.policy.Models
	if len(touches) == 0 {
		return unattributed(len(models))
	}
	credits := make([]Credit, len(touches))
	for i := range touches {
		describe(&credits[i], &touches[i])
	}
	room(credits, len(models))
	for m, model := range models {
		for i, weight := range x.plan.weigh(model, touches, &x.scratch) {
			credits[i].Weights[m] = int64(weight)
		}
	}
	return credits
}

func unattributed(models int) []Credit {
	credits := []Credit{{Channel: Unattributed}}
	room(credits, models)
	for m := range models {
		credits[0].Weights[m] = Whole
	}
	return credits
}

// room makes the weights of all credits at once.
func room(credits []Credit, models int) {
	all := make([]int64, models*len(credits))
	for i := range credits {
		credits[i].Weights = all[i*models : (i+1)*models : (i+1)*models]
	}
}

// describe fills in what is said of a touchpoint, into a credit that says nothing yet.
func describe(k *Credit, c *counted) {
	k.Channel, k.Tier, k.TouchKey, k.TouchAt = c.touch.Channel, c.engagement.Tier, c.touch.Key, c.engagement.At
	k.WindowSeconds, k.LagMicros, k.Campaign = c.window, int64(c.age), c.touch.Campaign
	if m := c.touch.Message; m != nil {
		k.MessageChannel, k.MessageID, k.Variant = m.Channel, m.ID, m.Variant
		if m.Template != nil {
			k.TemplateName, k.TemplateLanguage = m.Template.Name, m.Template.Language
		}
	}
}

// tidy sorts flags and drops repetitions.
func tidy(flags []string) []string {
	sorted := slices.Clone(flags)
	slices.Sort(sorted)
	return slices.Compact(sorted)
}
