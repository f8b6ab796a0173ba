package timeline_test

import (
	"slices"
	"testing"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/attribution/timeline"
	"github.com/touchline/touchline/services/internal/hit"
)

// A visit of a link that is no click is told of its message, whether the link has a
// token or names the message.
func TestExplain_VisitsThatAreNoClicks(t *testing.T) {
	t.Parallel()
	bot := "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)"
	explainAll(t, []why{
		{
			name: "of a program, by token and by message id, beside what has no content",
			play: func(s *stage) {
				s.message("m", 0, alice, spring("t"))
				s.click("k1", 10, hit.Click{Token: "t", Agent: bot})
				s.click("k2", 20, hit.Click{Message: "m", Agent: bot}).Channel = hit.ChannelWhatsApp
				s.click("k3", 30, hit.Click{Message: "m"}).Channel = hit.ChannelWhatsApp
				s.click("k4", 31, hit.Click{Token: "nobody's", Agent: bot})
				s.click("k5", 32, hit.Click{}).Click = nil
				s.add(hit.KindInbound, hit.TrustWebhook, "in", 33)
				s.click("k6", 34, hit.Click{Token: "t", Agent: bot}).Kind = hit.KindRaw
				s.inbound("in2", 35, alice, hit.Inbound{Business: "1", Type: "text", Text: "stop", Context: "m"}).Kind = hit.KindRaw
				s.buy("b", 60, alice)
			},
			ask: timeline.Question{ID: "b"},
			want: []string{
				`purchase b ""`,
				`whatsapp m "" weights [1000000000000 1000000000000] credited [100.00 100.00]`,
				`  sent m "no_rule" rule -1 window 0 age 60`,
				`  click k1 "unconfirmed_click" rule 0 window 60 age 50`,
				`  click k2 "unconfirmed_click" rule 0 window 60 age 40`,
				`  click k3 "" rule 0 window 60 age 30`,
			},
		},
		{
			name:   "where the pixel must confirm them",
			policy: func(p *policy.Policy) { p.ConfirmClicks = policy.ConfirmPixel },
			play: func(s *stage) {
				s.message("m", 0, alice, spring("t"))
				s.click("k1", 10, hit.Click{Token: "t"})
				s.click("k2", 20, hit.Click{Message: "m"}).Channel = hit.ChannelWhatsApp
				s.page("p", 30, "d", "https://shop.example/?mt=t")
				s.buy("b", 60, alice)
			},
			ask: timeline.Question{ID: "b"},
			want: []string{
				`purchase b ""`,
				`whatsapp m "" weights [1000000000000 1000000000000] credited [100.00 100.00]`,
				`  sent m "no_rule" rule -1 window 0 age 60`,
				`  click k1 "unconfirmed_click" rule 0 window 60 age 50`,
				`  click k2 "unconfirmed_click" rule 0 window 60 age 40`,
				`  click p "" rule 0 window 60 age 30`,
			},
		},
	})
}

// Of a conversion of nobody no touchpoint of nobody is a candidate, and of somebody's
// none of nobody's.
func TestExplain_OfNobody(t *testing.T) {
	t.Parallel()
	play := func(s *stage) {
		s.inbound("ad", 1, alice, hit.Inbound{Business: "1", Type: "text", Referral: &hit.Referral{SourceID: "a"}}).Identifiers = nil
		s.message("m", 2, alice, spring("t")).Identifiers = nil
		s.status("m", hit.StatusFailed, 3, hit.Report{})
		s.message("chat", 2, alice, hit.Message{Sender: "1"}).Identifiers = nil
		s.visit("p", 4, "d")
		s.identify("i", 5, "identify", who(hit.Phone, bob)...).Device = &hit.Identifier{Kind: hit.Device, Value: "d"}
		s.order("b", 30, hit.TrustServer, `{"value":100}`)
		s.buy("c", 30, alice)
	}
	explainAll(t, []why{
		{name: "an order of nobody", play: play, ask: timeline.Question{ID: "b"}, want: []string{`purchase b ""`}},
		{name: "an order of somebody", play: play, ask: timeline.Question{ID: "c"}, want: []string{`purchase c ""`}},
	})
}

// Among many messages each is told by what is against it, whatever else is.
func TestExplain_MessagesAmongOthers(t *testing.T) {
	t.Parallel()
	play := func(s *stage) {
		s.message("a", 1, bob, spring(""))
		s.message("b", 2, alice, spring(""))
		s.message("c", 3, alice, spring(""))
		s.status("c", hit.StatusFailed, 4, hit.Report{})
	}
	explainAll(t, []why{
		{
			name: "a failed one behind another's and one that arrived",
			play: func(s *stage) { play(s); s.buy("o", 5, alice) },
			ask:  timeline.Question{ID: "o"},
			want: []string{
				`purchase o ""`,
				`whatsapp b "no_rule"`, `  sent b "no_rule" rule -1 window 0 age 3`,
				`whatsapp c "failed_message"`, `  sent c "failed_message" rule -1 window 0 age 2`,
			},
		},
		{
			name:   "and of a refund of an unknown order",
			policy: func(p *policy.Policy) { p.Conversions[0].RefundEvent = "Order Refunded" },
			play: func(s *stage) {
				play(s)
				s.refund("o", 5, `{"order_id":"unknown","value":1}`).Identifiers = who(hit.Phone, alice)
			},
			ask: timeline.Question{ID: "o"},
			want: []string{
				`purchase o ""`,
				`whatsapp b "refund_of_unknown_order"`, `  sent b "refund_of_unknown_order" rule -1 window 0 age 3`,
				`whatsapp c "failed_message"`, `  sent c "failed_message" rule -1 window 0 age 2`,
			},
		},
	})
}

// Asked for no definition in particular, the first that counts the conversion answers;
// of one that does not know it the others are told.
func TestExplain_WhichDefinition(t *testing.T) {
	t.Parallel()
	p := policy.Default()
	p.Conversions = []policy.Definition{
		{Name: "other", Event: "Wrote"},
		{Name: "vip", Event: "Order Completed", Where: map[string]string{"tier": "vip"}},
		{Name: "any", Event: "Order Completed"},
	}
	in := timeline.Input{Workspace: uuid.NameSpaceOID, Currency: "NOK", Policy: &p, Facts: []hit.Fact{bought("b", named(hit.UserID, "u"))}}
	for ask, want := range map[string]string{"": "any", "any": "any", "vip": "vip", "other": ""} {
		e, ok := timeline.Explain(in, timeline.Question{ID: "b", Definition: ask})
		if e.Row.Definition != want || ok != (want != "") || !slices.Equal(e.Definitions, []string{"vip", "any"}) {
			t.Errorf("%q: %q of %q answers, known %t", ask, e.Row.Definition, e.Definitions, ok)
		}
	}
	p.Conversions = p.Conversions[:2]
	if e, ok := timeline.Explain(in, timeline.Question{ID: "b"}); e.Row.Definition != "vip" || !ok {
		t.Errorf("%q answers where none counts it", e.Row.Definition)
	}
}
