package credit

import (
	"fmt"
	"slices"
	"testing"

	"github.com/cockroachdb/apd/v3"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/conversion"
	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/attribution/touch"
	"github.com/touchline/touchline/services/internal/hit"
)

// shortWindows is a policy whose windows are, in seconds, 10 for clicks, 15 for replies,
// 5 for reads, none for deliveries and unsaid for the rest.
func shortWindows() *policy.Policy {
	p := policy.Default()
	p.Models = []string{policy.Linear}
	p.Windows = []policy.Window{{Tier: "click", Seconds: 10}, {Tier: "reply", Seconds: 15}, {Tier: "read", Seconds: 5}, {Tier: "delivered"}}
	return &p
}

// explained explains touchpoints to a conversion at second 100, one line each: the
// verdict and which engagement it is of, then all of them.
func explained(p *policy.Policy, seen ...Seen) []string {
	var touches []touch.Touch
	for _, s := range seen {
		if s.Bar == Eligible {
			touches = append(touches, *s.Touch)
		}
	}
	next := 0
	for i := range seen {
		if seen[i].Bar == Eligible {
			seen[i].Touch, next = &touches[next], next+1
		}
	}
	c := at(100*second, "10")
	x := NewTouches(p, touches)
	row := Assign(x, c)[0]
	var lines []string
	for _, c := range x.Explain(&row, 100*second, hit.PrecisionExact, seen) {
		line := fmt.Sprintf("%s %s at %d: %s by %d rule %d", c.Touch.Channel, c.Touch.Key, c.At()/second, c.Reason, c.Decides, c.Rule)
		if c.Credit != nil {
			line += " earns " + c.Credit.Credited[0]
		}
		for _, e := range c.Engagements {
			line += fmt.Sprintf("; %s %s %d %s", e.Fact, e.Tier, e.At/second, e.Reason)
			if e.Beyond != 0 {
				line += fmt.Sprintf(" %d", e.Beyond/second)
			}
		}
		lines = append(lines, line)
	}
	return lines
}

func did(tier string, seconds hit.Instant, facts ...string) touch.Engagement {
	e := touch.Engagement{Tier: tier, At: seconds * second, Fact: "f"}
	if len(facts) > 0 {
		e.Fact = facts[0]
	}
	return e
}

