package credit

import (
	"cmp"
	"slices"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/attribution/touch"
	"github.com/touchline/touchline/services/internal/hit"
)

// second is one second in units of [hit.Instant].
const second hit.Instant = 1_000_000

// Reason says why an engagement earns nothing.
type Reason string

// The reasons of verdicts.
const (
	Eligible Reason = ""
	After    Reason = "after_conversion"
	Outside  Reason = "outside_window"
	NoRule   Reason = "no_rule"
	Never    Reason = "window_is_zero"
)

// Verdict is what one engagement is to one conversion.
type Verdict struct {
	Reason Reason
	Rule   int         // index in the policy's windows; -1: none matched
	Window int64       // of that rule, seconds
	Age    hit.Instant // microseconds, not below 0
	Beyond hit.Instant // by how much it lies outside the window, or after the conversion
}

// moment is when a conversion happened.
type moment struct {
	at   hit.Instant // t
	late hit.Instant // t', the last microsecond that t may mean
}

func newMoment(at hit.Instant, precision hit.Precision) moment {
	m := moment{at: at, late: at}
	if precision == hit.PrecisionSecond {
		m.late = at + second - 1
	}
	return m
}

// judge says whether an engagement lies in the window of the first rule that matches
// it. Age counts from t, not from t'.
func judge(p *policy.Policy, definition string, m moment, candidate *entry) Verdict {
	e := &candidate.engagement
	v := Verdict{Rule: ruleOf(p, definition, candidate.touch, e.Tier), Age: max(0, m.at-e.At)}
	if v.Rule >= 0 {
		v.Window = p.Windows[v.Rule].Seconds
	}
	window := hit.Instant(v.Window) * second
	switch {
	case e.At > m.late:
		v.Reason, v.Beyond = After, e.At-m.late
	case v.Rule < 0:
		v.Reason = NoRule
	case window == 0:
		v.Reason = Never
	case m.at-e.At > window:
		v.Reason, v.Beyond = Outside, m.at-e.At-window
	}
	return v
}

// ruleOf returns the index of the first rule that matches, -1 when none does.
func ruleOf(p *policy.Policy, definition string, t *touch.Touch, tier string) int {
	for i := range p.Windows {
		w := &p.Windows[i]
		if (w.Conversion == "" || w.Conversion == definition) &&
			(w.Channel == "" || w.Channel == t.Channel) &&
			(w.Campaign == "" || w.Campaign == t.Campaign) &&
			(w.Template == "" || w.Template == t.Template()) &&
			(w.Tier == "" || w.Tier == tier) {
			return i
		}
	}
	return -1
}

// Touches holds the touchpoints of all persons, each person's engagements in order
// of time, so that a conversion looks only at those within the longest window. One
// goroutine at a time can use it: what a conversion is reckoned in serves the next.
type Touches struct {
	policy  *policy.Policy
	plan    plan        // of policy
	longest hit.Instant // of all windows
	all     map[uuid.UUID][]entry
	scratch scratch
}

// entry is one engagement of one touchpoint.
type entry struct {
	touch      *touch.Touch
	engagement touch.Engagement
	number     int32 // of the touchpoint, from 0
}

// NewTouches indexes touchpoints for a policy. Touchpoints that agree in time,
// channel and key keep their order.
func NewTouches(p *policy.Policy, touches []touch.Touch) *Touches {
	x := &Touches{policy: p, plan: compile(p), all: map[uuid.UUID][]entry{}}
	x.scratch.place = make([]int32, len(touches))
	for _, w := range p.Windows {
		x.longest = max(x.longest, hit.Instant(w.Seconds)*second)
	}
	for i := range touches {
		t := &touches[i]
		for _, e := range t.Engagements {
			x.all[t.Person] = append(x.all[t.Person], entry{t, e, int32(i)})
		}
	}
	for _, entries := range x.all {
		slices.SortStableFunc(entries, func(a, b entry) int {
			return cmp.Or(cmp.Compare(a.engagement.At, b.engagement.At), cmp.Compare(touch.Rank(a.engagement.Tier), touch.Rank(b.engagement.Tier)),
				cmp.Compare(a.engagement.Tier, b.engagement.Tier), cmp.Compare(a.engagement.Fact, b.engagement.Fact))
		})
	}
	return x
}

// near returns a person's engagements that may be eligible at m.
func (x *Touches) near(person uuid.UUID, m moment) []entry {
	entries := x.all[person]
	at := func(e entry, at hit.Instant) int { return cmp.Compare(e.engagement.At, at) }
	from, _ := slices.BinarySearchFunc(entries, m.at-x.longest, at)
	entries = entries[from:]
	until, _ := slices.BinarySearchFunc(entries, m.late+1, at)
	return entries[:until]
}
