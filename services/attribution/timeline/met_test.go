package timeline_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/attribution/reftest"
	"github.com/touchline/touchline/services/attribution/timeline"
	"github.com/touchline/touchline/services/internal/hit"
)

// mustMeet lists what has to be in at least 1 of 200 histories, or comparing them says
// little.
func mustMeet() []string {
	return []string{
		"merge", "refused link", "shared identifier", "order changes owner", "sixth device for a token", "replaced copy",
		"refund before its order", "refund of nothing", "alias", "group", "group status", "opt-out", "reaction", "notice", "unsupported",
		"payment", "flow with an order id", "once_within", "where", "strongest_tier", "blocked identifier", "browser links off",
		"browser_links off decides", "session messages count", "confirm_clicks pixel", "position_based of 1", "position_based of 2",
		"0 digits", "2 digits", "3 digits", "negative value", "excess refund", "refund in another currency", "whole seconds",
		"touch after its conversion", "explicit reply", "implicit reply", "conversion: buy", "conversion: paid", "conversion: flow",
	}
}

// metFacts looks at facts that few rules are about.
func metFacts(h *reftest.History, has map[string]bool) {
	for i := range h.Facts {
		f := &h.Facts[i]
		if f.Identify != nil && f.Identify.Call == "alias" && len(f.Identifiers) > 1 {
			has["alias"] = true
		}
		has["group status"] = has["group status"] || f.Report != nil && f.Report.Group
		has["payment"] = has["payment"] || f.Report != nil && f.Report.Payment != nil
		if in := f.Inbound; in != nil {
			has["group"] = has["group"] || in.Group
			has["flow with an order id"] = has["flow with an order id"] || strings.Contains(string(in.Fields), "order_id")
			switch in.Type {
			case "reaction", "unsupported":
				has[in.Type] = true
			case "reaction_removed", "system", "request_welcome", "edit", "revoke":
				has["notice"] = true
			}
		}
	}
}

// metMoney looks at amounts and at what position_based divides.
func metMoney(h *reftest.History, out *timeline.Outcome, has map[string]bool) {
	currencies := map[string]string{}
	for i := range out.Conversions {
		c := &out.Conversions[i]
		touches := len(c.Credits)
		if c.Credits[0].TouchKey == "" {
			touches = 0
		}
		has["position_based of 1"] = has["position_based of 1"] || touches == 1
		has["position_based of 2"] = has["position_based of 2"] || touches == 2
		if touches > 1 && c.Value != "" {
			digits := map[string]string{"VND": "0 digits", "ISK": "0 digits", "NOK": "2 digits", "EUR": "2 digits", "KWD": "3 digits"}
			has[digits[c.Currency]] = true
		}
		has["negative value"] = has["negative value"] || !c.Refund && strings.HasPrefix(c.Value, "-")
		has["excess refund"] = has["excess refund"] || c.Refund && c.Value != "" && strings.Trim(c.Value, "-0.") == ""
		if !c.Refund && c.Value != "" {
			currencies[c.ID] = c.Currency
		}
	}
	delete(has, "")
	for i := range h.Facts {
		var stated struct {
			Currency string `json:"currency"`
		}
		f := &h.Facts[i]
		if f.Event == nil || f.Event.Name != "Order Refunded" || json.Unmarshal(f.Event.Properties, &stated) != nil {
			continue
		}
		paid, known := currencies["order:"+orderOf(f)]
		other := known && stated.Currency != "" && !strings.EqualFold(stated.Currency, paid)
		has["refund in another currency"] = has["refund in another currency"] || other
	}
}

// metSettings says which settings decide something: with another value the table, or
// when a message was replied to, is another.
func metSettings(h *reftest.History, out *timeline.Outcome, has map[string]bool) {
	rows, replied := productRows(*out), repliedAt(out)
	decides := func(what string, change func(*policy.Policy)) {
		p := h.Policy
		p.Conversions = slices.Clone(p.Conversions)
		change(&p)
		if !reflect.DeepEqual(p, h.Policy) {
			changed := reftest.History{Policy: p, Facts: h.Facts}
			other := timeline.Derive(historyInput(&changed))
			has[what] = !slices.Equal(rows, productRows(other)) || !slices.Equal(replied, repliedAt(&other))
		}
	}
	decides("strongest_tier", func(p *policy.Policy) { p.Precedence = policy.PrecedenceAny })
	decides("browser_links off decides", func(p *policy.Policy) { p.BrowserLinks = policy.LinksOn })
	decides("session messages count", func(p *policy.Policy) { p.SessionMessages = policy.SessionIgnore })
	decides("confirm_clicks pixel", func(p *policy.Policy) { p.ConfirmClicks = policy.ConfirmRedirect })
	decides("opt-out", func(p *policy.Policy) { p.OptOutTerms = nil })
	decides("once_within", func(p *policy.Policy) {
		for i := range p.Conversions {
			p.Conversions[i].OnceWithinSeconds = 0
		}
	})
	decides("where", func(p *policy.Policy) {
		for i := range p.Conversions {
			p.Conversions[i].Where = nil
		}
	})
}

func repliedAt(out *timeline.Outcome) (at []hit.Instant) {
	for i := range out.Messages {
		at = append(at, out.Messages[i].RepliedAt)
	}
	return at
}
