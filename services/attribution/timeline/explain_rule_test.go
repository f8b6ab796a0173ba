package timeline_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/attribution/timeline"
	"github.com/touchline/touchline/services/internal/hit"
)

// why is one conversion and what must be said of it.
type why struct {
	name   string
	policy func(*policy.Policy)
	play   func(*stage)
	ask    timeline.Question
	want   []string // see told
}

// told writes an explanation: what it is, then each candidate and, indented, each of its
// engagements. Ages and distances are in minutes.
func told(e *timeline.Explanation) []string {
	head := fmt.Sprintf("%s %s %q", e.Row.Definition, e.Row.ID, e.Verdict.Reason)
	if e.Original != nil {
		head += " of " + e.Original.ID
	}
	lines := []string{head}
	for i := range e.Candidates {
		c := &e.Candidates[i]
		line := fmt.Sprintf("%s %s %q", c.Touch.Channel, c.Touch.Key, c.Reason)
		if c.Credit != nil {
			line += fmt.Sprintf(" weights %v credited %v", c.Credit.Weights, c.Credit.Credited)
		}
		if c.Claim != nil {
			kind := "click"
			if c.Claim.Identify {
				kind = "identify"
			}
			line += fmt.Sprintf(" by %s %s of %s from %d", kind, c.Claim.Fact, c.Claim.Holder.Value, (c.Claim.At-noon)/minute)
		}
		lines = append(lines, line)
		for _, j := range c.Engagements {
			line := fmt.Sprintf("  %s %s %q rule %d window %d age %d", j.Tier, j.Fact, j.Reason, j.Rule, j.Window/60, j.Age/minute)
			if j.Beyond != 0 {
				line += fmt.Sprintf(" beyond %d", j.Beyond/minute)
			}
			lines = append(lines, line)
		}
	}
	return lines
}

// narrow is a policy of short windows, in minutes: clicks 60, replies never, reads 10.
func narrow(p *policy.Policy) {
	p.Models = []string{policy.LastTouch, policy.Linear}
	p.Windows = []policy.Window{{Tier: policy.TierClick, Seconds: 3600}, {Tier: policy.TierReply, Seconds: 0}, {Tier: policy.TierRead, Seconds: 600}}
}

func explainAll(t *testing.T, all []why) {
	t.Helper()
	for _, x := range all {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			p := policy.Default()
			narrow(&p)
			if x.policy != nil {
				x.policy(&p)
			}
			var facts stage
			x.play(&facts)
			in := timeline.Input{Workspace: uuid.NameSpaceOID, Currency: "NOK", Policy: &p, Facts: facts}
			for range 2 {
				got, ok := timeline.Explain(in, x.ask)
				if !ok {
					t.Fatalf("%s is not explained", x.ask.ID)
				}
				if diff := gocmp.Diff(x.want, told(&got)); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				slices.Reverse(facts)
			}
		})
	}
}

const alice, bob = "+4790000001", "+4790000002"

func spring(token string) hit.Message {
	return hit.Message{Sender: "1", Campaign: "c", Token: token}
}

