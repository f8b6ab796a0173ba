package credit

import (
	"cmp"
	"slices"

	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/attribution/touch"
	"github.com/touchline/touchline/services/internal/hit"
)

// The reasons that lie not in the window of one engagement but in what else there is,
// in the touchpoint or in the conversion.
const (
	Weaker       Reason = "weaker_tier"             // a stronger tier of the touchpoint counts; at one instant, the click
	Earlier      Reason = "earlier_engagement"      // a later one of that tier counts
	Repeated     Reason = "repeated"                // another one says the same: the same instant, or the same touchpoint key
	Precedence   Reason = "precedence"              // a touchpoint of a stronger tier is there, and the policy keeps only those
	Failed       Reason = "failed_message"          // it never arrived
	Session      Reason = "session_message"         // a chat answer, and the policy ignores those
	OptOut       Reason = "opt_out"                 // the reply asks to be left alone and so is none
	Unconfirmed  Reason = "unconfirmed_click"       // the visit of the tracked link is no click
	OtherPerson  Reason = "other_person"            // the device was another's at that time
	NoEngagement Reason = "no_engagement"           // nothing is known to have happened to the message
	Uncounted    Reason = "conversion_not_counted"  // there is nothing to earn
	UnknownOrder Reason = "refund_of_unknown_order" // a refund goes by its original, which nobody reported
)

// Seen is a touchpoint to be explained, with what is known against it.
type Seen struct {
	Touch *touch.Touch // of the list that the [Touches] were made of, unless there is a Bar
	Bar   Reason       // why it earns nothing whenever it was; Eligible: nothing of the kind
	Void  []Void       // what looks like its engagements and is none
}

// Void is a reply or click that is none.
type Void struct {
	touch.Engagement
	Reason Reason
}

// Judged is an engagement with its verdict.
type Judged struct {
	touch.Engagement
	Verdict
}

// Candidate is a touchpoint with its verdict: that of the engagement that counts, or
// of the one that came nearest to it.
type Candidate struct {
	Touch *touch.Touch
	Verdict
	Decides     int      // index of the engagement that the verdict is of; -1: there is none
	Engagements []Judged // by (time, strongest tier first, fact); at most one is eligible
	Credit      *Credit  // of the conversion's; nil unless eligible
}

// At returns when the touchpoint happened: its deciding engagement, else the failure of
// the message, 0 when nothing is known.
func (c *Candidate) At() hit.Instant {
	switch {
	case c.Decides >= 0:
		return c.Engagements[c.Decides].At
	case c.Touch.Message != nil:
		return c.Touch.Message.FailedAt
	}
	return 0
}

// Explain says of each touchpoint what it is to a conversion that happened at an
// instant (for a refund: to its original). Those eligible are the ones that [Assign]
// credits, by the same decision; the row's credits are put beside them. The result
// is by (time, touchpoint key, channel), which is the order of the credits.
func (x *Touches) Explain(row *Conversion, at hit.Instant, precision hit.Precision, seen []Seen) []Candidate {
	m := newMoment(at, precision)
	counting := x.eligible(row.Definition, row.Person, m)
	places := make(map[*touch.Touch]int, len(counting))
	for i := range counting {
		places[counting[i].touch] = i
	}
	candidates := make([]Candidate, len(seen))
	for i := range seen {
		c := x.candidate(row.Definition, m, &seen[i])
		if place, counts := places[c.Touch]; c.Reason == Eligible && counts {
			c.Credit = &row.Credits[place]
		} else if c.Reason == Eligible {
			x.yield(&c, counting)
		}
		candidates[i] = c
	}
	slices.SortStableFunc(candidates, func(a, b Candidate) int {
		return cmp.Or(cmp.Compare(a.At(), b.At()), cmp.Compare(a.Touch.Key, b.Touch.Key), cmp.Compare(a.Touch.Channel, b.Touch.Channel))
	})
	return candidates
}

// candidate judges a touchpoint by itself, as if there were no other.
func (x *Touches) candidate(definition string, m moment, s *Seen) Candidate {
	c := Candidate{Touch: s.Touch, Decides: -1, Verdict: Verdict{Reason: NoEngagement, Rule: -1}}
	for _, e := range s.Touch.Engagements {
		j := Judged{e, judge(x.policy, definition, m, &entry{touch: s.Touch, engagement: e})}
		if s.Bar != Eligible {
			j.Reason, j.Beyond = s.Bar, 0
		}
		c.Engagements = append(c.Engagements, j)
	}
	for _, v := range s.Void {
		j := Judged{v.Engagement, judge(x.policy, definition, m, &entry{touch: s.Touch, engagement: v.Engagement})}
		j.Reason, j.Beyond = v.Reason, 0
		c.Engagements = append(c.Engagements, j)
	}
	slices.SortStableFunc(c.Engagements, func(a, b Judged) int {
		return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(touch.Rank(a.Tier), touch.Rank(b.Tier)),
			cmp.Compare(a.Tier, b.Tier), cmp.Compare(a.Fact, b.Fact))
	})
	for i := range c.Engagements {
		if c.Decides < 0 || nearer(&c.Engagements[i], &c.Engagements[c.Decides]) {
			c.Decides = i
		}
	}
	if c.Decides >= 0 {
		c.Verdict = c.Engagements[c.Decides].Verdict
		c.overrule()
	}
	if s.Bar != Eligible {
		c.Reason = s.Bar
	}
	return c
}

// nearer reports whether a rather than b decides about their touchpoint: the one that
// counts; else the one that lacked least.
func nearer(a, b *Judged) bool {
	if a.Reason == Eligible && b.Reason == Eligible {
		return counted{engagement: a.Engagement}.stronger(counted{engagement: b.Engagement})
	}
	return cmp.Or(
		cmp.Compare(lack(a.Reason), lack(b.Reason)),
		cmp.Compare(touch.Rank(a.Tier), touch.Rank(b.Tier)),
		cmp.Compare(a.Beyond, b.Beyond),
		cmp.Compare(b.At, a.At),
	) < 0
}

// lack orders reasons by how near they are to being eligible: first those that another
// time would have mended, last those of which the policy takes no notice.
func lack(r Reason) int {
	return slices.Index([]Reason{Eligible, Outside, After, OptOut, Unconfirmed, Never, NoRule}, r)
}

// overrule gives the eligible engagements that do not count the reason why.
func (c *Candidate) overrule() {
	best := c.Engagements[c.Decides]
	for i := range c.Engagements {
		e := &c.Engagements[i]
		if i == c.Decides || e.Reason != Eligible {
			continue
		}
		switch {
		case touch.Rank(e.Tier) > touch.Rank(best.Tier), e.At == best.At && e.Tier != best.Tier:
			e.Reason = Weaker
		case e.At < best.At:
			e.Reason = Earlier
		default:
			e.Reason = Repeated
		}
	}
}

// yield gives a touchpoint that would have counted by itself the reason why it does not
// beside those that do.
func (x *Touches) yield(c *Candidate, counting []counted) {
	c.Reason = Repeated
	if x.policy.Precedence == policy.PrecedenceStrongestTier &&
		touch.Rank(c.Engagements[c.Decides].Tier) > touch.Rank(counting[0].engagement.Tier) {
		c.Reason = Precedence
	}
	c.Engagements[c.Decides].Reason = c.Reason
}
