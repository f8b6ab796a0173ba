package timeline_test

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"testing"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/internal/hit"
)

// Values that others published, restated as facts: of Adobe Analytics' documentation,
// coreyhaines31/marketingskills, eeghor/mta, DP6/Marketing-Attribution-Models, W3C and
// PostHog. Where their rule is not ours the test says so.

const days = 24 * 60 // in minutes, the unit of a stage

// journey is one conversion after clicks on messages.
type journey struct {
	value string
	clock []hit.Instant // of each click, minutes before the conversion, earliest first
}

// play returns the credited value of each click, in order, under one model.
func (j journey) play(t *testing.T, p policy.Policy, model string) []float64 {
	t.Helper()
	p.Models = []string{model}
	p.Windows = []policy.Window{{Tier: policy.TierClick, Seconds: 100 * 86_400}}
	var facts stage
	for i, before := range j.clock {
		id := fmt.Sprint("m", i)
		facts.message(id, -before-1, "p", hit.Message{Campaign: "c", Token: id})
		facts.click("c"+id, -before, hit.Click{Token: id})
	}
	buy := facts.buy("e", 0, "p")
	buy.Event.Properties = []byte(`{"value":` + j.value + `}`)
	p.Conversions = p.Conversions[:1]
	out := derive(p, facts)
	credited := make([]float64, len(j.clock))
	for _, k := range out.Conversions[0].Credits {
		at, err := strconv.Atoi(k.TouchKey[1:])
		if err != nil {
			t.Fatal(err)
		}
		if credited[at], err = strconv.ParseFloat(k.Credited[0], 64); err != nil {
			t.Fatal(err)
		}
	}
	return credited
}

func TestKnown_Models(t *testing.T) {
	t.Parallel()
	daily, uneven := policy.Default(), policy.Default()
	daily.HalfLifeSeconds = 86_400
	uneven.PositionFirst, uneven.PositionLast = "0.3", "0.7"
	jShaped := policy.Default()
	jShaped.PositionFirst, jShaped.PositionLast = "0.2", "0.6"
	adobe := journey{"50", []hit.Instant{9 * days, 6 * days, 0, 0}}
	corey := journey{"12000", []hit.Instant{38 * days, 33 * days, 26 * days, 8 * days, 0}}
	tests := []struct {
		name   string
		model  string
		policy policy.Policy
		journey
		want []float64
	}{
		{"Adobe", policy.FirstTouch, policy.Default(), adobe, []float64{50, 0, 0, 0}},
		{"Adobe", policy.Linear, policy.Default(), adobe, []float64{12.5, 12.5, 12.5, 12.5}},
		{"Adobe", policy.TimeDecay, policy.Default(), adobe, []float64{6.92, 9.32, 16.88, 16.88}},
		{"Adobe, J-shaped", policy.PositionBased, jShaped, adobe, []float64{10, 5, 5, 30}},
		{"Adobe, J-shaped, two", policy.PositionBased, jShaped, journey{"1", []hit.Instant{1, 0}}, []float64{0.25, 0.75}},
		{"Adobe, one", policy.PositionBased, policy.Default(), journey{"1", []hit.Instant{0}}, []float64{1}},
		{"marketingskills", policy.FirstTouch, policy.Default(), corey, []float64{12000, 0, 0, 0, 0}},
		{"marketingskills", policy.LastTouch, policy.Default(), corey, []float64{0, 0, 0, 0, 12000}},
		{"marketingskills", policy.Linear, policy.Default(), corey, []float64{2400, 2400, 2400, 2400, 2400}},
		{"marketingskills, exact", policy.TimeDecay, policy.Default(), corey, []float64{175.195, 287.438, 574.875, 3417.045, 7545.447}},
		{"marketingskills", policy.PositionBased, policy.Default(), corey, []float64{4800, 800, 800, 800, 4800}},
		{"7 days' half-life", policy.TimeDecay, policy.Default(), journey{"100", []hit.Instant{28 * days, 14 * days, 7 * days, 0}}, []float64{3.448, 13.793, 27.586, 55.172}},
		{"mta, 30/70", policy.PositionBased, uneven, journey{"10", []hit.Instant{1, 0}}, []float64{3, 7}},
		{"DP6, a day's half-life", policy.TimeDecay, daily, journey{"3", []hit.Instant{2 * days, days, 0}}, []float64{0.4286, 0.8571, 1.7143}},
		{"DP6, a day's half-life, two", policy.TimeDecay, daily, journey{"3", []hit.Instant{days, 0}}, []float64{1, 2}},
		{"DP6", policy.PositionBased, policy.Default(), journey{"3", []hit.Instant{2 * days, days, 0}}, []float64{1.2, 0.6, 1.2}},
		{"DP6, two", policy.PositionBased, policy.Default(), journey{"3", []hit.Instant{days, 0}}, []float64{1.5, 1.5}},
	}
	for _, tt := range tests {
		t.Run(tt.name+" "+tt.model, func(t *testing.T) {
			t.Parallel()
			got := tt.play(t, tt.policy, tt.model)
			for i := range tt.want {
				if math.Abs(got[i]-tt.want[i]) > 0.011 { // both sides are rounded to cents
					t.Errorf("credited %v, want %v", got, tt.want)
					break
				}
			}
		})
	}
}

