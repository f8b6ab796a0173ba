package timeline_test

import (
	"encoding/json"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/conversion"
	"github.com/touchline/touchline/services/attribution/identity"
	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/attribution/timeline"
	"github.com/touchline/touchline/services/attribution/touch"
	"github.com/touchline/touchline/services/internal/hit"
)

func named(kind hit.IdentifierKind, value string) hit.Identifier {
	return hit.Identifier{Kind: kind, Value: value}
}

// bought is an order of somebody by name, worth 10.
func bought(id string, who ...hit.Identifier) hit.Fact {
	return hit.Fact{
		Kind: hit.KindEvent, ID: id, Trust: hit.TrustServer, At: noon, Identifiers: who,
		Event: &hit.Event{Name: "Order Completed", Properties: json.RawMessage(`{"value":10}`)},
	}
}

// The smaller copy is in force with its own flags; only equal copies join theirs.
func TestMerge_Flags(t *testing.T) {
	t.Parallel()
	early, late := bought("e"), bought("e")
	late.At++
	early.Flags, late.Flags = []string{"x"}, []string{"y"}
	for _, pair := range [][2]hit.Fact{{early, late}, {late, early}} {
		if got, same := timeline.Merge(pair[0], pair[1]); !slices.Equal(got.Flags, []string{"x"}) || got.At != noon || !same {
			t.Errorf("%v at %d, same %v", got.Flags, got.At, same)
		}
	}
	equal := early
	equal.Flags = []string{"y", "x", "a"}
	for _, pair := range [][2]hit.Fact{{early, equal}, {equal, early}} {
		if got, _ := timeline.Merge(pair[0], pair[1]); !slices.Equal(got.Flags, []string{"a", "x", "y"}) {
			t.Errorf("%v", got.Flags)
		}
	}
	plain := bought("e")
	if got, _ := timeline.Merge(plain, plain); got.Flags != nil {
		t.Errorf("%v of no flags", got.Flags)
	}
}

// An identifier on the block list is dropped and told; nothing else is told.
func TestDerive_BlockedIsTold(t *testing.T) {
	t.Parallel()
	device := named(hit.Device, "Guest")
	folded := hit.Identifier{Kind: hit.UserID, Value: "digest", Folded: "null"}
	onDevice := bought("e")
	onDevice.Device = &device
	for name, tt := range map[string]struct {
		fact  hit.Fact
		flags []string
		known bool
	}{
		"nothing is blocked":                {bought("e", named(hit.UserID, "anna")), nil, true},
		"nobody is named":                   {bought("e"), nil, false},
		"a blocked name":                    {bought("e", named(hit.UserID, " NULL ")), []string{conversion.FlagBlocked}, false},
		"one by its folded form":            {bought("e", folded), []string{conversion.FlagBlocked}, false},
		"a folded form that is not on it":   {bought("e", hit.Identifier{Kind: hit.UserID, Value: "null", Folded: "anna"}), nil, true},
		"one beside another":                {bought("e", named(hit.UserID, "null"), named(hit.Phone, "p")), []string{conversion.FlagBlocked}, true},
		"a blocked device":                  {onDevice, []string{conversion.FlagBlocked}, false},
		"a device that stands among others": {bought("e", named(hit.Phone, "p"), named(hit.Device, "dv")), []string{conversion.FlagBlocked}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := derive(policy.Default(), []hit.Fact{tt.fact})
			c := out.Conversions[0]
			if !slices.Equal(c.Flags, tt.flags) || c.Identified != tt.known {
				t.Errorf("flags %v, identified %v", c.Flags, c.Identified)
			}
			if slices.ContainsFunc(out.Persons, func(a identity.Assignment) bool { return a.Identifier.Kind == hit.Device }) {
				t.Errorf("a device is a person's name: %v", out.Persons)
			}
		})
	}
}

// Conversions come by definition and id, in whatever order the policy has them.
func TestDerive_ConversionsInOrder(t *testing.T) {
	t.Parallel()
	p := policy.Default()
	p.Conversions = []policy.Definition{{Name: "b", Event: "Order Completed"}, {Name: "c", Event: "Order Completed"}, {Name: "a", Event: "Order Completed"}}
	early, late := bought("2"), bought("1")
	early.At -= 5
	var got []string
	for _, c := range derive(p, []hit.Fact{early, late}).Conversions {
		got = append(got, c.Definition+" "+c.ID)
	}
	if diff := gocmp.Diff([]string{"a 1", "a 2", "b 1", "b 2", "c 1", "c 2"}, got); diff != "" {
		t.Error(diff)
	}
}

