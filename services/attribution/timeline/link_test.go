package timeline_test

import (
	"fmt"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/attribution/reftest"
	"github.com/touchline/touchline/services/attribution/timeline"
	"github.com/touchline/touchline/services/internal/hit"
)

// linked writes what is linked with what.
func linked(out timeline.Outcome) []string {
	var lines []string
	for _, l := range out.Links {
		lines = append(lines, fmt.Sprintf("%s %s by %s: %s", l.A.Value, l.B.Value, l.Fact, l.State))
	}
	slices.Sort(lines)
	return lines
}

// Which facts link what they state together, and what.
func TestDerive_Links(t *testing.T) {
	t.Parallel()
	on, off := policy.Default(), policy.Default()
	on.BrowserLinks, off.BrowserLinks = policy.LinksOn, policy.LinksOff
	pair := func() []hit.Identifier { return []hit.Identifier{named(hit.Email, "e"), named(hit.Phone, "p")} }
	for _, tt := range []struct {
		name   string
		policy policy.Policy
		play   func(*stage)
		want   []string
	}{
		{"the first by kind with the other, in whatever order they are stated", on, func(s *stage) { s.identify("i", 0, "identify", pair()...) }, []string{"p e by i: joined"}},
		{"a browser's", on, func(s *stage) { s.identify("i", 0, "identify", pair()...).Trust = hit.TrustBrowser }, []string{"p e by i: joined"}},
		{"a browser's that counts for nothing", off, func(s *stage) { s.identify("i", 0, "identify", pair()...).Trust = hit.TrustBrowser }, nil},
		{"a channel's, though a browser's counts for nothing", off, func(s *stage) { s.identify("i", 0, "identify", pair()...).Trust = hit.TrustWebhook }, []string{"p e by i: joined"}},
		{"a server's", off, func(s *stage) { s.identify("i", 0, "identify", pair()...) }, []string{"p e by i: joined"}},
		{"an answer with the recipient", on, func(s *stage) {
			s.message("m", 0, "p", hit.Message{Campaign: "c"})
			s.inbound("in", 1, "p", hit.Inbound{Type: "text", Context: "m"}).Identifiers = who(hit.BSUID, "b")
		}, []string{"b p by m: joined"}},
		{"an answer to what was sent to nobody, or is not known", on, func(s *stage) {
			s.message("m", 0, "p", hit.Message{Campaign: "c"}).Identifiers = nil
			s.inbound("in1", 1, "p", hit.Inbound{Type: "text", Context: "m"}).Identifiers = who(hit.BSUID, "b")
			s.inbound("in2", 1, "p", hit.Inbound{Type: "text", Context: "unknown"}).Identifiers = who(hit.BSUID, "b")
			s.inbound("in3", 1, "p", hit.Inbound{Type: "text"}).Identifiers = who(hit.BSUID, "b")
		}, nil},
		{"a status with the registration", on, func(s *stage) {
			s.message("m", 0, "p", hit.Message{Campaign: "c"})
			s.status("m", hit.StatusSent, 1, hit.Report{}).Identifiers = who(hit.BSUID, "b")
		}, []string{"p b by m: joined"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var facts stage
			tt.play(&facts)
			if diff := gocmp.Diff(tt.want, linked(derive(tt.policy, facts))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A session is of page views alone: what else happens on a device prolongs none.
func TestDerive_SessionsOfPages(t *testing.T) {
	t.Parallel()
	device := &hit.Identifier{Kind: hit.Device, Value: "d"}
	var s stage
	s.page("p1", 10, "d", "https://shop.example/")
	s.order("o", 25, hit.TrustBrowser, `{}`).Device = device
	s.page("p2", 50, "d", "https://shop.example/")
	s.identify("i", 51, "identify", who(hit.UserID, "u")...).Device = device
	if claims := derive(policy.Default(), s).Claims; len(claims) != 1 || claims[0].At != noon+50*minute {
		t.Errorf("claims %+v, want one that reaches back to minute 50", claims)
	}
}

// An ad, a keyword, the refund of an unknown order and the times of a message each leave
// a trace of their own.
func TestDerive_Traces(t *testing.T) {
	t.Parallel()
	p := policy.Default()
	p.KeywordRules = []policy.KeywordRule{{Event: "Asked", Any: []string{"price"}}}
	p.Conversions = []policy.Definition{
		{Name: "purchase", Event: "Order Completed", RefundEvent: "Order Refunded", ValueProperties: []string{"value"}}, {Name: "asked", Event: "Asked"},
	}
	var s stage
	s.inbound("in", 0, "p", hit.Inbound{Business: "1", Type: "text", Text: "The price?", Referral: &hit.Referral{SourceID: "ad"}})
	s.message("m", 1, "p", hit.Message{Campaign: "c", Token: "tk"})
	s.click("k", 7, hit.Click{Token: "tk"})
	s.buy("b", 9, "p")
	s.refund("r", 20, `{"order_id":"unknown","value":5}`).Identifiers = who(hit.Phone, "p")
	out := derive(p, s)
	want := []string{"in:Asked: whatsapp_ad click in", "b: whatsapp_ad click in, whatsapp click m", "r: unattributed"}
	if diff := gocmp.Diff(want, credited(out)); diff != "" {
		t.Error(diff)
	}
	if m := out.Messages[0]; m.EngagedFrom != noon+minute || m.EngagedTo != noon+7*minute {
		t.Errorf("engaged with from %d to %d", (m.EngagedFrom-noon)/minute, (m.EngagedTo-noon)/minute)
	}
}

// What follows once it is known who is who is what follows anyway.
func TestConclude(t *testing.T) {
	t.Parallel()
	for seed := range 20 {
		h := reftest.Histories().Example(seed)
		in := historyInput(&h)
		out := timeline.Derive(in)
		who := whoOf(out)
		got := timeline.Conclude(in, who.People, who.Devices)
		if got.Persons != nil || got.Links != nil || got.Claims != nil {
			t.Errorf("seed %d: persons, links or claims are concluded", seed)
		}
		out.Persons, out.Links, out.Claims = nil, nil, nil
		if diff := gocmp.Diff(out, got); diff != "" {
			t.Errorf("seed %d: %s", seed, diff)
		}
	}
}
