package intake

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/touchline/touchline/services/internal/hit"
)

func TestCheckItems(t *testing.T) {
	t.Parallel()
	if err := CheckItems("/batch", 5000); err != nil {
		t.Error(err)
	}
	var tooMany *TooManyError
	err := CheckItems("/batch", 5001)
	if !errors.As(err, &tooMany) || tooMany.Items != 5001 || tooMany.Pointer != "/batch" {
		t.Fatalf("%v", err)
	}
	if err.Error() != "5001 items in /batch, at most 5000: send them in several requests" {
		t.Error(err)
	}
}

func TestSteps_InOrder(t *testing.T) {
	t.Parallel()
	want := []string{
		"drop_unreadable", "drop_too_large", "set_origin", "set_time", "set_identifiers", "drop_no_identifier", "set_texts",
		"drop_bad_event_name", "drop_bad_id", "set_canonical",
	}
	if diff := cmp.Diff(want, Steps()); diff != "" {
		t.Error(diff)
	}
}

// The id of content is stored: SHA-256 over each part with its length before it.
func TestContentID_Stored(t *testing.T) {
	t.Parallel()
	const want = "made-601d5476e2ccfe2c87a2bba7a3226597"
	if got := ContentID([]byte("ab"), []byte("c")); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestRun_Refusals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, pointer, detail string
		change                func(*Item)
	}{
		{"a field", "/x", "/x: d", func(i *Item) { i.Refusal = &Refusal{Reason: BadField, Detail: "d", Pointer: "/x"} }},
		{"the item", "", "d", func(i *Item) { i.Refusal = &Refusal{Reason: BadField, Detail: "d"} }},
		{"too large", "", "an item may have 100 bytes, this one has 101", func(i *Item) { i.Raw = make([]byte, 101) }},
		{"a long event name", "", "an event's name may have 512 bytes", func(i *Item) { i.Fact.Event.Name = strings.Repeat("x", 513) }},
		{"a long id", "", "an id may have 1024 bytes", func(i *Item) { i.Fact.ID = strings.Repeat("x", 1025) }},
		{"no JSON", "", "arrays and objects may nest 30 deep, and numbers have exponents of up to four digits", func(i *Item) { i.Fact.Event.Properties = json.RawMessage(`{`) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h, refusal := Run(event(c.change), testEnv())
			if refusal == nil || refusal.Pointer != c.pointer || h.Rejection == nil || h.Rejection.Detail != c.detail {
				t.Fatalf("refusal %+v, rejection %+v", refusal, h.Rejection)
			}
		})
	}
}

func TestRun_NotRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		most   int
		change func(*Item)
	}{
		"no limit":                   {0, func(i *Item) { i.Raw = make([]byte, 1000) }},
		"an event name of 512 bytes": {100, func(i *Item) { i.Fact.Event.Name = strings.Repeat("x", 512) }},
		"spaces around a name":       {100, func(i *Item) { i.Fact.Event.Name = " " + strings.Repeat("x", 512) + " " }},
		"an id of 1024 bytes":        {100, func(i *Item) { i.Fact.ID = strings.Repeat("x", 1024) }},
		"brackets in texts do not nest": {100, func(i *Item) {
			i.Fact.Event.Properties = json.RawMessage(`{"a":"` + strings.Repeat(`[{\"\\`, 40) + `"}`)
		}},
		"closed ones do not nest": {100, func(i *Item) {
			i.Fact.Event.Properties = json.RawMessage(`[` + strings.Repeat(`{},[],`, 40) + `1]`)
		}},
		"a registration without a template": {100, func(i *Item) {
			i.Fact = hit.Fact{Kind: hit.KindMessage, ID: "m", Message: &hit.Message{}}
		}},
		"a status without a payment": {100, func(i *Item) {
			i.Fact = hit.Fact{Kind: hit.KindStatus, ID: "m", Report: &hit.Report{}}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := testEnv()
			env.MaxItem = c.most
			if _, refusal := Run(event(c.change), env); refusal != nil {
				t.Errorf("refused: %+v", refusal)
			}
		})
	}
	tiny := testEnv()
	tiny.MaxItem = 1
	if _, refusal := Run(event(nil), tiny); refusal == nil || refusal.Reason != TooLarge {
		t.Errorf("two bytes of one: %+v", refusal)
	}
}

// Brackets count by how deep they stand, arrays as objects.
func TestDepth(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		`1`: 0, `{}`: 1, `[]`: 1, `[[],[]]`: 2, `{"a":[{}],"b":{}}`: 3, `"[{"`: 0, `{"[":"]"}`: 1, `["\"[[["]`: 1, `["\\",[]]`: 2, `[{},{},[]]`: 2, `["a",[["]"]]]`: 3,
	} {
		if got := depth([]byte(text)); got != want {
			t.Errorf("%s: %d, want %d", text, got, want)
		}
	}
}

func TestCut(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text  string
		limit int
		want  string
	}{
		{"abc", 4, "abc"}, {"abc", 3, "abc"}, {"abcd", 3, "abc"}, {"aé", 2, "a"}, {"aé", 3, "aé"}, {"a👍", 4, "a"}, {"👍", 3, ""}, {"\x80\x80\x80", 2, ""}, {"éa", 2, "é"},
	} {
		if got := cut(c.text, c.limit); got != c.want {
			t.Errorf("%q to %d bytes is %q, want %q", c.text, c.limit, got, c.want)
		}
	}
	whole := strings.Repeat("a", 16<<10)
	for _, text := range []string{whole, whole + "b"} {
		h, _ := Run(Item{Anonymous: true, Fact: hit.Fact{Kind: hit.KindInbound, ID: "i", Inbound: &hit.Inbound{Text: text}}}, testEnv())
		if h.Fact.Inbound.Text != whole {
			t.Errorf("of %d bytes %d are left", len(text), len(h.Fact.Inbound.Text))
		}
	}
}

func TestRun_IdentifiersLeftOut(t *testing.T) {
	t.Parallel()
	flags := func(names ...Name) []string {
		h, _ := Run(event(func(i *Item) { i.Names = slices.Concat(names, []Name{{hit.UserID, "u"}}) }), testEnv())
		return h.Fact.Flags
	}
	if got := flags(Name{hit.Phone, " "}, Name{hit.UserID, ""}); got != nil {
		t.Errorf("an absent identifier is flagged: %v", got)
	}
	if got := flags(Name{hit.Phone, "call me"}, Name{hit.Phone, "or her"}, Name{hit.Phone, "12"}, Name{hit.Phone, "13"}); !slices.Equal(got, []string{hit.FlagBlockedByDigits, hit.FlagInvalidPhone}) {
		t.Errorf("flags %v", got)
	}
}

func TestRun_CountryOfThePhone(t *testing.T) {
	t.Parallel()
	for country, want := range map[string]string{"": "+4740612345", "DK": "+4540612345"} {
		h, _ := Run(event(func(i *Item) { i.Country, i.Names = country, []Name{{hit.Phone, "40 61 23 45"}} }), testEnv())
		if len(h.Fact.Identifiers) != 1 || h.Fact.Identifiers[0].Value != want {
			t.Errorf("in %q: %v, want %s", country, h.Fact.Identifiers, want)
		}
	}
}
