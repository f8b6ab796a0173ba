package timeline_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/touchline/touchline/services/attribution/credit"
	"github.com/touchline/touchline/services/attribution/fact"
	"github.com/touchline/touchline/services/attribution/identity"
	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/attribution/timeline"
	"github.com/touchline/touchline/services/attribution/touch"
	"github.com/touchline/touchline/services/internal/hit"
)

// anyFact draws from pools so small that facts run into each other: one id for
// several things, one device for several people, copies that disagree.
var anyFact = rapid.Custom(func(t *rapid.T) hit.Fact {
	pick := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(t, label) }
	f := hit.Fact{
		Trust:      hit.Trust(rapid.IntRange(1, 3).Draw(t, "trust")),
		ID:         pick("id", "1", "2", "3", "4", "5", "6"),
		At:         noon + hit.Instant(rapid.IntRange(0, 40).Draw(t, "at"))*10*minute,
		Precision:  hit.Precision(rapid.IntRange(0, 1).Draw(t, "precision")),
		ReceivedAt: noon + 1000*minute,
	}
	f.Source = uuid.NewSHA1(uuid.Nil, []byte{byte(f.Trust)})
	for _, kind := range []hit.IdentifierKind{hit.UserID, hit.Phone, hit.BSUID, hit.Email} {
		if rapid.IntRange(0, 3).Draw(t, "has") == 0 {
			f.Identifiers = append(f.Identifiers, hit.Identifier{Kind: kind, Value: pick("value", "a", "b", "c", "null")})
		}
	}
	if rapid.Bool().Draw(t, "has device") {
		f.Device = &hit.Identifier{Kind: hit.Device, Value: pick("device", "x", "y", "guest")}
	}
	f.Kind = rapid.SampledFrom([]hit.Kind{hit.KindMessage, hit.KindStatus, hit.KindClick, hit.KindInbound, hit.KindPage, hit.KindEvent, hit.KindIdentify}).Draw(t, "kind")
	anyBody(t, &f)
	return f
})

func anyBody(t *rapid.T, f *hit.Fact) {
	pick := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(t, label) }
	switch f.Kind {
	case hit.KindMessage:
		f.Channel = pick("channel", "whatsapp", "email")
		f.Message = &hit.Message{Sender: "1", Campaign: pick("campaign", "", "c"), Token: pick("token", "", "1", "2")}
	case hit.KindStatus:
		f.Channel = pick("channel", "whatsapp", "email")
		f.Status = hit.Status(pick("status", "sent", "delivered", "read", "failed", "payment:captured"))
		f.Report = &hit.Report{Sender: "1", Group: rapid.IntRange(0, 5).Draw(t, "group") == 0}
		if f.Status == "payment:captured" {
			f.Report.Payment = &hit.Payment{Amount: hit.Amount{Amount: "5"}}
		}
	case hit.KindClick:
		f.Channel = pick("channel", "whatsapp", "email")
		f.Click = &hit.Click{Token: pick("token", "1", "2", ""), Message: pick("message", "", "1", "2"), Agent: pick("agent", "", "curl/8.5.0")}
	case hit.KindInbound:
		f.Channel = "whatsapp"
		f.Inbound = &hit.Inbound{Business: "1", Type: pick("type", "text", "order", "system"), Text: pick("text", "hi", "stop", "yes"), Context: pick("context", "", "", "1", "2"), Token: pick("token", "", "", "1")}
		if rapid.IntRange(0, 4).Draw(t, "ad") == 0 {
			f.Inbound.Referral = &hit.Referral{SourceID: "ad"}
		}
	case hit.KindPage:
		f.Page = &hit.Page{URL: "https://shop.example/" + pick("query", "", "?mt=1", "?mt=2", "?gclid=1", "?utm_source=a&utm_medium=email"), Referrer: pick("referrer", "", "https://www.google.com/")}
	case hit.KindEvent:
		f.Event = &hit.Event{Name: pick("name", "Order Completed", "Order Completed", "Order Refunded"), Properties: json.RawMessage(
			pick("properties", `{}`, `{"value":100}`, `{"order_id":"1","value":"10.01"}`, `{"order_id":"1"}`, `{"order_id":"2","value":3,"currency":"EUR"}`))}
	case hit.KindIdentify:
		f.Channel = pick("channel", "whatsapp", "email")
		f.Identify = &hit.Identify{Call: pick("call", "identify", "alias", "send_response"), Message: pick("message", "", "1", "2", "3")}
	}
}

