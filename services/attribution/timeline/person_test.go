package timeline_test

import (
	"slices"
	"testing"

	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/internal/hit"
)

func TestDerive_Persons(t *testing.T) {
	t.Parallel()
	purchases, off := only(0), only(0)
	off.BrowserLinks = policy.LinksOff
	clicked := func(s *stage) {
		s.message("m", 0, "p", hit.Message{Campaign: "c", Token: "tk"})
		s.click("c", 3, hit.Click{Token: "tk"})
	}
	hold(t, []rule{
		{"a page view that names two links them", purchases, func(s *stage) {
			clicked(s)
			s.page("g", 4, "dv", "https://shop.example/").Identifiers = slices.Concat(who(hit.UserID, "u"), who(hit.Phone, "p"))
			s.buy("e", 9, "").Identifiers = who(hit.UserID, "u")
		}, []string{"e: whatsapp click m"}},
		{"a browser's alias counts", purchases, func(s *stage) {
			clicked(s)
			s.identify("i", 4, "identify", slices.Concat(who(hit.UserID, "old"), who(hit.Phone, "p"))...)
			s.identify("j", 5, "alias", who(hit.UserID, "new", "old")...).Trust = hit.TrustBrowser
			s.buy("e", 9, "").Identifiers = who(hit.UserID, "new")
		}, []string{"e: whatsapp click m"}},
		{"unless browsers' links are off", off, func(s *stage) {
			clicked(s)
			s.identify("i", 4, "identify", slices.Concat(who(hit.UserID, "old"), who(hit.Phone, "p"))...)
			s.identify("j", 5, "alias", who(hit.UserID, "new", "old")...).Trust = hit.TrustBrowser
			s.identify("k", 6, "identify", slices.Concat(who(hit.UserID, "new"), who(hit.Email, "x"))...)
			s.identify("l", 7, "identify", slices.Concat(who(hit.UserID, "old"), who(hit.Email, "x"))...)
			s.buy("e", 9, "").Identifiers = who(hit.UserID, "new")
		}, []string{"e: unattributed"}},
		{"a copy of an order that names somebody claims its device for that one alone", purchases, func(s *stage) {
			clicked(s)
			order := s.buy("w", 5, "")
			order.Trust, order.Identifiers, order.Event.Properties = hit.TrustWebhook, who(hit.UserID, "u"), []byte(`{"order_id":"o"}`)
			seen := s.buy("b", 5, "p")
			seen.Trust, seen.Event.Properties = hit.TrustBrowser, order.Event.Properties
			seen.Device = &hit.Identifier{Kind: hit.Device, Value: "dv"}
			later := s.buy("e", 9, "")
			later.Identifiers, later.Device = nil, seen.Device
		}, []string{"e: whatsapp click m", "order:o: unattributed"}},
	})
}