// Which engagement of a touchpoint decides, and why the others do not.
func TestExplain_Decides(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		engagements []touch.Engagement
		want        string
	}{
		"none":                                  {nil, "at 0: no_engagement by -1 rule -1"},
		"the only one":                          {[]touch.Engagement{did("click", 95)}, "at 95:  by 0 rule 0 earns 10.00; f click 95 "},
		"the first, before one that is nothing": {[]touch.Engagement{did("click", 95), did("delivered", 96)}, "at 95:  by 0 rule 0 earns 10.00; f click 95 ; f delivered 96 window_is_zero"},
		"the latest of the strongest tier": {
			[]touch.Engagement{did("read", 97), did("click", 96, "b"), did("click", 96, "a"), did("click", 95), did("reply", 96), did("reply", 94)},
			"at 96:  by 2 rule 0 earns 10.00; f reply 94 earlier_engagement; f click 95 earlier_engagement; a click 96 ; b click 96 repeated; f reply 96 weaker_tier; f read 97 weaker_tier",
		},
		"one too old rather than one too late": {[]touch.Engagement{did("click", 103), did("click", 85)}, "at 85: outside_window by 0 rule 0; f click 85 outside_window 5; f click 103 after_conversion 3"},
		"the one that is less too old":         {[]touch.Engagement{did("click", 80), did("click", 85)}, "at 85: outside_window by 1 rule 0; f click 80 outside_window 10; f click 85 outside_window 5"},
		"the one that is less too late":        {[]touch.Engagement{did("click", 103), did("click", 102)}, "at 102: after_conversion by 0 rule 0; f click 102 after_conversion 2; f click 103 after_conversion 3"},
		"the stronger tier, though it is more too old": {
			[]touch.Engagement{did("read", 93), did("click", 80)}, "at 80: outside_window by 0 rule 0; f click 80 outside_window 10; f read 93 outside_window 2",
		},
		"of two as much too old the later": {[]touch.Engagement{did("reply", 80), did("click", 85)}, "at 85: outside_window by 1 rule 0; f reply 80 outside_window 5; f click 85 outside_window 5"},
		"a tier that never counts rather than one unsaid": {
			[]touch.Engagement{did("delivered", 90), did("sent", 95)}, "at 90: window_is_zero by 0 rule 3; f delivered 90 window_is_zero; f sent 95 no_rule",
		},
		"one that counts rather than a stronger one too old": {
			[]touch.Engagement{did("click", 80), did("read", 97)}, "at 97:  by 1 rule 2 earns 10.00; f click 80 outside_window 10; f read 97 ",
		},
		"nor one too late": {[]touch.Engagement{did("read", 97), did("click", 103)}, "at 97:  by 0 rule 2 earns 10.00; f read 97 ; f click 103 after_conversion 3"},
		"the first of equals": {
			[]touch.Engagement{did("click", 85, "b"), did("click", 85, "a")}, "at 85: outside_window by 0 rule 0; a click 85 outside_window 5; b click 85 outside_window 5",
		},
		"of one time by tier": {
			[]touch.Engagement{did("sent", 96, "a"), did("delivered", 96, "b"), did("read", 96, "c"), did("reply", 96, "d"), did("click", 96, "e")},
			"at 96:  by 0 rule 0 earns 10.00; e click 96 ; d reply 96 weaker_tier; c read 96 weaker_tier; b delivered 96 window_is_zero; a sent 96 no_rule",
		},
		"the later of those unsaid": {[]touch.Engagement{did("sent", 90), did("sent", 95)}, "at 95: no_rule by 1 rule -1; f sent 90 no_rule; f sent 95 no_rule"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := message("m", tt.engagements...)
			if diff := cmp.Diff([]string{"whatsapp m " + tt.want}, explained(shortWindows(), Seen{Touch: &m})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCandidate_AtOfNothing(t *testing.T) {
	t.Parallel()
	for want, c := range map[hit.Instant]Candidate{
		0: {Touch: &touch.Touch{}, Decides: -1},
		7: {Touch: &touch.Touch{Message: &touch.Message{Times: touch.Times{FailedAt: 7}}}, Decides: -1},
		9: {Touch: &touch.Touch{}, Engagements: []Judged{{Engagement: touch.Engagement{At: 9}}}},
	} {
		if got := c.At(); got != want {
			t.Errorf("at %d, want %d", got, want)
		}
	}
}

// What is known against a touchpoint goes before its windows.
func TestExplain_Bars(t *testing.T) {
	t.Parallel()
	m, failed := message("m", did("click", 95), did("click", 103)), message("n")
	failed.Message.FailedAt = 94 * second
	v := visit("email", "v", "")
	got := explained(shortWindows(),
		Seen{Touch: &m, Bar: OtherPerson, Void: []Void{{did("reply", 80, "stop"), OptOut}}}, Seen{Touch: &failed, Bar: Failed}, Seen{Touch: &v, Bar: Session})
	want := []string{
		"email v at 0: session_message by -1 rule -1",
		"whatsapp n at 94: failed_message by -1 rule -1",
		"whatsapp m at 103: other_person by 2 rule 0; stop reply 80 opt_out; f click 95 other_person; f click 103 other_person",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Candidates come by time, key and channel; those that give way say to what.
func TestExplain_AmongOthers(t *testing.T) {
	t.Parallel()
	strict := shortWindows()
	strict.Precedence = policy.PrecedenceStrongestTier
	clicked, read := message("m", did("click", 95)), message("n", did("read", 96))
	again, weaker := message("m", did("click", 95)), message("m", did("read", 96))
	b, a, z := visit("b", "k", "", did("click", 97)), visit("a", "k", "", did("click", 97)), visit("a", "j", "", did("click", 97))
	for name, tt := range map[string]struct {
		policy *policy.Policy
		seen   []*touch.Touch
		want   []string
	}{
		"all count":              {shortWindows(), []*touch.Touch{&read, &clicked}, []string{"whatsapp m at 95:  by 0 rule 0 earns 5.00; f click 95 ", "whatsapp n at 96:  by 0 rule 2 earns 5.00; f read 96 "}},
		"the stronger tier does": {strict, []*touch.Touch{&read, &clicked}, []string{"whatsapp m at 95:  by 0 rule 0 earns 10.00; f click 95 ", "whatsapp n at 96: precedence by 0 rule 2; f read 96 precedence"}},
		"one key twice, of one tier": {
			strict, []*touch.Touch{&clicked, &again}, []string{"whatsapp m at 95:  by 0 rule 0 earns 10.00; f click 95 ", "whatsapp m at 95: repeated by 0 rule 0; f click 95 repeated"},
		},
		"one key twice, of two": {
			shortWindows(), []*touch.Touch{&clicked, &weaker}, []string{"whatsapp m at 95:  by 0 rule 0 earns 10.00; f click 95 ", "whatsapp m at 96: repeated by 0 rule 2; f read 96 repeated"},
		},
		"of one time": {shortWindows(), []*touch.Touch{&b, &a, &z}, []string{
			"a j at 97:  by 0 rule 0 earns 3.34; f click 97 ", "a k at 97:  by 0 rule 0 earns 3.33; f click 97 ", "b k at 97:  by 0 rule 0 earns 3.33; f click 97 ",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var seen []Seen
			for _, one := range tt.seen {
				seen = append(seen, Seen{Touch: one})
			}
			if diff := cmp.Diff(tt.want, explained(tt.policy, seen...)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Row is that of the table where something counts, and else tells what there is.
func TestRow(t *testing.T) {
	t.Parallel()
	p := shortWindows()
	x := NewTouches(p, []touch.Touch{message("m", did("click", 95))})
	c := at(100*second, "10")
	c.Flags = []string{"z", "a", "z"}
	copyOf := func(id string) *conversion.Copy {
		return &conversion.Copy{ID: id, Fact: &hit.Fact{Kind: hit.KindEvent, ID: id, At: 200 * second, Event: &hit.Event{}, Flags: []string{"y", "x"}}}
	}
	c.Refunds = []conversion.Refund{{ID: "r1", Before: apd.New(10, 0), After: apd.New(4, 0), Copy: copyOf("r1")}, {ID: "r2", Before: apd.New(4, 0), After: apd.New(1, 0), Copy: copyOf("r2")}}
	rows := Assign(x, c)
	uncounted := conversion.Verdict{Reason: conversion.WhereFailed}
	bare := at(100*second, "")
	orphan := &conversion.Orphan{Definition: c.Definition, ID: "o", Value: apd.New(-5, 0), Currency: "NOK", Copy: copyOf("o")}
	for name, tt := range map[string]struct {
		found conversion.Found
		want  Conversion
	}{
		"a conversion":     {conversion.Found{Definition: c.Definition, Conversion: c}, rows[0]},
		"a refund":         {conversion.Found{Definition: c.Definition, Conversion: c, Refund: c.Refunds[0].Copy, Taken: &c.Refunds[0]}, rows[1]},
		"another refund":   {conversion.Found{Definition: c.Definition, Conversion: c, Refund: c.Refunds[1].Copy, Taken: &c.Refunds[1]}, rows[2]},
		"one of no order":  {conversion.Found{Definition: c.Definition, Refund: orphan.Copy, Orphan: orphan}, Orphan(p, orphan)},
		"does not count":   {conversion.Found{Definition: c.Definition, Conversion: c, Verdict: uncounted}, plainRow(rows[0], "e", "10.00", "a", "z")},
		"nor has a value":  {conversion.Found{Definition: c.Definition, Conversion: bare, Verdict: uncounted}, plainRow(rows[0], "e", "")},
		"an idle refund":   {conversion.Found{Definition: c.Definition, Conversion: c, Refund: copyOf("r3"), Verdict: uncounted}, plainRow(rows[1], "r3", "", "x", "y")},
		"one of no buyer":  {conversion.Found{Definition: c.Definition, Refund: copyOf("r3"), Verdict: uncounted}, nobodys(plainRow(rows[1], "r3", "", "x", "y"))},
		"a refund unknown": {conversion.Found{Definition: c.Definition, Conversion: c, Refund: copyOf("r3"), Taken: &conversion.Refund{}}, plainRow(rows[1], "r3", "", "x", "y")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := Row(p, x, &tt.found)
			got.Anchor, tt.want.Anchor = uuid.Nil, uuid.Nil
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// plainRow is a row as it is when nothing is counted.
func plainRow(row Conversion, id, value string, flags ...string) Conversion {
	row.ID, row.EventID, row.Value, row.Flags, row.Models, row.Credits = id, id, value, slices.Clone(flags), nil, nil
	if value == "" {
		row.Currency = ""
	}
	return row
}

func nobodys(row Conversion) Conversion {
	row.Person, row.Identified = uuid.Nil, false
	return row
}