func TestExplain_Messages(t *testing.T) {
	t.Parallel()
	buy := timeline.Question{ID: "b"}
	explainAll(t, []why{
		{
			name: "of one message the strongest tier counts, and within it the latest",
			play: func(s *stage) {
				s.message("m", 0, alice, spring("t"))
				s.status("m", hit.StatusRead, 55, hit.Report{})
				s.click("k1", 20, hit.Click{Token: "t"})
				s.click("k2", 40, hit.Click{Token: "t"})
				s.click("k3", 40, hit.Click{Token: "t"})
				s.buy("b", 60, alice)
			},
			ask: buy,
			want: []string{
				`purchase b ""`,
				`whatsapp m "" weights [1000000000000 1000000000000] credited [100.00 100.00]`,
				`  sent m "no_rule" rule -1 window 0 age 60`,
				`  click k1 "earlier_engagement" rule 0 window 60 age 40`,
				`  click k2 "" rule 0 window 60 age 20`,
				`  click k3 "repeated" rule 0 window 60 age 20`,
				`  read m "weaker_tier" rule 2 window 10 age 5`,
				`  delivered m "no_rule" rule -1 window 0 age 5`,
			},
		},
		{
			name: "the inclusive edge of a window, a minute beyond it, after the conversion, a window of zero",
			play: func(s *stage) {
				s.message("m1", 0, alice, spring("t1"))
				s.click("k1", 40, hit.Click{Token: "t1"})
				s.message("m2", 0, alice, spring("t2"))
				s.click("k2", 39, hit.Click{Token: "t2"})
				s.message("m3", 0, alice, spring("t3"))
				s.click("k3", 103, hit.Click{Token: "t3"})
				s.message("m4", 0, alice, spring("t4"))
				s.inbound("in", 90, alice, hit.Inbound{Business: "1", Type: "text", Text: "thanks", Context: "m4"})
				s.buy("b", 100, alice)
			},
			ask: buy,
			want: []string{
				`purchase b ""`,
				`whatsapp m2 "outside_window"`,
				`  sent m2 "no_rule" rule -1 window 0 age 100`,
				`  click k2 "outside_window" rule 0 window 60 age 61 beyond 1`,
				`whatsapp m1 "" weights [1000000000000 1000000000000] credited [100.00 100.00]`,
				`  sent m1 "no_rule" rule -1 window 0 age 100`,
				`  click k1 "" rule 0 window 60 age 60`,
				`whatsapp m4 "window_is_zero"`,
				`  sent m4 "no_rule" rule -1 window 0 age 100`,
				`  reply in "window_is_zero" rule 1 window 0 age 10`,
				`whatsapp m3 "after_conversion"`,
				`  sent m3 "no_rule" rule -1 window 0 age 100`,
				`  click k3 "after_conversion" rule 0 window 60 age 0 beyond 3`,
			},
		},
		{
			name: "failed, a session message, an opt-out, a link that was only looked at, nothing known",
			play: func(s *stage) {
				s.message("m1", 0, alice, spring(""))
				s.status("m1", hit.StatusFailed, 1, hit.Report{Reason: "131026"})
				s.message("m2", 2, alice, hit.Message{Sender: "1"})
				s.status("m2", hit.StatusRead, 55, hit.Report{})
				s.message("m3", 3, alice, spring("t"))
				s.inbound("in", 50, alice, hit.Inbound{Business: "1", Type: "text", Text: "STOP"})
				s.click("k", 4, hit.Click{Token: "t", Method: "HEAD"})
				s.status("m4", hit.StatusUnsubscribed, 5, hit.Report{}).Identifiers = who(hit.Phone, alice)
				s.buy("b", 60, alice)
			},
			ask: buy,
			want: []string{
				`purchase b ""`,
				`whatsapp m4 "no_engagement"`,
				`whatsapp m1 "failed_message"`,
				`  sent m1 "failed_message" rule -1 window 0 age 60`,
				`whatsapp m3 "opt_out"`,
				`  sent m3 "no_rule" rule -1 window 0 age 57`,
				`  click k "unconfirmed_click" rule 0 window 60 age 56`,
				`  reply in "opt_out" rule 1 window 0 age 10`,
				`whatsapp m2 "session_message"`,
				`  sent m2 "session_message" rule -1 window 0 age 58`,
				`  read m2 "session_message" rule 2 window 10 age 5`,
				`  delivered m2 "session_message" rule -1 window 0 age 5`,
			},
		},
		{
			name:   "where only the strongest tier counts, a read gives way to a click",
			policy: func(p *policy.Policy) { p.Precedence = policy.PrecedenceStrongestTier },
			play: func(s *stage) {
				s.message("m1", 0, alice, spring("t1"))
				s.click("k1", 30, hit.Click{Token: "t1"})
				s.message("m2", 0, alice, spring("t2"))
				s.status("m2", hit.StatusRead, 55, hit.Report{})
				s.buy("b", 60, alice)
			},
			ask: buy,
			want: []string{
				`purchase b ""`,
				`whatsapp m1 "" weights [1000000000000 1000000000000] credited [100.00 100.00]`,
				`  sent m1 "no_rule" rule -1 window 0 age 60`,
				`  click k1 "" rule 0 window 60 age 30`,
				`whatsapp m2 "precedence"`,
				`  sent m2 "no_rule" rule -1 window 0 age 60`,
				`  read m2 "precedence" rule 2 window 10 age 5`,
				`  delivered m2 "no_rule" rule -1 window 0 age 5`,
			},
		},
	})
}

