// Package policy is the configuration of a workspace's attribution: the document
// of PUT /v1/policy, its defaults and what makes no sense in it. It is pure.
package policy

import (
	"slices"
	"strings"

	"github.com/touchline/touchline/services/internal/hit"
)

// The models that divide a conversion among its touchpoints (attribution.md
// section 6).
const (
	FirstTouch    = "first_touch"
	LastTouch     = "last_touch"
	Linear        = "linear"
	TimeDecay     = "time_decay"
	PositionBased = "position_based"
	TierWeighted  = "tier_weighted"
)

// The tiers of engagements, strongest first; a reply is as strong as a click.
const (
	TierClick     = "click"
	TierReply     = "reply"
	TierRead      = "read"
	TierDelivered = "delivered"
	TierSent      = "sent"
)

// The settings that are words.
const (
	PrecedenceAny           = "any"            // every eligible touchpoint counts
	PrecedenceStrongestTier = "strongest_tier" // only those of the strongest tier present
	SessionIgnore           = "ignore"         // chat answers are no touchpoints
	SessionCount            = "count"          // chat answers are touchpoints
	ConfirmRedirect         = "redirect"       // a visit of the tracked link is a click
	ConfirmPixel            = "pixel"          // only a page view with the token is
	LinksOn                 = "on"             // browser facts link identifiers
	LinksOff                = "off"            // browser facts link nothing
	ModeWord                = "word"           // keyword terms match whole words
	ModeSubstring           = "substring"      // keyword terms match anywhere
)

// Policy is a whole policy document, every default filled in. A present but empty
// list is empty; an absent one has its default.
type Policy struct {
	Models                     []string          `json:"models"`
	HalfLifeSeconds            int64             `json:"half_life_seconds"` // > 0
	PositionFirst              Number            `json:"position_first"`    // 0 to 1
	PositionLast               Number            `json:"position_last"`     // 0 to 1
	TierWeights                map[string]Number `json:"tier_weights"`      // >= 0, by tier
	Precedence                 string            `json:"precedence"`
	ImplicitReplyWindowSeconds int64             `json:"implicit_reply_window_seconds"` // 0: off
	SessionMessages            string            `json:"session_messages"`
	ConfirmClicks              string            `json:"confirm_clicks"`
	BrowserLinks               string            `json:"browser_links"`
	OptOutTerms                []string          `json:"opt_out_terms"`
	IgnoredReferrers           []string          `json:"ignored_referrers"`
	BlockedIdentifiers         []string          `json:"blocked_identifiers"` // in addition to [BlockedByDefault]
	Windows                    []Window          `json:"windows"`             // the first that matches decides
	Conversions                []Definition      `json:"conversions"`
	KeywordRules               []KeywordRule     `json:"keyword_rules"`
}

// Window says how long an engagement counts. A field left empty matches all.
type Window struct {
	Conversion string `json:"conversion,omitempty"` // name of a definition
	Channel    string `json:"channel,omitempty"`
	Campaign   string `json:"campaign,omitempty"`
	Template   string `json:"template,omitempty"`
	Tier       string `json:"tier,omitempty"`
	Seconds    int64  `json:"seconds"` // inclusive; 0: never
}

// Definition says which events are conversions of one name.
type Definition struct {
	Name              string            `json:"name"`
	Event             string            `json:"event"`
	Where             map[string]string `json:"where,omitempty"` // property: text it must equal
	ValueProperties   []string          `json:"value_properties"`
	RefundEvent       string            `json:"refund_event,omitempty"`
	OnceWithinSeconds int64             `json:"once_within_seconds,omitempty"` // 0: every one counts
}

// KeywordRule makes an event of an inbound text that matches.
type KeywordRule struct {
	Event    string   `json:"event"`
	Any      []string `json:"any"`
	All      []string `json:"all"`
	None     []string `json:"none"`
	Mode     string   `json:"mode"`
	Value    Number   `json:"value,omitempty"`
	Currency string   `json:"currency,omitempty"` // ISO 4217
}

// IdentityEqual reports whether p and q conclude the same persons from the same
// facts: browser_links, the block list and what keyword rules match agree. What a rule
// makes may be a copy of another event, and copies link.
func (p *Policy) IdentityEqual(q *Policy) bool {
	return p.BrowserLinks == q.BrowserLinks && slices.Equal(blockList(p), blockList(q)) &&
		slices.EqualFunc(p.KeywordRules, q.KeywordRules, KeywordRule.matchEqual)
}

// matchEqual reports whether r and o make the same events, whatever they are worth.
func (r KeywordRule) matchEqual(o KeywordRule) bool {
	return r.Event == o.Event && r.Mode == o.Mode && slices.Equal(r.Any, o.Any) && slices.Equal(r.All, o.All) && slices.Equal(r.None, o.None)
}

// Blocked returns every identifier that names nobody, the defaults and the
// workspace's own, case-folded, sorted, without repetitions.
func (p *Policy) Blocked() []string {
	list := slices.Concat(BlockedByDefault(), blockList(p))
	slices.Sort(list)
	return slices.Compact(list)
}

// blockList is the workspace's own list in the form it is compared in.
func blockList(p *Policy) []string {
	list := make([]string, 0, len(p.BlockedIdentifiers))
	for _, term := range p.BlockedIdentifiers {
		list = append(list, hit.FoldCase(strings.TrimSpace(term)))
	}
	slices.Sort(list)
	return slices.Compact(list)
}
