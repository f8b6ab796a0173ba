package policy

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The defaults that attribution.md states in figures.
func TestDefault_Figures(t *testing.T) {
	t.Parallel()
	p := Default()
	if p.HalfLifeSeconds != 604_800 || p.ImplicitReplyWindowSeconds != 86_400 || p.PositionFirst != "0.4" || p.PositionLast != "0.4" {
		t.Errorf("%+v", p)
	}
	windows := []Window{{Tier: "click", Seconds: 604_800}, {Tier: "reply", Seconds: 604_800}, {Tier: "read", Seconds: 86_400}}
	if diff := cmp.Diff(windows, p.Windows); diff != "" {
		t.Error(diff)
	}
	for _, d := range p.Conversions {
		if diff := cmp.Diff([]string{"value", "revenue", "total"}, d.ValueProperties); diff != "" {
			t.Errorf("%s:\n%s", d.Name, diff)
		}
	}
	if !slices.Contains(p.OptOutTerms, "stop") || !slices.Contains(p.IgnoredReferrers, "paypal.com") {
		t.Error("opt-outs and payment providers are missing")
	}
}

func TestPolicy_Blocked(t *testing.T) {
	t.Parallel()
	p := Default()
	p.BlockedIdentifiers = []string{" TEST ", "null", "Straße", "test"}
	want := []string{
		"", "-1", "0", "00000000-0000-0000-0000-000000000000", "[object object]", "anonymous", "guest", "nan", "none", "null",
		"strasse", "test", "undefined", "unknown",
	}
	if diff := cmp.Diff(want, p.Blocked()); diff != "" {
		t.Error(diff)
	}
}

func TestDistance(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"kitten", "sitting", 3}, {"flaw", "lawn", 2}, {"abc", "abc", 0}, {"ab", "ba", 2}, {"click", "clik", 1}, {"xabc", "abc", 1},
	} {
		if got := distance(tt.a, tt.b); got != tt.want {
			t.Errorf("from %q to %q: %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}

func TestNearest(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 64)
	for _, tt := range []struct {
		text       string
		candidates []string
		want       string
	}{
		{"b", []string{"a", "b", "c"}, `"b"`},
		{"z", []string{"a", "b"}, `"a"`}, // the first of equals
		{"of", []string{"on", "off"}, `"off"`},
		{"OFF", []string{"on", "off"}, `"off"`},
		{"re", []string{"read", "rd"}, `"rd"`}, // how near goes before how it begins
		{"", nil, `""`},
		{long + "a", []string{long[:63], long + "b"}, `"` + strings.Repeat("x", 40) + `…"`},
	} {
		if got := nearest(tt.text, tt.candidates); got != tt.want {
			t.Errorf("nearest to %q: %s, want %s", tt.text, got, tt.want)
		}
	}
	for n, want := range map[int]int{63: 63, 64: 64, 65: 64} {
		if got := len(clip(strings.Repeat("x", n))); got != want {
			t.Errorf("of %d bytes %d are compared, want %d", n, got, want)
		}
	}
}

func TestQuote(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("a", 41)
	if got := quote(text[:40]); got != `"`+text[:40]+`"` {
		t.Error(got)
	}
	if got := quote(text); got != `"`+text[:40]+`…"` {
		t.Error(got)
	}
}

func TestParseNumber(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		`0`: "0", `-0.00`: "0", `1e29`: "1" + strings.Repeat("0", 29), `1e30`: "-", `1e-30`: "0." + strings.Repeat("0", 29) + "1", `1e-31`: "-",
		`123e27`: "123" + strings.Repeat("0", 27), `123e28`: "-", `" 1.50 "`: "1.5", `"`: "-", `""`: "-", `"1`: "-", `true`: "-", `1e99999999999`: "-",
	} {
		got := "-"
		if n, ok := parseNumber([]byte(raw)); ok {
			got = string(n)
		}
		if got != want {
			t.Errorf("%s is %s, want %s", raw, got, want)
		}
	}
	if text, err := Number("").MarshalJSON(); string(text) != "null" || err != nil {
		t.Errorf("%s %v", text, err)
	}
	if got := Number("half").Rat(); got.Sign() != 0 {
		t.Errorf("an unreadable number is %s", got)
	}
}

// times writes n items, counted.
func times(n int, item string) string {
	items := make([]string, n)
	for i := range items {
		items[i] = strings.ReplaceAll(item, "#", fmt.Sprint(i))
	}
	return strings.Join(items, ",")
}

// Every cap holds at its figure, and one more is told with the figure.
func TestParse_Caps(t *testing.T) {
	t.Parallel()
	rule := func(field string) string {
		if field == "none" {
			return `{"keyword_rules": [{"event": "k", "any": ["x"], "none": [%s]}]}`
		}
		return `{"keyword_rules": [{"event": "k", "` + field + `": [%s]}]}`
	}
	tests := []struct {
		name, document, item string
		most                 int
		says                 string
	}{
		{"windows", `{"windows": [%s]}`, `{"seconds": 1}`, 500, "/windows has more than 500 items"},
		{"conversions", `{"conversions": [%s]}`, `{"name": "c#", "event": "e"}`, 200, "/conversions has more than 200 items"},
		{"keyword rules", `{"keyword_rules": [%s]}`, `{"event": "k", "any": ["x"]}`, 500, "/keyword_rules has more than 500 items"},
		{"opt-outs", `{"opt_out_terms": [%s]}`, `"a"`, 1000, "/opt_out_terms has more than 1000 items"},
		{"ignored referrers", `{"ignored_referrers": [%s]}`, `"a"`, 1000, "/ignored_referrers has more than 1000 items"},
		{"blocked identifiers", `{"blocked_identifiers": [%s]}`, `"a"`, 1000, "/blocked_identifiers has more than 1000 items"},
		{"any", rule("any"), `"a"`, 1000, "/keyword_rules/0/any has more than 1000 items"},
		{"all", rule("all"), `"a"`, 1000, "/keyword_rules/0/all has more than 1000 items"},
		{"none", rule("none"), `"a"`, 1000, "/keyword_rules/0/none has more than 1000 items"},
		{"value properties", `{"conversions": [{"name": "a", "event": "e", "value_properties": [%s]}]}`, `"a"`, 32, "/conversions/0/value_properties has more than 32 items"},
		{"conditions", `{"conversions": [{"name": "a", "event": "e", "where": {%s}}]}`, `"p#": "x"`, 32, "/conversions/0/where has more than 32 conditions"},
		{"bytes of a text", `{"opt_out_terms": ["%s"]}`, "", 256, "/opt_out_terms/0 is longer than 256 bytes"},
		{"bytes of a condition", `{"conversions": [{"name": "a", "event": "e", "where": {"x": "%s"}}]}`, "", 256, "/conversions/0/where/x must be a text of at most 256 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for n, want := range map[int]string{tt.most: "", tt.most + 1: tt.says} {
				content := times(n, tt.item)
				if tt.item == "" {
					content = strings.Repeat("a", n)
				}
				_, faults := parse(t, fmt.Sprintf(tt.document, content))
				// A rule whose any is refused has no term left, which is told too.
				if want == "" && len(faults) > 0 || want != "" && (len(faults) == 0 || faults[0].Pointer+" "+faults[0].Detail != want) {
					t.Errorf("%d: faults %v, want %q", n, faults, want)
				}
			}
		})
	}
}

