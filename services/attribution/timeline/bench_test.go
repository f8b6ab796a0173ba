package timeline_test

import (
	"fmt"
	"testing"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/attribution/timeline"
	"github.com/touchline/touchline/services/internal/hit"
)

// market makes people with eight facts each: a campaign message with its statuses,
// a click, two page views, a login and an order.
func market(people int) stage {
	var s stage
	for i := range people {
		n, phone := fmt.Sprint(i), fmt.Sprint("+", i)
		s.message("m"+n, 0, phone, hit.Message{Campaign: "c", Sender: "1", Token: "tk" + n})
		s.status("m"+n, hit.StatusDelivered, 1, hit.Report{})
		s.status("m"+n, hit.StatusRead, 2, hit.Report{})
		s.page("p"+n, 3, "dv"+n, "https://shop.example/?mt=tk"+n)
		s.page("q"+n, 90, "dv"+n, "https://shop.example/?gclid="+n)
		f := s.identify("i"+n, 95, "identify", who(hit.UserID, n)...)
		f.Device = &hit.Identifier{Kind: hit.Device, Value: "dv" + n}
		s.buy("e"+n, 100, phone)
		s.inbound("in"+n, 110, phone, hit.Inbound{Type: "text", Text: "yes please", Business: "1"})
	}
	return s
}

// hot is one person with many messages, page views and orders.
func hot(facts int) stage {
	var s stage
	for i := range facts / 5 {
		n, at := fmt.Sprint(i), hit.Instant(i)*100
		s.message("m"+n, at, "p", hit.Message{Campaign: "c", Sender: "1", Token: "tk" + n})
		s.status("m"+n, hit.StatusRead, at+1, hit.Report{})
		s.page("p"+n, at+2, "dv", "https://shop.example/?mt=tk"+n)
		s.inbound("in"+n, at+3, "p", hit.Inbound{Type: "text", Text: "hi", Business: "1"})
		s.buy("e"+n, at+4, "p")
	}
	return s
}

func BenchmarkDerive(b *testing.B) {
	p := policy.Default()
	for name, facts := range map[string]stage{
		"8 facts": market(1), "8000 facts of 1000": market(1000), "64000 facts of 8000": market(8000),
		"1000 facts of 1": hot(1000), "16000 facts of 1": hot(16_000),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				derive(p, facts)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(facts)), "ns/fact")
		})
	}
}

// One conversion of a person of many facts: what a call of the API pays beside reading
// them.
func BenchmarkExplain(b *testing.B) {
	p := policy.Default()
	for name, facts := range map[string]stage{"8 facts": market(1), "16000 facts": hot(16_000), "100000 facts": hot(100_000)} {
		in := timeline.Input{Workspace: uuid.NameSpaceOID, Currency: "NOK", Policy: &p, Rules: timeline.Compile(&p), Facts: facts}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			candidates := 0
			for b.Loop() {
				e, _ := timeline.Explain(in, timeline.Question{ID: "e0"})
				candidates = len(e.Candidates)
			}
			b.ReportMetric(float64(candidates), "candidates")
		})
	}
}