// TestKnown_Channels sums DP6's nine journeys over three channels, three conversions
// worth 1 each: first 9/9/9, last 15/6/6, linear 10.5/9/7.5, position 11.1/8.4/7.5, time
// decay 11.857/8.143/7.
func TestKnown_Channels(t *testing.T) {
	t.Parallel()
	p := policy.Default()
	p.HalfLifeSeconds = 86_400
	for model, want := range map[string][3]float64{
		policy.FirstTouch: {9, 9, 9}, policy.LastTouch: {15, 6, 6}, policy.Linear: {10.5, 9, 7.5},
		policy.PositionBased: {11.1, 8.4, 7.5}, policy.TimeDecay: {11.857143, 8.142857, 7},
	} {
		var sums [3]float64
		for _, path := range []string{"A", "AB", "ABC", "B", "BA", "BCA", "C", "CA", "CBA"} {
			j := journey{value: "3.000001"} // in millionths, so that rounding does not add up
			for i := range path {
				j.clock = append(j.clock, hit.Instant(len(path)-1-i)*days)
			}
			for i, credited := range j.play(t, p, model) {
				sums[path[i]-'A'] += credited
			}
		}
		for i := range want {
			if math.Abs(sums[i]-want[i]) > 2e-5 {
				t.Errorf("%s: %v, want %v", model, sums, want)
				break
			}
		}
	}
}

// TestKnown_Windows: the look-back of W3C's and PostHog's tests is inclusive, as ours.
// (Tencent's refuses a click at the instant of the conversion; ours takes it.)
func TestKnown_Windows(t *testing.T) {
	t.Parallel()
	const second = hit.Instant(1_000_000)
	for _, tt := range []struct {
		touch, conversion hit.Instant
		window            int64
		valid             bool
	}{
		{2, 86_402, 86_400, true},
		{1, 86_402, 86_400, false},
		{2, 86_403, 86_400, false},
		{0, 345_600, 345_600, true},
		{0, 345_601, 345_600, false},
		{10, 10, 345_600, true},
		{11, 10, 345_600, false},
		{99, 100, 604_800, true},
		{0, 604_800, 604_800, true},
		{0, 604_801, 604_800, false},
	} {
		p := only(0)
		p.Windows = []policy.Window{{Seconds: tt.window}}
		var facts stage
		facts.message("m", 0, "p", hit.Message{Campaign: "c", Token: "tk"}).At = noon + tt.conversion*second + second
		facts.click("c", 0, hit.Click{Token: "tk"}).At = noon + tt.touch*second
		facts.buy("e", 0, "p").At = noon + tt.conversion*second
		if got := derive(p, facts).Conversions[0].Credits[0].TouchKey == "m"; got != tt.valid {
			t.Errorf("%+v: eligible %v", tt, got)
		}
	}
}

