package conversion

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/internal/hit"
)

// finds writes what each definition makes of an id, one line each.
func finds(id string, definitions []policy.Definition, facts []hit.Fact) []string {
	events := eventsOf(facts...)
	rules := Rules{Definitions: definitions, Currency: "NOK", Owner: func(f *hit.Fact) Owner {
		if len(f.Identifiers) == 0 {
			return Owner{}
		}
		return Owner{Person: uuid.NewSHA1(uuid.Nil, []byte(f.Identifiers[0].Value)), Identified: true}
	}}
	var lines []string
	for _, f := range Find(events, rules, Conversions(events, rules), id) {
		line := f.Definition.Name + ":"
		add := func(there bool, format string, parts ...any) {
			if there {
				line += " " + fmt.Sprintf(format, parts...)
			}
		}
		add(f.Reason != Counts, "%s", f.Reason)
		add(f.Property != "", "%s wants %s has %q", f.Property, f.Wanted, f.Stated)
		add(f.Other != "", "%s at %d", f.Other, f.OtherAt)
		if f.Conversion != nil {
			add(true, "of %s", f.Conversion.ID)
		}
		if f.Refund != nil {
			add(true, "by %s", f.Refund.ID)
		}
		if f.Taken != nil {
			add(true, "from %s to %s", f.Taken.Before.Text('f'), f.Taken.After.Text('f'))
		}
		add(f.Orphan != nil, "orphan")
		lines = append(lines, line)
	}
	return lines
}

// defined is a definition of orders and their refunds.
func defined(name string, change func(*policy.Definition)) policy.Definition {
	d := policy.Definition{Name: name, Event: "Buy", RefundEvent: "Refund", ValueProperties: []string{"value"}}
	change(&d)
	return d
}

type findCase struct {
	name        string
	definitions []policy.Definition
	facts       []hit.Fact
	want        map[string][]string // by id asked for
}

func holdFinds(t *testing.T, tests []findCase) {
	t.Helper()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for range 2 {
				for id, want := range tt.want {
					if diff := cmp.Diff(want, finds(id, tt.definitions, tt.facts)); diff != "" {
						t.Errorf("%s: %s", id, diff)
					}
				}
				slices.Reverse(tt.facts)
			}
		})
	}
}

func TestFind_Conversions(t *testing.T) {
	t.Parallel()
	plain := defined("plain", func(*policy.Definition) {})
	other := defined("other", func(d *policy.Definition) { d.Event, d.RefundEvent = "Lead", "" })
	once := defined("once", func(d *policy.Definition) { d.OnceWithinSeconds = 10 })
	where := defined("where", func(d *policy.Definition) { d.Where = map[string]string{"a": "1", "b": "2", "c": "3"} })
	second := hit.Instant(1_000_000)
	holdFinds(t, []findCase{
		{
			"by definition",
			[]policy.Definition{other, plain, once},
			[]hit.Fact{event("Lead", "l", 2, 1, `{}`), event("Buy", "b", 2, 1, `{}`), event("Buy", "z", 2, 1, `{}`), event("Else", "e", 2, 1, `{}`)},
			map[string][]string{"l": {"other: of l"}, "b": {"plain: of b", "once: of b"}, "z": {"plain: of z", "once: of z"}, "e": nil, "nothing": nil},
		},
		{
			"the condition that fails is told, the first of them by name, with the most trusted word",
			[]policy.Definition{where},
			[]hit.Fact{
				event("Buy", "x", 3, 1, `{"order_id":"1","a":"1"}`), event("Buy", "y", 2, 1, `{"order_id":"1","b":"9"}`), event("Buy", "z", 1, 1, `{"order_id":"1","b":"8"}`),
				event("Buy", "absent", 2, 1, `{"b":"2"}`), event("Buy", "met", 2, 1, `{"a":"1","b":"2","c":"3"}`), event("Buy", "last", 2, 1, `{"a":"1","b":"2"}`),
			},
			map[string][]string{
				"order:1": {`where: where b wants 2 has "9" of order:1`}, "absent": {`where: where a wants 1 has "" of absent`}, "met": {"where: of met"},
				"last": {`where: where c wants 3 has "" of last`},
			},
		},
		{
			"the latest before that counted for the same person",
			[]policy.Definition{once},
			[]hit.Fact{
				event("Buy", "old", 2, second, `{}`, "anna"), event("Buy", "a", 2, 20*second, `{}`, "anna"), event("Buy", "b", 2, 25*second, `{}`, "anna"),
				event("Buy", "next", 2, 40*second, `{}`, "anna"), event("Buy", "by bob", 2, 24*second, `{}`, "bob"), event("Buy", "by nobody", 2, 24*second, `{}`),
			},
			map[string][]string{
				"old": {"once: of old"}, "a": {"once: of a"}, "b": {"once: once_within a at 20000000 of b"},
				"next": {"once: of next"}, "by bob": {"once: of by bob"}, "by nobody": {"once: of by nobody"},
			},
		},
		{
			"of one instant, by the smaller id",
			[]policy.Definition{once},
			[]hit.Fact{event("Buy", "b", 2, second, `{}`, "anna"), event("Buy", "c", 2, second, `{}`, "anna")},
			map[string][]string{"b": {"once: of b"}, "c": {"once: once_within b at 1000000 of c"}},
		},
	})
}