// A fact is what its kind says: facts without their content, and content under
// another kind, conclude nothing and break nothing.
func TestDerive_KindDecides(t *testing.T) {
	t.Parallel()
	sent := hit.Fact{
		Kind: hit.KindMessage, Channel: hit.ChannelWhatsApp, ID: "m", At: noon, Identifiers: []hit.Identifier{named(hit.Phone, "p")},
		Message: &hit.Message{Sender: "1", Campaign: "c", Token: "tk"},
	}
	kinds := []hit.Kind{hit.KindMessage, hit.KindStatus, hit.KindClick, hit.KindInbound, hit.KindPage, hit.KindEvent, hit.KindIdentify, hit.KindRaw}
	device := named(hit.Device, "dv")
	facts := []hit.Fact{sent}
	for _, kind := range kinds {
		facts = append(facts, hit.Fact{Kind: kind, Channel: hit.ChannelWhatsApp, ID: "bare " + string(kind), At: noon + 1, Device: &device})
	}
	full := hit.Fact{
		Kind: hit.KindRaw, Channel: hit.ChannelWhatsApp, ID: "full", At: noon + 2, Device: &device, Identifiers: []hit.Identifier{named(hit.UserID, "u"), named(hit.UserID, "v")},
		Page: &hit.Page{URL: "https://shop.example/?mt=tk"}, Click: &hit.Click{Token: "tk"}, Identify: &hit.Identify{Call: "alias"},
		Inbound: &hit.Inbound{Type: "text", Context: "m", Referral: &hit.Referral{SourceID: "ad"}}, Report: &hit.Report{Group: true},
	}
	out := derive(policy.Default(), append(facts, full))
	i := slices.IndexFunc(out.Messages, func(m touch.Message) bool { return m.ID == "m" })
	if m := out.Messages[i]; m.ClickedAt != 0 || m.RepliedAt != 0 || m.SentAt != noon || len(out.Links) > 0 {
		t.Errorf("%+v, links %v", m.Times, out.Links)
	}
	if len(out.Persons) != 3 {
		t.Errorf("persons %v: what a fact of another kind names is stated all the same", out.Persons)
	}
}

// Only a text opts out: a picture with that caption is an answer.
func TestDerive_OptOutIsAText(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string]hit.Instant{"text": 0, "image": noon + minute} {
		var s stage
		s.message("m", 0, "p", hit.Message{Sender: "1", Campaign: "c"})
		s.inbound("in", 1, "p", hit.Inbound{Business: "1", Type: kind, Text: "STOP!", Context: "m"})
		if got := derive(policy.Default(), s).Messages[0].RepliedAt; got != want {
			t.Errorf("%s: replied at %d, want %d", kind, got, want)
		}
	}
}

// An alias makes user_ids one, not what stands beside them.
func TestDerive_AliasOfUserIDsAlone(t *testing.T) {
	t.Parallel()
	alias := func(id string, who ...hit.Identifier) hit.Fact {
		return hit.Fact{Kind: hit.KindIdentify, ID: id, Trust: hit.TrustServer, At: noon, Identifiers: who, Identify: &hit.Identify{Call: "alias"}}
	}
	u, v, p := named(hit.UserID, "u"), named(hit.UserID, "v"), named(hit.Phone, "p")
	persons := func(facts ...hit.Fact) map[hit.Identifier]uuid.UUID {
		found := map[hit.Identifier]uuid.UUID{}
		for _, a := range derive(policy.Default(), facts).Persons {
			found[a.Identifier] = a.Person
		}
		return found
	}
	if got := persons(alias("1", u, p), alias("2", v, p)); got[u] == got[v] {
		t.Error("a phone made two user_ids one")
	}
	if got := persons(alias("1", u, v), alias("2", v, p)); got[u] != got[v] || got[u] != got[p] {
		t.Error("an alias is two persons")
	}
}

// Page views that carry no known token stop no claim of those that do.
func TestDerive_ClickClaimAfterOtherPages(t *testing.T) {
	t.Parallel()
	device := named(hit.Device, "dv")
	page := func(id, query string, at hit.Instant) hit.Fact {
		return hit.Fact{Kind: hit.KindPage, ID: id, Trust: hit.TrustBrowser, At: at, Device: &device, Page: &hit.Page{URL: "https://shop.example/" + query}}
	}
	bare := page("0", "", noon-9)
	bare.Device = nil
	out := derive(policy.Default(), []hit.Fact{
		{Kind: hit.KindMessage, Channel: hit.ChannelEmail, ID: "m", At: noon - 60, Identifiers: []hit.Identifier{named(hit.Email, "e")}, Message: &hit.Message{Campaign: "c", Token: "tk"}},
		bare, page("1", "", noon-5), page("2", "?mt=nobody", noon-4), page("3", "?mt=tk", noon),
	})
	if len(out.Claims) != 1 || out.Claims[0].Fact != "3" || out.Claims[0].Identify || out.Claims[0].Holder != named(hit.Email, "e") {
		t.Errorf("claims %+v", out.Claims)
	}
}

// A group's message makes an event and links nobody, and does not keep the event's
// other copies from linking.
func TestDerive_GroupsCopyAmongOthers(t *testing.T) {
	t.Parallel()
	var s stage
	s.inbound("in", 0, "member", hit.Inbound{Business: "1", Interact: "nfm_reply", Group: true, Fields: json.RawMessage(`{"order_id":"1"}`)})
	for id, who := range map[string]hit.Identifier{"s1": named(hit.Phone, "p"), "s2": named(hit.Email, "e")} {
		f := s.add(hit.KindEvent, hit.TrustServer, id, 1)
		f.Identifiers, f.Event = []hit.Identifier{who}, &hit.Event{Name: "whatsapp.flow", Properties: json.RawMessage(`{"order_id":"1"}`)}
	}
	links := derive(policy.Default(), s).Links
	if len(links) != 1 || links[0].A != named(hit.Phone, "p") || links[0].B != named(hit.Email, "e") || links[0].State != identity.Joined {
		t.Errorf("links %+v", links)
	}
}

// An alias is what an identify says, not what is found in another fact.
func TestDerive_AliasOfAnotherKind(t *testing.T) {
	t.Parallel()
	f := bought("e", named(hit.UserID, "u"), named(hit.UserID, "v"))
	f.Identify = &hit.Identify{Call: "alias"}
	if links := derive(policy.Default(), []hit.Fact{f}).Links; len(links) != 1 || links[0].State != identity.Refused {
		t.Errorf("links %+v", links)
	}
}
