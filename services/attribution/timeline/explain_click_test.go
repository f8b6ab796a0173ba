package timeline_test

import (
	"testing"

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
