package policy

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDefault restates the defaults from attribution.md and api.md: an operator who
// says nothing relies on them.
func TestDefault(t *testing.T) {
	t.Parallel()
	const day = 86_400
	values := []string{"value", "revenue", "total"}
	got := Default()
	terms, referrers := got.OptOutTerms, got.IgnoredReferrers
	got.OptOutTerms, got.IgnoredReferrers = nil, nil
	want := Policy{
		Models: []string{"last_touch", "linear"}, HalfLifeSeconds: 7 * day, PositionFirst: "0.4", PositionLast: "0.4",
		TierWeights: map[string]Number{"click": "1", "reply": "0.8", "read": "0.4"},
		Precedence:  "any", ImplicitReplyWindowSeconds: day, SessionMessages: "ignore", ConfirmClicks: "redirect", BrowserLinks: "on",
		BlockedIdentifiers: []string{},
		Windows:            []Window{{Tier: "click", Seconds: 7 * day}, {Tier: "reply", Seconds: 7 * day}, {Tier: "read", Seconds: day}},
		Conversions: []Definition{
			{Name: "purchase", Event: "Order Completed", RefundEvent: "Order Refunded", ValueProperties: values},
			{Name: "whatsapp.order", Event: "whatsapp.order", ValueProperties: values},
			{Name: "whatsapp.payment", Event: "whatsapp.payment", ValueProperties: values},
		},
		KeywordRules: []KeywordRule{},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for language, term := range map[string]string{"English": "stop", "Norwegian": "stopp", "Hebrew": "הסר", "Vietnamese": "từ chối", "Chinese": "退订"} {
		if !slices.Contains(terms, term) {
			t.Errorf("no one opts out in %s by %s", language, term)
		}
	}
	for _, host := range []string{"paypal.com", "stripe.com", "klarna.com", "adyen.com", "vipps.no", "tranzila.com", "vnpay.vn", "alipay.com"} {
		if !slices.Contains(referrers, host) {
			t.Errorf("%s is no payment provider", host)
		}
	}
	blocked := []string{
		"", "-1", "0", "00000000-0000-0000-0000-000000000000", "[object object]", "anonymous", "guest", "nan", "none", "null", "undefined", "unknown",
	}
	if diff := cmp.Diff(blocked, got.Blocked()); diff != "" {
		t.Error(diff)
	}
}

// TestParse_Limits takes each field to its limits and one beyond: the pointer names the
// field.
func TestParse_Limits(t *testing.T) {
	t.Parallel()
	list := func(n int, item string) string { return "[" + strings.Repeat(item+",", n-1) + item + "]" }
	where := func(n int) string {
		var conditions []string
		for i := range n {
			conditions = append(conditions, fmt.Sprintf(`"p%d": "x"`, i))
		}
		return "{" + strings.Join(conditions, ",") + "}"
	}
	long := strings.Repeat("x", maxText)
	conversion := func(fields string) string { return `{"conversions": [{"name": "a", "event": "E", ` + fields + `}]}` }
	rule := func(fields string) string { return `{"keyword_rules": [{"event": "a", ` + fields + `}]}` }
	const century = "3162240000" // 100 years of 366 days
	tests := []struct {
		pointer   string
		good, bad []string // documents
	}{
		{pointer: "/models", good: []string{`{"models": ["first_touch", "last_touch", "linear", "time_decay", "position_based", "tier_weighted"]}`}, bad: []string{`{"models": []}`, `{"models": {}}`, `{"models": ` + list(maxModels+1, `"linear"`) + `}`}},
		{pointer: "/half_life_seconds", good: []string{`{"half_life_seconds": 1}`, `{"half_life_seconds": ` + century + `}`}, bad: []string{`{"half_life_seconds": 0}`, `{"half_life_seconds": 3162240001}`, `{"half_life_seconds": "a week"}`, `{"half_life_seconds": 1.5}`}},
		{pointer: "/position_first", good: []string{`{"position_first": 0}`, `{"position_first": 1, "position_last": 0}`}, bad: []string{`{"position_first": 1.001}`, `{"position_first": -0.1}`, `{"position_first": true}`}},
		{pointer: "/position_last", good: []string{`{"position_first": 0.5, "position_last": 0.5}`, `{"position_first": 0, "position_last": 1}`}, bad: []string{`{"position_last": 1.1}`, `{"position_first": 0.5, "position_last": 0.5000001}`, `{"position_last": -1}`}},
		{pointer: "/tier_weights/read", good: []string{`{"tier_weights": {"click": 0, "reply": 0, "read": 0, "delivered": 0, "sent": 1e20}}`}, bad: []string{`{"tier_weights": {"read": -0.1}}`, `{"tier_weights": {"read": "x"}}`, `{"tier_weights": {"read": 1e31}}`}},
		{pointer: "/tier_weights", bad: []string{`{"tier_weights": []}`}},
		{pointer: "/precedence", good: []string{`{"precedence": "any"}`, `{"precedence": "strongest_tier"}`}, bad: []string{`{"precedence": "all"}`, `{"precedence": 1}`}},
		{pointer: "/implicit_reply_window_seconds", good: []string{`{"implicit_reply_window_seconds": 0}`, `{"implicit_reply_window_seconds": ` + century + `}`}, bad: []string{`{"implicit_reply_window_seconds": -1}`, `{"implicit_reply_window_seconds": 3162240001}`}},
		{pointer: "/session_messages", good: []string{`{"session_messages": "count"}`}, bad: []string{`{"session_messages": "on"}`}},
		{pointer: "/confirm_clicks", good: []string{`{"confirm_clicks": "pixel"}`}, bad: []string{`{"confirm_clicks": "both"}`}},
		{pointer: "/browser_links", good: []string{`{"browser_links": "off"}`}, bad: []string{`{"browser_links": false}`, `{"browser_links": "no"}`}},
		{pointer: "/opt_out_terms", good: []string{`{"opt_out_terms": ` + list(maxTerms, `"x"`) + `}`}, bad: []string{`{"opt_out_terms": "stop"}`, `{"opt_out_terms": ` + list(maxTerms+1, `"x"`) + `}`}},
		{pointer: "/ignored_referrers/0", good: []string{`{"ignored_referrers": ["` + long + `"]}`}, bad: []string{`{"ignored_referrers": [""]}`, `{"ignored_referrers": ["` + long + `x"]}`, `{"ignored_referrers": [7]}`}},
		{pointer: "/blocked_identifiers/0", good: []string{`{"blocked_identifiers": ["` + long + `"]}`}, bad: []string{`{"blocked_identifiers": [""]}`, `{"blocked_identifiers": [null]}`}},
		{pointer: "/windows", good: []string{`{"windows": ` + list(maxWindows, `{"seconds": 1}`) + `}`}, bad: []string{`{"windows": ` + list(maxWindows+1, `{"seconds": 1}`) + `}`}},
		{pointer: "/windows/0/seconds", good: []string{`{"windows": [{"seconds": 0}, {"seconds": ` + century + `}]}`}, bad: []string{`{"windows": [{}]}`, `{"windows": [{"seconds": null}]}`, `{"windows": [{"seconds": 3162240001}]}`}},
		{pointer: "/windows/0/channel", good: []string{`{"windows": [{"channel": "whatsapp", "seconds": 1}]}`}, bad: []string{`{"windows": [{"channel": "", "seconds": 1}]}`}},
		{pointer: "/windows/0/campaign", good: []string{`{"windows": [{"campaign": "` + long + `", "seconds": 1}]}`}, bad: []string{`{"windows": [{"campaign": "` + long + `x", "seconds": 1}]}`}},
		{pointer: "/windows/0/template", good: []string{`{"windows": [{"template": "t", "seconds": 1}]}`}, bad: []string{`{"windows": [{"template": 1, "seconds": 1}]}`}},
		{pointer: "/windows/0/tier", good: []string{`{"windows": [{"tier": "sent", "seconds": 1}, {"tier": "delivered", "seconds": 1}]}`}, bad: []string{`{"windows": [{"tier": "opened", "seconds": 1}]}`}},
		{pointer: "/windows/0/conversion", good: []string{`{"windows": [{"conversion": "purchase", "seconds": 1}]}`}, bad: []string{`{"conversions": [], "windows": [{"conversion": "purchase", "seconds": 1}]}`}},
		{pointer: "/conversions", bad: []string{`{"conversions": ` + list(maxConversions+1, `{"name": "a", "event": "E"}`) + `, "windows": []}`}},
		{pointer: "/conversions/0/name", bad: []string{`{"conversions": [{"event": "E"}]}`, `{"conversions": [{"name": "", "event": "E"}]}`}},
		{pointer: "/conversions/0/event", bad: []string{`{"conversions": [{"name": "a", "event": null}]}`}},
		{pointer: "/conversions/0/where", good: []string{conversion(`"where": ` + where(maxWhere)), conversion(`"where": {}`)}, bad: []string{conversion(`"where": ` + where(maxWhere+1)), conversion(`"where": "x"`)}},
		{pointer: "/conversions/0/where/p", good: []string{conversion(`"where": {"p": ""}`), conversion(`"where": {"p": 1, "q": true}`)}, bad: []string{conversion(`"where": {"p": "` + long + `x"}`), conversion(`"where": {"p": []}`)}},
		{pointer: "/conversions/0/value_properties", good: []string{conversion(`"value_properties": []`)}, bad: []string{conversion(`"value_properties": "value"`), conversion(`"value_properties": ` + list(maxWhere+1, `"v"`))}},
		{pointer: "/conversions/0/refund_event", good: []string{conversion(`"refund_event": "R"`)}, bad: []string{conversion(`"refund_event": "E"`), conversion(`"refund_event": ""`)}},
		{pointer: "/conversions/0/once_within_seconds", good: []string{conversion(`"once_within_seconds": 0`), conversion(`"once_within_seconds": ` + century)}, bad: []string{conversion(`"once_within_seconds": -1`), conversion(`"once_within_seconds": 3162240001`)}},
		{pointer: "/keyword_rules", bad: []string{`{"keyword_rules": ` + list(maxRules+1, `{"event": "a", "any": ["x"]}`) + `}`}},
		{pointer: "/keyword_rules/0", bad: []string{rule(`"none": ["x"]`)}},
		{pointer: "/keyword_rules/0/any", good: []string{rule(`"any": ` + list(maxTerms, `"x"`))}, bad: []string{rule(`"all": ["y"], "any": ` + list(maxTerms+1, `"x"`))}},
		{pointer: "/keyword_rules/0/all/1", good: []string{rule(`"all": ["x"]`)}, bad: []string{rule(`"all": ["x", ""]`)}},
		{pointer: "/keyword_rules/0/none/0", bad: []string{rule(`"any": ["x"], "none": [{}]`)}},
		{pointer: "/keyword_rules/0/mode", good: []string{rule(`"any": ["x"], "mode": "substring"`)}, bad: []string{rule(`"any": ["x"], "mode": "regex"`)}},
		{pointer: "/keyword_rules/0/value", good: []string{rule(`"any": ["x"], "value": 0`), rule(`"any": ["x"], "value": "1e29"`)}, bad: []string{rule(`"any": ["x"], "value": -1`), rule(`"any": ["x"], "value": "1e30"`), rule(`"any": ["x"], "value": "kr 5"`)}},
		{pointer: "/keyword_rules/0/currency", good: []string{rule(`"any": ["x"], "value": 1, "currency": "nok"`)}, bad: []string{rule(`"any": ["x"], "value": 1, "currency": "QQQ"`), rule(`"any": ["x"], "currency": "NOK"`)}},
	}
	for _, tt := range tests {
		t.Run(tt.pointer, func(t *testing.T) {
			t.Parallel()
			for _, document := range tt.good {
				if _, faults := parse(t, document); len(faults) > 0 {
					t.Errorf("%.80s: faults %q", document, faults)
				}
			}
			for _, document := range tt.bad {
				if _, faults := parse(t, document); len(faults) != 1 || faults[0].Pointer != tt.pointer || faults[0].Detail == "" {
					t.Errorf("%.80s: faults %q, want one at %s", document, faults, tt.pointer)
				}
			}
		})
	}
}