func TestExplain_Instants(t *testing.T) {
	t.Parallel()
	explainAll(t, []why{
		{
			name:   "of a click and a reply at one instant the click counts; an opt-out after the order is no nearer",
			policy: func(p *policy.Policy) { p.Windows[1].Seconds = 3600 },
			play: func(s *stage) {
				s.message("m", 0, alice, spring("t"))
				s.click("k", 40, hit.Click{Token: "t"})
				s.inbound("in", 40, alice, hit.Inbound{Business: "1", Type: "text", Text: "yes", Context: "m"})
				s.inbound("out", 70, alice, hit.Inbound{Business: "1", Type: "text", Text: "stop", Context: "m"})
				s.buy("b", 60, alice)
			},
			ask: timeline.Question{ID: "b"},
			want: []string{
				`purchase b ""`,
				`whatsapp m "" weights [1000000000000 1000000000000] credited [100.00 100.00]`,
				`  sent m "no_rule" rule -1 window 0 age 60`,
				`  click k "" rule 0 window 60 age 20`,
				`  reply in "weaker_tier" rule 1 window 60 age 20`,
				`  reply out "opt_out" rule 1 window 60 age 0`,
			},
		},
		{
			name: "a click within the second that the order's time leaves open is before it",
			play: func(s *stage) {
				s.message("m", 0, alice, spring("t"))
				s.click("k1", 60, hit.Click{Token: "t"}).At += 999_999
				s.click("k2", 60, hit.Click{Token: "t"}).At += 1_000_000
				s.buy("b", 60, alice).Precision = hit.PrecisionSecond
			},
			ask: timeline.Question{ID: "b"},
			want: []string{
				`purchase b ""`,
				`whatsapp m "" weights [1000000000000 1000000000000] credited [100.00 100.00]`,
				`  sent m "no_rule" rule -1 window 0 age 60`,
				`  click k1 "" rule 0 window 60 age 0`,
				`  click k2 "after_conversion" rule 0 window 60 age 0 beyond 0`,
			},
		},
	})
}

// visit is a page view that comes from an ad.
func (s *stage) visit(id string, at hit.Instant, device string) {
	s.page(id, at, device, "https://shop.example/?gclid="+id)
}

// order is an order with an id, of nobody yet.
func (s *stage) order(id string, at hit.Instant, trust hit.Trust, properties string) *hit.Fact {
	f := s.add(hit.KindEvent, trust, id, at)
	f.Event = &hit.Event{Name: "Order Completed", Properties: json.RawMessage(properties)}
	return f
}

