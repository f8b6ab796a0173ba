package fact

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/touchline/touchline/services/internal/hit"
)

// Any token that a link is made with is read back from a page's URL.
func FuzzPageToken(f *testing.F) {
	f.Add("https://a.example/?x=1", "tk+1 &=")
	f.Add("https://a.example/?mt=%zz", "æ")
	f.Fuzz(func(t *testing.T, page, token string) {
		PageToken(page)
		if strings.ContainsAny(page, "?#") {
			return
		}
		for _, link := range []string{page + "?mt=" + url.QueryEscape(token), page + "?a=b&mt=" + url.QueryEscape(token) + "&mt=other#mt=fragment"} {
			if got := PageToken(link); got != token {
				t.Fatalf("%q has the token %q, want %q", link, got, token)
			}
		}
	})
}

// An order id is text without spaces around it, and the same for a string and for the
// string made of it; whatever a fact says, its references begin with its anchor, none
// comes twice, and it meets a copy of itself.
func FuzzRefs(f *testing.F) {
	f.Add("order:17", `{"order_id":" 17 "}`, "https://a.example/?mt=tk", "wamid.1")
	f.Add("wamid.1:payment", `{"order_id":1e2}`, "", "")
	f.Fuzz(func(t *testing.T, id, properties, page, context string) {
		order := OrderID(json.RawMessage(properties))
		if order != strings.TrimSpace(order) {
			t.Fatalf("order %q", order)
		}
		if order != "" {
			again, err := json.Marshal(map[string]string{"order_id": " " + order + "\n"})
			if got := OrderID(again); err != nil || got != order {
				t.Fatalf("order %q reads back as %q: %v", order, got, err)
			}
		}
		raw := json.RawMessage(properties)
		device := hit.Identifier{Kind: hit.Device, Value: id}
		for _, fact := range []hit.Fact{
			{Kind: hit.KindEvent, ID: id, Event: &hit.Event{Properties: raw}, Device: &device},
			{Kind: hit.KindPage, ID: id, Page: &hit.Page{URL: page}, Identifiers: []hit.Identifier{device, device}},
			{Kind: hit.KindInbound, Channel: hit.ChannelWhatsApp, ID: id, Inbound: &hit.Inbound{Context: context, Token: context, Fields: raw}},
			{Kind: hit.KindStatus, Channel: context, ID: id, Report: &hit.Report{Payment: &hit.Payment{}}},
		} {
			refs := Refs(&fact)
			if refs[0] != Anchor(&fact) {
				t.Fatalf("%+v: references %v do not begin with the anchor", fact, refs)
			}
			for i, ref := range refs {
				if slices.Index(refs, ref) != i || ref.Kind < RefUserID || ref.Kind > RefEvent {
					t.Fatalf("%+v: references %v", fact, refs)
				}
			}
		}
		if order != "" {
			by, of := Refs(&hit.Fact{Kind: hit.KindEvent, ID: "order:" + order}), OrderRef(order)
			event := Refs(&hit.Fact{Kind: hit.KindEvent, ID: "order:" + order, Event: &hit.Event{}})
			if slices.Contains(by, of) || !slices.Contains(event, of) {
				t.Fatalf("an event named like order %q does not meet it", order)
			}
		}
	})
}