// busy is a policy in which most things count.
func busy() policy.Policy {
	p := policy.Default()
	p.Models = []string{policy.LastTouch, policy.Linear, policy.TimeDecay}
	p.Windows = []policy.Window{{Seconds: 7200}}
	p.Conversions = append(p.Conversions,
		policy.Definition{Name: "daily", Event: "whatsapp.message", OnceWithinSeconds: 3600},
		policy.Definition{Name: "yes", Event: "yes", ValueProperties: []string{"value"}})
	p.KeywordRules = []policy.KeywordRule{{Event: "yes", Any: []string{"yes"}, Mode: policy.ModeWord, Value: "2"}}
	return p
}

func TestDerive_OrderAndRepetitionDoNotMatter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, orderDoesNotMatter)
}

func FuzzDerive(f *testing.F) { f.Fuzz(rapid.MakeFuzz(orderDoesNotMatter)) }

func orderDoesNotMatter(t *rapid.T) {
	facts := rapid.SliceOfN(anyFact, 0, 25).Draw(t, "facts")
	again := slices.Concat(facts, facts[:len(facts)/2])
	if diff := differ(derive(busy(), facts), derive(busy(), rapid.Permutation(again).Draw(t, "again"))); diff != "" {
		t.Fatal(diff)
	}
}

// TestDerive_ComponentsStandAlone holds what derive in the service relies on: facts
// without a chain of references between them cannot change each other's conclusions.
func TestDerive_ComponentsStandAlone(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		// Storage merges the copies of a fact before it looks for components.
		facts := rapid.SliceOfNDistinct(anyFact, 0, 12, func(f hit.Fact) uuid.UUID { return f.Key() }).Draw(t, "facts")
		var apart timeline.Outcome
		for _, component := range components(facts) {
			one := derive(busy(), component)
			apart.Conversions = append(apart.Conversions, one.Conversions...)
			apart.Messages = append(apart.Messages, one.Messages...)
			apart.Persons = append(apart.Persons, one.Persons...)
			apart.Links = append(apart.Links, one.Links...)
			apart.Claims = append(apart.Claims, one.Claims...)
		}
		whole := derive(busy(), facts)
		sorted(&apart)
		sorted(&whole)
		if diff := differ(whole, apart); diff != "" {
			t.Fatal(diff)
		}
	})
}

func sorted(o *timeline.Outcome) {
	by := func(v any) string { return fmt.Sprintf("%+v", v) }
	slices.SortStableFunc(o.Conversions, func(a, b credit.Conversion) int {
		return cmp.Compare(a.Definition+" "+a.ID, b.Definition+" "+b.ID)
	})
	slices.SortFunc(o.Messages, func(a, b touch.Message) int { return cmp.Compare(a.Channel+" "+a.ID, b.Channel+" "+b.ID) })
	slices.SortFunc(o.Persons, func(a, b identity.Assignment) int { return cmp.Compare(by(a), by(b)) })
	slices.SortFunc(o.Links, func(a, b identity.Link) int { return cmp.Compare(by(a), by(b)) })
	slices.SortFunc(o.Claims, func(a, b identity.Claim) int { return cmp.Compare(by(a), by(b)) })
}

// components groups facts that share references, directly or not.
func components(facts []hit.Fact) [][]hit.Fact {
	group := make([]int, len(facts))
	for i := range facts {
		group[i] = i
	}
	first := map[fact.Ref]int{} // fact that has it
	for i := range facts {
		for _, ref := range fact.Refs(&facts[i]) {
			other, known := first[ref]
			if !known {
				first[ref] = i
				continue
			}
			from := group[i]
			for j := range group {
				if group[j] == from {
					group[j] = group[other]
				}
			}
		}
	}
	var all [][]hit.Fact
	for g := range facts {
		var members []hit.Fact
		for i := range facts {
			if group[i] == g {
				members = append(members, facts[i])
			}
		}
		if members != nil {
			all = append(all, members)
		}
	}
	return all
}
