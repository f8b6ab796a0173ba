package timeline_test

import (
	"fmt"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/attribution/timeline"
	"github.com/touchline/touchline/services/internal/hit"
)

// Who reported a conversion, what each report decides, how exact its time is, and by
// which claim it is somebody's.
func TestExplain_CopiesAndClaims(t *testing.T) {
	t.Parallel()
	device := &hit.Identifier{Kind: hit.Device, Value: "d"}
	login := func(s *stage) { s.identify("in", 5, "identify", who(hit.UserID, "u")...).Device = device }
	tests := []struct {
		name string
		play func(*stage)
		ask  string
		want string // precision, claim, persons' identifiers, copies with what they decide
	}{
		{"of a person that it names", func(s *stage) {
			login(s)
			f := s.order("e", 9, hit.TrustServer, `{"value":1}`)
			f.Identifiers, f.Device = who(hit.UserID, "u"), &hit.Identifier{Kind: hit.Device, Value: "d"}
		}, "e", "exact; by none; [u]; e: leads names values"},
		{"whatever others did on its device", func(s *stage) {
			login(s)
			s.order("e", 9, hit.TrustServer, `{"value":1}`).Identifiers = who(hit.UserID, "u2")
		}, "e", "exact; by none; [u2]; e: leads names values"},
		{"of whoever held the device", func(s *stage) {
			login(s)
			f := s.order("e", 9, hit.TrustBrowser, `{"value":1}`)
			f.Device, f.Precision = device, hit.PrecisionSecond
		}, "e", "second; by in; [u]; e: leads names values"},
		{"of nobody", func(s *stage) { login(s); s.order("e", 9, hit.TrustBrowser, `{}`) }, "e", "exact; by none; []; e: leads names"},
		{"of a device that nobody claimed", func(s *stage) { s.order("e", 9, hit.TrustBrowser, `{"value":1}`).Device = device }, "e", "exact; by none; []; e: leads names values"},
		{"one copy leads, another says whose it is, a third what it is worth", func(s *stage) {
			s.order("lead", 9, hit.TrustWebhook, `{"order_id":"o"}`)
			s.order("value", 10, hit.TrustServer, `{"order_id":"o","value":7}`)
			s.order("names", 11, hit.TrustBrowser, `{"order_id":"o","value":8}`).Identifiers = who(hit.UserID, "u")
		}, "order:o", "exact; by none; [u]; lead: leads; value: values; names: names"},
		{"a refund of an order that nobody reported, of a device", func(s *stage) {
			login(s)
			f := s.refund("r", 9, `{"order_id":"o","value":1}`)
			f.Device, f.Precision = device, hit.PrecisionSecond
		}, "r", "second; by in; [u]; r: leads names values"},
		{"one that says no value", func(s *stage) { s.refund("r", 9, `{"order_id":"o"}`) }, "r", "exact; by none; []; r: leads names"},
		{"one that takes nothing", func(s *stage) { s.refund("r", 9, `{"value":1}`) }, "r", "exact; by none; []; r: leads names"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var facts stage
			tt.play(&facts)
			p := policy.Default()
			p.Conversions[0].RefundEvent = "Order Refunded"
			e, ok := timeline.Explain(timeline.Input{Workspace: uuid.NameSpaceOID, Currency: "NOK", Policy: &p, Facts: facts}, timeline.Question{ID: tt.ask})
			if !ok {
				t.Fatal("not known")
			}
			if diff := gocmp.Diff(tt.want, reported(e)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func reported(e timeline.Explanation) string {
	precision, claim, names := map[hit.Precision]string{hit.PrecisionExact: "exact", hit.PrecisionSecond: "second"}[e.Precision], "none", []string{}
	if e.Claim != nil {
		claim = e.Claim.Fact
	}
	for _, id := range e.Identifiers {
		names = append(names, id.Value)
	}
	text := fmt.Sprintf("%s; by %s; %v", precision, claim, names)
	for _, c := range e.Copies {
		text += "; " + c.ID + ":"
		for _, decides := range []struct {
			what string
			does bool
		}{{" leads", c.Leads}, {" names", c.Names}, {" values", c.Values}} {
			if decides.does {
				text += decides.what
			}
		}
	}
	return text
}