// TestKnown_Statuses: what Meta's documentation says of statuses that are skipped, late
// or repeated.
func TestKnown_Statuses(t *testing.T) {
	t.Parallel()
	type step struct {
		status hit.Status
		at     hit.Instant
	}
	for name, tt := range map[string]struct {
		steps                 []step
		sent, delivered, read hit.Instant // minutes; 0: never
	}{
		"read without delivered": {[]step{{"sent", 1}, {"read", 10}}, 1, 10, 10},
		"out of order":           {[]step{{"read", 30}, {"delivered", 20}, {"sent", 10}}, 10, 20, 30},
		"twice":                  {[]step{{"sent", 10}, {"delivered", 20}, {"delivered", 20}}, 10, 20, 0},
		"failed after sent":      {[]step{{"sent", 10}, {"failed", 12}}, 10, 0, 0},
	} {
		var facts stage
		for _, s := range tt.steps {
			facts.status("m", s.status, s.at, hit.Report{})
		}
		out := derive(policy.Default(), facts)
		if len(out.Messages) != 1 {
			t.Fatalf("%s: %d messages", name, len(out.Messages))
		}
		m := out.Messages[0]
		for stage, times := range map[string][2]hit.Instant{"sent": {m.SentAt, tt.sent}, "delivered": {m.DeliveredAt, tt.delivered}, "read": {m.ReadAt, tt.read}} {
			want := hit.Instant(0)
			if times[1] != 0 {
				want = noon + times[1]*minute
			}
			if times[0] != want {
				t.Errorf("%s: %s at %d, want %d", name, stage, times[0], want)
			}
		}
	}
}

// TestKnown_Persons: merges and refusals that Segment's and PostHog's documentation
// describe. Theirs depend on which call comes first; ours on what is said, so that in
// the second case both agree and in the third a device that two logged in on is
// nobody's link.
func TestKnown_Persons(t *testing.T) {
	t.Parallel()
	dv := &hit.Identifier{Kind: hit.Device, Value: "anon1"}
	for name, tt := range map[string]struct {
		play func(*stage)
		a, b hit.Identifier
		same bool
	}{
		"Segment: an e-mail does not join two user_ids": {func(s *stage) {
			s.identify("i", 0, "identify", slices.Concat(who(hit.UserID, "abc123"), who(hit.Email, "jane@example1.com"))...)
			s.identify("j", 1, "identify", slices.Concat(who(hit.UserID, "abc456"), who(hit.Email, "jane@example1.com"))...)
		}, who(hit.UserID, "abc123")[0], who(hit.UserID, "abc456")[0], false},
		"Segment: the older one keeps it": {func(s *stage) {
			s.identify("i", 0, "identify", slices.Concat(who(hit.UserID, "abc123"), who(hit.Email, "jane@example1.com"))...)
			s.identify("j", 1, "identify", slices.Concat(who(hit.UserID, "abc456"), who(hit.Email, "jane@example1.com"))...)
		}, who(hit.UserID, "abc123")[0], who(hit.Email, "jane@example1.com")[0], true},
		"PostHog: a second login on one device": {func(s *stage) {
			s.identify("i", 0, "identify", who(hit.UserID, "user1")...).Device = dv
			s.identify("j", 1, "identify", who(hit.UserID, "user2")...).Device = dv
		}, who(hit.UserID, "user1")[0], who(hit.UserID, "user2")[0], false},
		"PostHog: an alias": {func(s *stage) {
			s.identify("i", 0, "alias", who(hit.UserID, "a", "b")...)
		}, who(hit.UserID, "a")[0], who(hit.UserID, "b")[0], true},
	} {
		var facts stage
		tt.play(&facts)
		persons := map[hit.Identifier]uuid.UUID{}
		for _, a := range derive(policy.Default(), facts).Persons {
			persons[a.Identifier] = a.Person
		}
		if got := persons[tt.a] == persons[tt.b]; got != tt.same {
			t.Errorf("%s: one person %v", name, got)
		}
	}
}