func TestFind_Refunds(t *testing.T) {
	t.Parallel()
	plain := defined("plain", func(*policy.Definition) {})
	unrefunded := defined("unrefunded", func(d *policy.Definition) { d.RefundEvent = "" })
	vip := defined("vip", func(d *policy.Definition) { d.Where = map[string]string{"tier": "vip"} })
	leads := defined("leads", func(d *policy.Definition) { d.Event = "Lead" })
	order := event("Buy", "b", 2, 1, `{"order_id":"1","value":9}`)
	holdFinds(t, []findCase{
		{
			"what it takes",
			[]policy.Definition{unrefunded, plain, vip, leads},
			[]hit.Fact{order, event("Refund", "r1", 2, 2, `{"order_id":"1","value":4}`), event("Refund", "r2", 2, 3, `{"order_id":"1","value":1}`), event("", "nameless", 2, 3, `{}`)},
			map[string][]string{
				"r1":       {"plain: of order:1 by r1 from 9 to 5", "vip: refund_of_uncounted of order:1 by r1", "leads: by r1 orphan"},
				"r2":       {"plain: of order:1 by r2 from 5 to 4", "vip: refund_of_uncounted of order:1 by r2", "leads: by r2 orphan"},
				"order:1":  {"unrefunded: of order:1", "plain: of order:1", `vip: where tier wants vip has "" of order:1`},
				"nameless": nil,
			},
		},
		{
			"of one that does not count, beside one that does",
			[]policy.Definition{vip},
			[]hit.Fact{
				order, event("Buy", "c", 2, 1, `{"order_id":"2","value":9,"tier":"vip"}`),
				event("Refund", "r1", 2, 2, `{"order_id":"1","value":4}`), event("Refund", "r2", 2, 2, `{"order_id":"2","value":4}`),
			},
			map[string][]string{"r1": {"vip: refund_of_uncounted of order:1 by r1"}, "r2": {"vip: of order:2 by r2 from 9 to 5"}},
		},
		{
			"without an order, or of one that nobody reported",
			[]policy.Definition{plain},
			[]hit.Fact{order, event("Refund", "none", 2, 2, `{"value":4}`), event("Refund", "o1", 2, 2, `{"order_id":"7","value":4}`), event("Refund", "o2", 2, 2, `{"order_id":"8"}`)},
			map[string][]string{"none": {"plain: refund_without_order by none"}, "o1": {"plain: by o1 orphan"}, "o2": {"plain: by o2 orphan"}},
		},
		{
			"a second copy is told by which it is",
			[]policy.Definition{plain},
			[]hit.Fact{
				order, event("Refund", "r1", 2, 2, `{"order_id":"1","value":1,"refund_id":"x"}`), event("Refund", "r2", 2, 4, `{"order_id":"1","value":1,"refund_id":"y"}`),
				event("Refund", "r3", 1, 5, `{"order_id":"1","value":1,"refund_id":"y"}`), event("Refund", "r4", 1, 5, `{"order_id":"1","value":1,"refund_id":"x"}`),
				event("Refund", "s1", 2, 2, `{"order_id":"7","value":1,"refund_id":"x"}`), event("Refund", "s2", 1, 3, `{"order_id":"7","value":1,"refund_id":"x"}`),
			},
			map[string][]string{
				"r1": {"plain: of order:1 by r1 from 9 to 8"}, "r2": {"plain: of order:1 by r2 from 8 to 7"},
				"r3": {"plain: refund_repeated r2 at 4 of order:1 by r3"}, "r4": {"plain: refund_repeated r1 at 2 of order:1 by r4"},
				"s1": {"plain: by s1 orphan"}, "s2": {"plain: refund_repeated s1 at 2 by s2"},
			},
		},
		{
			"of an order without a value, or in another currency",
			[]policy.Definition{plain},
			[]hit.Fact{
				order, event("Refund", "r1", 2, 2, `{"order_id":"1","value":1,"currency":"EUR"}`),
				event("Buy", "c", 2, 1, `{"order_id":"2"}`), event("Refund", "r2", 2, 2, `{"order_id":"2","value":1}`), event("Refund", "r3", 2, 2, `{"order_id":"2","value":1,"currency":"EUR"}`),
			},
			map[string][]string{
				"r1": {"plain: refund_of_another_currency of order:1 by r1"}, "r2": {"plain: refund_of_no_value of order:2 by r2"}, "r3": {"plain: refund_of_no_value of order:2 by r3"},
			},
		},
	})
}

// The value is of the first copy that has one.
func TestEvent_Valued(t *testing.T) {
	t.Parallel()
	d := defined("d", func(*policy.Definition) {})
	for want, texts := range map[int][]string{
		-1: {`{"order_id":"1"}`, `{"order_id":"1","value":"free"}`},
		0:  {`{"order_id":"1","value":0}`, `{"order_id":"1","value":2}`},
		1:  {`{"order_id":"1","value":"free"}`, `{"order_id":"1","value":2}`, `{"order_id":"1","value":3}`},
	} {
		var facts []hit.Fact
		for i, text := range texts {
			facts = append(facts, event("Buy", fmt.Sprint("e", i), hit.Trust(3-i), 1, text))
		}
		if got := eventsOf(facts...)[0].Valued(&d); got != want {
			t.Errorf("%s: copy %d, want %d", strings.Join(texts, " "), got, want)
		}
	}
}
