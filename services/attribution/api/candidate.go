package api

import (
	"cmp"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/api/gen"
	"github.com/touchline/touchline/services/attribution/api/row"
	"github.com/touchline/touchline/services/attribution/conversion"
	"github.com/touchline/touchline/services/attribution/credit"
	"github.com/touchline/touchline/services/attribution/identity"
	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/attribution/timeline"
	"github.com/touchline/touchline/services/attribution/touch"
	"github.com/touchline/touchline/services/internal/hit"
)

// answer turns the explanation into what the caller may see of it.
func (x *explainer) answer() gen.Explanation {
	r, n := &x.told.Row, x.names
	answer := gen.Explanation{
		PolicyVersion: int(x.version.Version), Facts: len(x.found.Facts),
		Conversion: r.Definition, Conversions: x.told.Definitions,
		ConversionId: n.conversion(r.ID, r.InThread), EventId: n.event(r.EventID, r.InThread), Event: r.EventName,
		InThread: r.InThread, EventAt: instantOf(r.EventAt), WholeSecond: x.told.Precision == hit.PrecisionSecond,
		OrderId: maybe(n.text(r.OrderID)), Value: maybe(r.Value), Currency: maybe(r.Currency), Refund: r.Refund,
		Flags: append([]string{}, r.Flags...), Uncounted: x.uncounted(), Person: x.person(),
		Copies: make([]gen.EventCopy, len(x.told.Copies)), Candidates: make([]gen.Candidate, len(x.told.Candidates)),
	}
	if o := x.told.Original; o != nil {
		original := n.conversion(o.ID, r.InThread)
		answer.OriginalId, answer.OriginalAt = &original, maybeInstant(o.At)
	}
	for i := range x.told.Copies {
		answer.Copies[i] = x.copy(&x.told.Copies[i])
	}
	for i := range x.told.Candidates {
		answer.Candidates[i] = x.candidate(&x.told.Candidates[i])
		answer.Attributed = answer.Attributed || x.told.Candidates[i].Reason == credit.Eligible
	}
	return answer
}

func (x *explainer) uncounted() *gen.Uncounted {
	v := x.told.Verdict
	if v.Reason == conversion.Counts {
		return nil
	}
	return &gen.Uncounted{
		Reason: gen.UncountedReason(v.Reason), Property: maybe(v.Property), Wanted: maybe(x.names.text(v.Wanted)),
		Stated: maybe(x.names.text(v.Stated)), Other: maybe(x.names.conversion(v.Other, x.told.Row.InThread && v.Other != "")),
		OtherAt: maybeInstant(v.OtherAt),
	}
}

// person says whose the conversion is and what of the deciding copy says so.
func (x *explainer) person() gen.ExplainedPerson {
	p := gen.ExplainedPerson{
		Id: maybeID(x.told.Row.Person), By: gen.ExplainedPersonByNobody,
		Identifiers: x.names.all(x.told.Identifiers), Claim: x.claim(x.told.Claim, x.told.Row.Person),
	}
	for i := range x.told.Copies {
		c := &x.told.Copies[i]
		switch {
		case !c.Names:
		case len(c.Fact.Identifiers) > 0:
			p.By = gen.ExplainedPersonByIdentifier
		case c.Fact.Device != nil:
			p.By = gen.ExplainedPersonByDevice
		}
	}
	return p
}

func (x *explainer) copy(c *timeline.Copy) gen.EventCopy {
	shown := gen.EventCopy{
		EventId: x.names.event(c.ID, c.InThread), SourceId: c.Fact.Source, Trust: trustOf(c.Fact.Trust), At: instantOf(c.Fact.At),
		Identifiers: x.names.all(c.Fact.Identifiers), Decides: []gen.EventCopyDecides{},
	}
	if c.Fact.Device != nil {
		device := x.names.of(*c.Fact.Device)
		shown.Device = &device
	}
	for _, part := range []struct {
		decides gen.EventCopyDecides
		does    bool
	}{{gen.Event, c.Leads}, {gen.Person, c.Names}, {gen.Value, c.Values}} {
		if part.does {
			shown.Decides = append(shown.Decides, part.decides)
		}
	}
	return shown
}

