package policy

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/touchline/touchline/services/internal/deptest"
)

func parse(t *testing.T, document string) (Policy, []FieldError) {
	t.Helper()
	p, faults, err := Parse([]byte(document))
	if err != nil {
		t.Fatalf("Parse(%s): %v", document, err)
	}
	return p, faults
}

func TestParse_NothingSaidIsTheDefault(t *testing.T) {
	t.Parallel()
	for _, document := range []string{`{}`, `{"models": null, "windows": null}`, ` {} `} {
		p, faults := parse(t, document)
		if len(faults) > 0 {
			t.Errorf("%s: faults %v", document, faults)
		}
		if diff := cmp.Diff(Default(), p); diff != "" {
			t.Errorf("%s is not the default:\n%s", document, diff)
		}
	}
}

func TestParse_WholeDocument(t *testing.T) {
	t.Parallel()
	p, faults := parse(t, `{
		"models": ["time_decay", "position_based", "tier_weighted"],
		"half_life_seconds": 1e5, "position_first": 0.30, "position_last": "0.5",
		"tier_weights": {"sent": 0.25}, "precedence": "strongest_tier",
		"implicit_reply_window_seconds": 0, "session_messages": "count", "confirm_clicks": "pixel", "browser_links": "off",
		"opt_out_terms": [], "ignored_referrers": ["pay.example"], "blocked_identifiers": ["Nobody"],
		"windows": [{"conversion": "lead", "channel": "email", "campaign": "c", "template": "t", "tier": "read", "seconds": 60}],
		"conversions": [{"name": "lead", "event": "Lead", "where": {"country": "NO", "n": 17, "vip": true},
			"value_properties": ["ltv"], "refund_event": "Lost", "once_within_seconds": 5}],
		"keyword_rules": [{"event": "k", "any": ["a"], "none": ["b"], "mode": "substring", "value": 12.50, "currency": "nok"}]}`)
	if len(faults) > 0 {
		t.Fatalf("faults: %v", faults)
	}
	want := Policy{
		Models: []string{TimeDecay, PositionBased, TierWeighted}, HalfLifeSeconds: 100_000,
		PositionFirst: "0.3", PositionLast: "0.5", TierWeights: map[string]Number{TierSent: "0.25"},
		Precedence: PrecedenceStrongestTier, SessionMessages: SessionCount, ConfirmClicks: ConfirmPixel, BrowserLinks: LinksOff,
		OptOutTerms: []string{}, IgnoredReferrers: []string{"pay.example"}, BlockedIdentifiers: []string{"Nobody"},
		Windows: []Window{{Conversion: "lead", Channel: "email", Campaign: "c", Template: "t", Tier: TierRead, Seconds: 60}},
		Conversions: []Definition{{
			Name: "lead", Event: "Lead", Where: map[string]string{"country": "NO", "n": "17", "vip": "true"},
			ValueProperties: []string{"ltv"}, RefundEvent: "Lost", OnceWithinSeconds: 5,
		}},
		KeywordRules: []KeywordRule{{
			Event: "k", Any: []string{"a"}, All: []string{}, None: []string{"b"}, Mode: ModeSubstring, Value: "12.5", Currency: "NOK",
		}},
	}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Error(diff)
	}
	again, faults := parse(t, string(p.Document()))
	if diff := cmp.Diff(p, again); diff != "" || len(faults) > 0 {
		t.Errorf("its own document reads back otherwise: %v\n%s", faults, diff)
	}
}

func TestParse_EmptyListsStayEmpty(t *testing.T) {
	t.Parallel()
	p, faults := parse(t, `{"windows": [], "conversions": [], "keyword_rules": [], "opt_out_terms": [], "ignored_referrers": [], "tier_weights": {}}`)
	if len(faults) > 0 {
		t.Fatalf("faults: %v", faults)
	}
	if len(p.Windows)+len(p.Conversions)+len(p.OptOutTerms)+len(p.IgnoredReferrers)+len(p.TierWeights) > 0 {
		t.Errorf("an empty list was filled: %+v", p)
	}
	if document := string(p.Document()); strings.Contains(document, "null") {
		t.Errorf("document says null: %s", document)
	}
}