func TestParse_ModelsCap(t *testing.T) {
	t.Parallel()
	if _, faults := parse(t, `{"models": [`+times(16, `"linear"`)+`]}`); len(faults) != 15 {
		t.Errorf("%d faults, want 15 repetitions", len(faults))
	}
	if _, faults := parse(t, `{"models": [`+times(17, `"linear"`)+`]}`); len(faults) != 1 || faults[0].Detail != "has more than 16 items" {
		t.Errorf("faults %v", faults)
	}
}

func TestParse_NameOfACondition(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]int{256: 0, 257: 1} {
		document := `{"conversions": [{"name": "a", "event": "e", "where": {"` + strings.Repeat("n", n) + `": "x"}}]}`
		if _, faults := parse(t, document); len(faults) != want {
			t.Errorf("a name of %d bytes: %v", n, faults)
		}
	}
}

func TestParse_MoreFaults(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, document, pointer, says string }{
		{"null in a list", `{"windows": [null]}`, "/windows/0", "must be an object"},
		{"null where something is needed", `{"windows": [{"seconds": null}]}`, "/windows/0/seconds", "is missing"},
		{"no text", `{"opt_out_terms": [7]}`, "/opt_out_terms/0", "must be a text"},
		{"an empty word", `{"precedence": ""}`, "/precedence", "is empty; leave it out instead"},
		{"an empty currency", `{"keyword_rules": [{"event": "a", "any": ["x"], "value": 1, "currency": ""}]}`, "/keyword_rules/0/currency", "is empty; leave it out instead"},
		{"positions beyond the whole each", `{"position_last": 1.1}`, "/position_last", "is more than 1: it is a share of the whole"},
		{"too many digits", `{"position_first": 1e-31}`, "/position_first", "must be a number of at most 30 digits"},
		{"a second longer than a century", `{"windows": [{"seconds": 3162240001}]}`, "/windows/0/seconds", "is longer than a century"},
		{"many centuries", `{"windows": [{"seconds": 5e18}]}`, "/windows/0/seconds", "is longer than a century"},
		{"conditions in a list", `{"conversions": [{"name": "a", "event": "e", "where": []}]}`, "/conversions/0/where", "must be an object of property names and texts"},
		{"an object as a condition", `{"conversions": [{"name": "a", "event": "e", "where": {"x": {}}}]}`, "/conversions/0/where/x", "must be a text of at most 256 bytes"},
		{"a list as a condition", `{"conversions": [{"name": "a", "event": "e", "where": {"x": []}}]}`, "/conversions/0/where/x", "must be a text of at most 256 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, faults := parse(t, tt.document)
			if diff := cmp.Diff([]FieldError{{tt.pointer, tt.says}}, faults); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParse_NoFaults(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"positions that are the whole": `{"position_first": 0.5, "position_last": 0.5}`,
		"a century":                    `{"windows": [{"seconds": 3162240000}]}`,
		"as many of any as of all":     `{"keyword_rules": [{"event": "k", "any": ["a"], "all": ["b"]}]}`,
	}
	for name, document := range tests {
		if _, faults := parse(t, document); len(faults) > 0 {
			t.Errorf("%s: %v", name, faults)
		}
	}
	p, _ := parse(t, `{"conversions": [{"name": "a", "event": "e", "where": {}}, {"name": "b", "event": "e", "where": {"x": 1}}]}`)
	if p.Conversions[0].Where != nil || len(p.Conversions[1].Where) != 1 {
		t.Errorf("%+v", p.Conversions)
	}
}

func TestParse_TellsWhatIsNoJSON(t *testing.T) {
	t.Parallel()
	if _, _, err := Parse([]byte(`{"models": [}`)); err == nil || !strings.Contains(err.Error(), "invalid character '}'") {
		t.Errorf("%v", err)
	}
}

func TestDocument_WritesSignsAsTheyAre(t *testing.T) {
	t.Parallel()
	p := Default()
	p.OptOutTerms = []string{"<&>"}
	if document := string(p.Document()); !strings.Contains(document, `["<&>"]`) {
		t.Error(document)
	}
}