func (x *explainer) claim(c *identity.Claim, person uuid.UUID) *gen.Claim {
	if c == nil {
		return nil
	}
	kind := gen.Click
	if c.Identify {
		kind = gen.Identify
	}
	return &gen.Claim{
		Kind: kind, At: instantOf(c.At), Fact: x.names.text(c.Fact), Holder: x.names.of(c.Holder), PersonId: maybeID(person),
	}
}

func (x *explainer) candidate(c *timeline.Candidate) gen.Candidate {
	shown := gen.Candidate{
		Channel: c.Touch.Channel, TouchKey: x.touchKey(c.Touch), TouchAt: maybeInstant(c.At()), Verdict: verdict(c.Reason),
		Campaign: maybe(c.Touch.Campaign), PersonId: maybeID(c.Holder), Claim: x.claim(c.Claim, c.Holder),
		Shares: []gen.Share{}, Engagements: make([]gen.Engagement, len(c.Engagements)),
	}
	if c.Decides >= 0 {
		shown.DecidedBy = &c.Decides
	}
	if m := c.Touch.Message; m != nil {
		shown.MessageId, shown.Variant = &shown.TouchKey, maybe(m.Variant)
		if m.Template != nil {
			shown.TemplateName, shown.TemplateLanguage = maybe(m.Template.Name), maybe(m.Template.Language)
		}
	}
	if c.Touch.Device.Value != "" {
		device := x.names.of(c.Touch.Device)
		shown.Device = &device
	}
	if c.Credit != nil {
		for i, model := range x.told.Row.Models {
			share := gen.Share{Model: model, Weight: row.Weight(c.Credit.Weights[i])}
			if c.Credit.Credited != nil {
				share.CreditedValue = &c.Credit.Credited[i]
			}
			shown.Shares = append(shown.Shares, share)
		}
	}
	for i := range c.Engagements {
		shown.Engagements[i] = x.engagement(c.Touch, &c.Engagements[i])
	}
	return shown
}

// touchKey shows the key of a touchpoint; that of an ad is the id of a message.
func (x *explainer) touchKey(t *touch.Touch) string {
	switch {
	case t.Message != nil:
		return x.names.message(t.Message.Channel, t.Key)
	case t.Channel == touch.ChannelAd:
		return x.names.message(hit.ChannelWhatsApp, t.Key)
	}
	return x.names.text(t.Key)
}

func (x *explainer) engagement(t *touch.Touch, j *credit.Judged) gen.Engagement {
	shown := gen.Engagement{
		Tier: j.Tier, At: instantOf(j.At), Fact: x.names.text(j.Fact), Verdict: verdict(j.Reason), LagSeconds: row.Lag(j.Age),
	}
	if j.Tier != policy.TierClick && t.Message != nil { // a reply is a message too
		shown.Fact = x.names.message(t.Message.Channel, j.Fact)
	}
	if t.Channel == touch.ChannelAd {
		shown.Fact = x.names.message(hit.ChannelWhatsApp, j.Fact)
	}
	if j.Beyond > 0 {
		beyond := row.Lag(j.Beyond)
		shown.BeyondSeconds = &beyond
	}
	if j.Rule >= 0 {
		w := &x.found.Version.Policy.Windows[j.Rule]
		shown.Rule = &gen.WindowRule{
			Index: j.Rule, Conversion: maybe(w.Conversion), Channel: maybe(w.Channel), Campaign: maybe(w.Campaign),
			Template: maybe(w.Template), Tier: maybe(w.Tier), Seconds: w.Seconds,
		}
	}
	return shown
}

func verdict(r credit.Reason) gen.Verdict {
	return gen.Verdict(cmp.Or(string(r), string(gen.Eligible)))
}

func instantOf(i hit.Instant) row.Instant { return row.InstantOf(i.Time()) }

// maybeInstant returns nil for 0, which is not known.
func maybeInstant(i hit.Instant) *row.Instant {
	if i == 0 {
		return nil
	}
	shown := instantOf(i)
	return &shown
}

// maybeID returns nil for [uuid.Nil].
func maybeID(id uuid.UUID) *uuid.UUID {
	if id == uuid.Nil {
		return nil
	}
	return &id
}