func TestParse_Faults(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, document, pointer, says string }{
		{"unknown field", `{"model": []}`, "/model", `"models"`},
		{"names are exact", `{"Models": ["linear"]}`, "/Models", `"models"`},
		{"unknown field of a rule", `{"keyword_rules": [{"event": "a", "any": ["x"], "moed": "word"}]}`, "/keyword_rules/0/moed", `"mode"`},
		{"pointer escapes", `{"a/b~c": 1}`, "/a~1b~0c", "not known"},
		{"unknown model", `{"models": ["last_tuch"]}`, "/models/0", `"last_touch"`},
		{"model of a later version", `{"models": ["markov"]}`, "/models/0", "not one of"},
		{"model twice", `{"models": ["linear", "linear"]}`, "/models/1", "twice"},
		{"no model", `{"models": []}`, "/models", "empty"},
		{"not a list", `{"models": "linear"}`, "/models", "list"},
		{"unknown tier", `{"windows": [{"tier": "clik", "seconds": 1}]}`, "/windows/0/tier", `"click"`},
		{"unknown tier weight", `{"tier_weights": {"opened": 1}}`, "/tier_weights/opened", "not known"},
		{"negative weight", `{"tier_weights": {"click": -1}}`, "/tier_weights/click", "negative"},
		{"window without seconds", `{"windows": [{"tier": "click"}]}`, "/windows/0/seconds", "missing"},
		{"negative window", `{"windows": [{"seconds": -1}]}`, "/windows/0/seconds", "negative"},
		{"endless window", `{"windows": [{"seconds": 1e12}]}`, "/windows/0/seconds", "century"},
		{"half a second", `{"windows": [{"seconds": 0.5}]}`, "/windows/0/seconds", "whole number"},
		{"window of no conversion", `{"windows": [{"conversion": "x", "seconds": 1}]}`, "/windows/0/conversion", "no conversion"},
		{"empty condition", `{"windows": [{"campaign": "", "seconds": 1}]}`, "/windows/0/campaign", "leave it out"},
		{"not an object", `{"windows": [7]}`, "/windows/0", "object"},
		{"no half life", `{"half_life_seconds": 0}`, "/half_life_seconds", "0"},
		{"positions beyond the whole", `{"position_first": 0.7, "position_last": 0.4}`, "/position_last", "more than 1"},
		{"number in words", `{"position_first": "half"}`, "/position_first", "number"},
		{"no number", `{"position_first": "NaN"}`, "/position_first", "number"},
		{"unknown mode", `{"keyword_rules": [{"event": "a", "any": ["x"], "mode": "words"}]}`, "/keyword_rules/0/mode", `"word"`},
		{"rule for everything", `{"keyword_rules": [{"event": "a", "none": ["x"]}]}`, "/keyword_rules/0", "every text"},
		{"rule without event", `{"keyword_rules": [{"any": ["x"]}]}`, "/keyword_rules/0/event", "missing"},
		{"currency alone", `{"keyword_rules": [{"event": "a", "any": ["x"], "currency": "NOK"}]}`, "/keyword_rules/0/currency", "no value"},
		{"no currency", `{"keyword_rules": [{"event": "a", "any": ["x"], "value": 1, "currency": "KRONER"}]}`, "/keyword_rules/0/currency", "ISO 4217"},
		{"conversion twice", `{"conversions": [{"name": "a", "event": "E"}, {"name": "a", "event": "F"}]}`, "/conversions/1/name", "twice"},
		{"conversion without event", `{"conversions": [{"name": "a"}]}`, "/conversions/0/event", "missing"},
		{"its own refund", `{"conversions": [{"name": "a", "event": "E", "refund_event": "E"}]}`, "/conversions/0/refund_event", "own refund"},
		{"condition without text", `{"conversions": [{"name": "a", "event": "E", "where": {"x": null}}]}`, "/conversions/0/where/x", "text"},
		{"precedence", `{"precedence": "strongest"}`, "/precedence", `"strongest_tier"`},
		{"too many terms", `{"opt_out_terms": [` + strings.Repeat(`"a",`, maxTerms) + `"a"]}`, "/opt_out_terms", "more than"},
		{"long term", `{"opt_out_terms": ["` + strings.Repeat("a", maxText+1) + `"]}`, "/opt_out_terms/0", "longer"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, faults := parse(t, tt.document)
			if len(faults) != 1 || faults[0].Pointer != tt.pointer || !strings.Contains(faults[0].Detail, tt.says) {
				t.Errorf("faults %q, want one at %s saying %q", faults, tt.pointer, tt.says)
			}
		})
	}
}