func TestExplain_Visits(t *testing.T) {
	t.Parallel()
	explainAll(t, []why{
		{
			name: "a kiosk: what was another's while the person's was not",
			play: func(s *stage) {
				s.visit("p1", 0, "kiosk")
				s.identify("i1", 5, "identify", who(hit.Phone, bob)...).Device = &hit.Identifier{Kind: hit.Device, Value: "kiosk"}
				s.visit("p2", 50, "kiosk")
				s.identify("i2", 55, "identify", who(hit.Phone, alice)...).Device = &hit.Identifier{Kind: hit.Device, Value: "kiosk"}
				s.order("b", 58, hit.TrustBrowser, `{"value":100}`).Device = &hit.Identifier{Kind: hit.Device, Value: "kiosk"}
			},
			ask: timeline.Question{ID: "b"},
			want: []string{
				`purchase b ""`,
				`paid_search p1 "other_person" by identify i1 of +4790000002 from 0`,
				`  click p1 "other_person" rule 0 window 60 age 58`,
				`paid_search p2 "" weights [1000000000000 1000000000000] credited [100.00 100.00] by identify i2 of +4790000001 from 50`,
				`  click p2 "" rule 0 window 60 age 8`,
			},
		},
		{
			name: "the claim of an order reaches back to the start of its session, a click on another's message or not",
			play: func(s *stage) {
				s.message("m", 0, bob, spring("t"))
				s.page("p1", 10, "d", "https://shop.example/?mt=t")
				s.visit("p2", 20, "d")
				s.order("b", 30, hit.TrustServer, `{"order_id":"o","value":100}`).Identifiers = who(hit.Phone, alice)
				s.order("c", 30, hit.TrustBrowser, `{"order_id":"o"}`).Device = &hit.Identifier{Kind: hit.Device, Value: "d"}
			},
			ask: timeline.Question{ID: "order:o"},
			want: []string{
				`purchase order:o ""`,
				`paid_search p2 "" weights [1000000000000 1000000000000] credited [100.00 100.00] by identify c of +4790000001 from 20`,
				`  click p2 "" rule 0 window 60 age 10`,
			},
		},
		{
			name: "a visit before a click claim is the claimer's, not the buyer's",
			play: func(s *stage) {
				s.message("m", 0, bob, spring("t"))
				s.visit("p1", 5, "d")
				s.page("p2", 50, "d", "https://shop.example/?mt=t")
				s.order("b", 130, hit.TrustServer, `{"order_id":"o","value":100}`).Identifiers = who(hit.Phone, alice)
				s.order("c", 130, hit.TrustBrowser, `{"order_id":"o"}`).Device = &hit.Identifier{Kind: hit.Device, Value: "d"}
			},
			ask: timeline.Question{ID: "order:o"},
			want: []string{
				`purchase order:o ""`,
				`paid_search p1 "other_person" by click p2 of +4790000002 from 50`,
				`  click p1 "other_person" rule 0 window 60 age 125`,
			},
		},
		{
			name: "a device that nobody ever claimed is its own person's",
			play: func(s *stage) {
				s.visit("p", 10, "d")
				s.order("b", 30, hit.TrustBrowser, `{"value":100}`).Device = &hit.Identifier{Kind: hit.Device, Value: "d"}
			},
			ask: timeline.Question{ID: "b"},
			want: []string{
				`purchase b ""`,
				`paid_search p "" weights [1000000000000 1000000000000] credited [100.00 100.00]`,
				`  click p "" rule 0 window 60 age 20`,
			},
		},
		{
			name: "what another did on a device that the buyer held later, though the order names none",
			play: func(s *stage) {
				s.visit("p1", 0, "d")
				s.identify("i1", 5, "identify", who(hit.Phone, bob)...).Device = &hit.Identifier{Kind: hit.Device, Value: "d"}
				s.identify("i2", 90, "identify", who(hit.Phone, alice)...).Device = &hit.Identifier{Kind: hit.Device, Value: "d"}
				s.visit("p2", 0, "bob's own")
				s.identify("i3", 5, "identify", who(hit.Phone, bob)...).Device = &hit.Identifier{Kind: hit.Device, Value: "bob's own"}
				s.buy("b", 100, alice)
			},
			ask: timeline.Question{ID: "b"},
			want: []string{
				`purchase b ""`,
				`paid_search p1 "other_person" by identify i1 of +4790000002 from 0`,
				`  click p1 "other_person" rule 0 window 60 age 100`,
			},
		},
		{
			name: "an order in two browsers, of nobody by name: it is the first one's",
			play: func(s *stage) {
				s.visit("p1", 10, "first")
				s.visit("p2", 20, "second")
				s.order("b", 30, hit.TrustBrowser, `{"order_id":"o","value":100}`).Device = &hit.Identifier{Kind: hit.Device, Value: "first"}
				s.order("c", 31, hit.TrustBrowser, `{"order_id":"o"}`).Device = &hit.Identifier{Kind: hit.Device, Value: "second"}
			},
			ask: timeline.Question{ID: "order:o"},
			want: []string{
				`purchase order:o ""`,
				`paid_search p1 "" weights [1000000000000 1000000000000] credited [100.00 100.00]`,
				`  click p1 "" rule 0 window 60 age 20`,
				`paid_search p2 "other_person"`,
				`  click p2 "other_person" rule 0 window 60 age 10`,
			},
		},
		{
			name: "of two page views with one id the second is no touchpoint of its own",
			play: func(s *stage) {
				s.visit("p", 10, "d")
				f := s.add(hit.KindPage, hit.TrustServer, "p", 20)
				f.Page, f.Device = &hit.Page{URL: "https://shop.example/?gclid=2"}, &hit.Identifier{Kind: hit.Device, Value: "d"}
				s.order("b", 30, hit.TrustBrowser, `{"value":100}`).Device = &hit.Identifier{Kind: hit.Device, Value: "d"}
			},
			ask: timeline.Question{ID: "b"},
			want: []string{
				`purchase b ""`,
				`paid_search p "" weights [1000000000000 1000000000000] credited [100.00 100.00]`,
				`  click p "" rule 0 window 60 age 20`,
				`paid_search p "repeated"`,
				`  click p "repeated" rule 0 window 60 age 10`,
			},
		},
	})
}