func TestParse_AllFaultsAtOnce(t *testing.T) {
	t.Parallel()
	_, faults := parse(t, `{"models": ["x"], "precedence": "y", "windows": [{"tier": "z", "seconds": -1}]}`)
	if len(faults) != 4 {
		t.Errorf("%d faults, want 4: %v", len(faults), faults)
	}
}

func TestParse_NotADocument(t *testing.T) {
	t.Parallel()
	for _, document := range []string{``, `[]`, `null`, `"x"`, `{"models": [}`, `{} {}`, `{}}`, `{}]`} {
		if _, _, err := Parse([]byte(document)); err == nil {
			t.Errorf("%q was read", document)
		}
	}
}

func TestIdentityEqual(t *testing.T) {
	t.Parallel()
	base := Default()
	base.BlockedIdentifiers = []string{"Nobody", "test"}
	rule := KeywordRule{Event: "greeting", Any: []string{"hei"}, All: []string{"du"}, None: []string{"nei"}, Mode: ModeWord}
	base.KeywordRules = []KeywordRule{rule}
	other := func(change func(*KeywordRule)) func(*Policy) {
		return func(p *Policy) {
			changed := rule
			change(&changed)
			p.KeywordRules = []KeywordRule{changed}
		}
	}
	tests := []struct {
		name   string
		change func(*Policy)
		want   bool
	}{
		{"other models", func(p *Policy) { p.Models = []string{FirstTouch} }, true},
		{"the block list in another order and case", func(p *Policy) { p.BlockedIdentifiers = []string{"TEST", " nobody", "test"} }, true},
		{"another blocked identifier", func(p *Policy) { p.BlockedIdentifiers = []string{"test"} }, false},
		{"browser links", func(p *Policy) { p.BrowserLinks = LinksOff }, false},
		{"a keyword's value", other(func(r *KeywordRule) { r.Value, r.Currency = "7", "NOK" }), true},
		{"a keyword's event", other(func(r *KeywordRule) { r.Event = "bye" }), false},
		{"its mode", other(func(r *KeywordRule) { r.Mode = ModeSubstring }), false},
		{"any of its words", other(func(r *KeywordRule) { r.Any = []string{"ha det"} }), false},
		{"all of its words", other(func(r *KeywordRule) { r.All = nil }), false},
		{"none of its words", other(func(r *KeywordRule) { r.None = nil }), false},
		{"no keyword", func(p *Policy) { p.KeywordRules = nil }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			other := base
			tt.change(&other)
			if got := base.IdentityEqual(&other); got != tt.want {
				t.Errorf("IdentityEqual = %v", got)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"models": ["linear"], "windows": [{"tier": "click", "seconds": 1}], "tier_weights": {"click": 1e-3}}`))
	f.Add([]byte(`{"keyword_rules": [{"event": "<&>", "any": ["x"], "value": "1.50"}], "conversions": [{"name": "a", "event": "b", "where": {"c": 1}}]}`))
	f.Fuzz(func(t *testing.T, document []byte) {
		p, faults, err := Parse(document)
		if err != nil || len(faults) > 0 {
			return
		}
		written := p.Document()
		if !json.Valid(written) {
			t.Fatalf("%s became no JSON: %s", document, written)
		}
		again, faults, err := Parse(written)
		if err != nil || len(faults) > 0 {
			t.Fatalf("%s does not read back: %v %v", written, err, faults)
		}
		if diff := cmp.Diff(p, again); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestDependencies(t *testing.T) {
	t.Parallel()
	deptest.Check(t, ".", deptest.Pure(
		"policy is part of what decides a credit: it is pure",
		"github.com/cockroachdb/apd/v3", "golang.org/x/text", "github.com/google/uuid", "github.com/nyaruka/phonenumbers",
		"google.golang.org/protobuf", // by way of phonenumbers
		"github.com/touchline/touchline/services/internal/hit",
	))
}
