package timeline_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/identity"
	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/attribution/timeline"
	"github.com/touchline/touchline/services/internal/deptest"
	"github.com/touchline/touchline/services/internal/hit"
)

const minute hit.Instant = 60_000_000

// noon is minute 0 of the facts below.
var noon = hit.InstantOf(time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC))

// stage collects facts; times are minutes from noon.
type stage []hit.Fact

func (s *stage) add(kind hit.Kind, trust hit.Trust, id string, at hit.Instant) *hit.Fact {
	*s = append(*s, hit.Fact{
		Kind: kind, Trust: trust, ID: id, At: noon + at*minute, ReceivedAt: noon + 1000*minute,
		Source: uuid.NewSHA1(uuid.Nil, []byte{byte(trust)}),
	})
	return &(*s)[len(*s)-1]
}

func who(kind hit.IdentifierKind, values ...string) []hit.Identifier {
	var ids []hit.Identifier
	for _, v := range values {
		ids = append(ids, hit.Identifier{Kind: kind, Value: v})
	}
	return ids
}

func (s *stage) message(id string, at hit.Instant, phone string, m hit.Message) *hit.Fact {
	f := s.add(hit.KindMessage, hit.TrustServer, id, at)
	f.Channel, f.Message, f.Identifiers = hit.ChannelWhatsApp, &m, who(hit.Phone, phone)
	return f
}

func (s *stage) status(id string, status hit.Status, at hit.Instant, report hit.Report) *hit.Fact {
	f := s.add(hit.KindStatus, hit.TrustWebhook, id, at)
	f.Channel, f.Status, f.Report = hit.ChannelWhatsApp, status, &report
	return f
}

func (s *stage) inbound(id string, at hit.Instant, phone string, in hit.Inbound) *hit.Fact {
	f := s.add(hit.KindInbound, hit.TrustWebhook, id, at)
	f.Channel, f.Inbound, f.Identifiers = hit.ChannelWhatsApp, &in, who(hit.Phone, phone)
	return f
}

func (s *stage) page(id string, at hit.Instant, device, url string) *hit.Fact {
	f := s.add(hit.KindPage, hit.TrustBrowser, id, at)
	f.Page, f.Device = &hit.Page{URL: url}, &hit.Identifier{Kind: hit.Device, Value: device}
	return f
}

func (s *stage) click(id string, at hit.Instant, c hit.Click) *hit.Fact {
	f := s.add(hit.KindClick, hit.TrustServer, id, at)
	f.Click = &c
	return f
}

// buy is an order worth 100, of a phone.
func (s *stage) buy(id string, at hit.Instant, phone string) *hit.Fact {
	f := s.add(hit.KindEvent, hit.TrustServer, id, at)
	f.Event, f.Identifiers = &hit.Event{Name: "Order Completed", Properties: json.RawMessage(`{"value":100}`)}, who(hit.Phone, phone)
	return f
}

// response is what the channel answered when m was sent: what it calls the recipient.
func (s *stage) response(id string, at hit.Instant, m string, ids ...hit.Identifier) *hit.Fact {
	f := s.identify(id, at, "send_response", ids...)
	f.Channel, f.Identify.Message = hit.ChannelWhatsApp, m
	return f
}

func (s *stage) identify(id string, at hit.Instant, call string, ids ...hit.Identifier) *hit.Fact {
	f := s.add(hit.KindIdentify, hit.TrustServer, id, at)
	f.Identify, f.Identifiers = &hit.Identify{Call: call}, ids
	return f
}

func derive(p policy.Policy, facts stage) timeline.Outcome {
	return timeline.Derive(timeline.Input{Workspace: uuid.NameSpaceOID, Currency: "NOK", Policy: &p, Facts: facts})
}

// credited writes each conversion with the touchpoints of its first model.
func credited(out timeline.Outcome) []string {
	var lines []string
	for _, c := range out.Conversions {
		var touches []string
		for _, k := range c.Credits {
			touches = append(touches, strings.TrimRight(k.Channel+" "+k.Tier+" "+k.TouchKey, " "))
		}
		lines = append(lines, c.ID+": "+strings.Join(touches, ", "))
	}
	return lines
}

// rule is one rule that no conformance world shows.
type rule struct {
	name   string
	policy policy.Policy
	play   func(*stage)
	want   []string
}

// hold plays each rule, forward and backward.
func hold(t *testing.T, rules []rule) {
	t.Helper()
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			var facts stage
			r.play(&facts)
			out := derive(r.policy, facts)
			if diff := gocmp.Diff(r.want, credited(out)); diff != "" {
				t.Error(diff)
			}
			slices.Reverse(facts)
			if diff := gocmp.Diff(out, derive(r.policy, facts)); diff != "" {
				t.Errorf("in another order:\n%s", diff)
			}
		})
	}
}

// only is the default policy with one of its conversion definitions.
func only(definition int) policy.Policy {
	p := policy.Default()
	p.Conversions = p.Conversions[definition : definition+1]
	return p
}

func TestDerive_Engagements(t *testing.T) {
	t.Parallel()
	spring := hit.Message{Template: &hit.Template{Name: "spring"}, Sender: "1", Token: "tk"}
	chat := hit.Message{Sender: "1"}
	purchases, pixel, count := only(0), only(0), only(0)
	pixel.ConfirmClicks, count.SessionMessages = policy.ConfirmPixel, policy.SessionCount
	hold(t, []rule{
		{"a tracked link is a click", purchases, func(s *stage) {
			s.message("m", 0, "p", spring)
			s.click("c", 5, hit.Click{Token: "tk", Method: "GET"})
			s.buy("e", 9, "p")
		}, []string{"e: whatsapp click m"}},
		{"so is one of the channel's own, which names the message", purchases, func(s *stage) {
			s.message("m", 0, "p", spring)
			s.message("n", 1, "p", spring).Channel = hit.ChannelEmail
			s.click("c", 5, hit.Click{Message: "n"}).Channel = hit.ChannelEmail
			s.buy("e", 9, "p")
		}, []string{"e: email click n"}},
		{"not with HEAD", purchases, func(s *stage) {
			s.message("m", 0, "p", spring)
			s.click("c", 5, hit.Click{Token: "tk", Method: "HEAD"})
			s.buy("e", 9, "p")
		}, []string{"e: unattributed"}},
		{"nor one that a preview fetched", purchases, func(s *stage) {
			s.message("m", 0, "p", spring)
			s.click("c", 5, hit.Click{Token: "tk", Method: "GET", Agent: "WhatsApp/2.23.20.0 A"})
			s.buy("e", 9, "p")
			s.click("d", 10, hit.Click{Token: "tk", Method: "GET", Agent: "Mozilla/5.0 (Linux; Android 15; wv) Chrome/139.0.0.0 Mobile Safari/537.36 WA4A/2.26.30.97"})
			s.buy("f", 11, "p")
		}, []string{"e: unattributed", "f: whatsapp click m"}},
		{"not when the pixel must confirm", pixel, func(s *stage) {
			s.message("m", 0, "p", spring)
			s.click("c", 5, hit.Click{Token: "tk", Method: "GET"})
			s.buy("e", 9, "p")
			s.page("g", 10, "dv", "https://shop.example/?mt=tk")
			s.buy("f", 11, "p")
		}, []string{"e: unattributed", "f: whatsapp click m"}},
		{"chat answers count when the policy says so", count, func(s *stage) {
			s.message("m", 0, "p", chat)
			s.inbound("in", 5, "p", hit.Inbound{Type: "text", Text: "hi", Business: "1"})
			s.buy("e", 9, "p")
		}, []string{"e: whatsapp reply m"}},
		{"a message priced as service is a chat answer", purchases, func(s *stage) {
			s.status("m", "read", 5, hit.Report{Category: "service"}).Identifiers = who(hit.Phone, "p")
			s.status("n", "read", 5, hit.Report{Category: "marketing"}).Identifiers = who(hit.Phone, "p")
			s.buy("e", 9, "p")
		}, []string{"e: whatsapp read n"}},
		{"a machine's open is no read", purchases, func(s *stage) {
			s.message("m", 0, "p", spring)
			s.status("m", "read", 5, hit.Report{Machine: true})
			s.buy("e", 9, "p")
		}, []string{"e: unattributed"}},
		{"a message to a group is nobody's", purchases, func(s *stage) {
			s.status("m", "read", 5, hit.Report{Group: true}).Identifiers = who(hit.Phone, "p")
			s.buy("e", 9, "p")
		}, []string{"e: unattributed"}},
		{"a group's inbound message answers nothing implicitly", purchases, func(s *stage) {
			s.message("m", 0, "p", spring)
			s.inbound("in", 5, "p", hit.Inbound{Type: "text", Text: "hi", Business: "1", Group: true})
			s.buy("e", 9, "p")
		}, []string{"e: unattributed"}},
		{"and links nothing", purchases, func(s *stage) {
			s.message("m", 0, "p", spring)
			s.click("c", 2, hit.Click{Token: "tk"})
			in := s.inbound("in", 5, "p", hit.Inbound{Type: "text", Context: "m", Group: true})
			in.Identifiers = append(in.Identifiers, who(hit.Email, "e")...)
			s.buy("e", 9, "").Identifiers = who(hit.Email, "e")
		}, []string{"e: unattributed"}},
		{"only a text is an opt-out, not the words beside a picture", purchases, func(s *stage) {
			s.message("m", 0, "p", spring)
			s.inbound("in", 5, "p", hit.Inbound{Type: "text", Text: "Stop!", Context: "m"})
			s.buy("e", 6, "p")
			s.inbound("in2", 7, "p", hit.Inbound{Type: "image", Text: "Stop!", Context: "m"})
			s.buy("f", 8, "p")
		}, []string{"e: unattributed", "f: whatsapp reply m"}},
		{"a reaction answers, a removed one does not", purchases, func(s *stage) {
			s.message("m", 0, "p", spring)
			s.inbound("in", 5, "p", hit.Inbound{Type: "reaction_removed", Context: "m"})
			s.buy("e", 6, "p")
			s.inbound("in2", 7, "p", hit.Inbound{Type: "reaction", Context: "m"})
			s.buy("f", 8, "p")
		}, []string{"e: unattributed", "f: whatsapp reply m"}},
	})
}

func TestDerive_Conversions(t *testing.T) {
	t.Parallel()
	spring := hit.Message{Template: &hit.Template{Name: "spring"}, Sender: "1", Token: "tk"}
	purchases, messages, payments := only(0), only(0), only(2)
	messages.Conversions = []policy.Definition{{Name: "m", Event: "whatsapp.message"}}
	hold(t, []rule{
		{"notices are no messages", messages, func(s *stage) {
			s.inbound("in1", 5, "p", hit.Inbound{Type: "system"})
			s.inbound("in2", 6, "p", hit.Inbound{Type: "request_welcome"})
			s.inbound("in3", 7, "p", hit.Inbound{Type: "edit"})
			s.inbound("in4", 8, "p", hit.Inbound{Type: "unsupported"})
		}, []string{"in4: unattributed"}},
		{"a payment is the earliest of its reports", payments, func(s *stage) {
			s.message("m", 0, "p", spring)
			s.click("c", 3, hit.Click{Token: "tk"})
			paid := hit.Report{Payment: &hit.Payment{Amount: hit.Amount{Amount: "5", Currency: "INR"}}}
			s.status("o", "payment:success", 9, paid).Identifiers = who(hit.Phone, "p")
			s.status("o", "payment:captured", 2, paid).Identifiers = who(hit.Phone, "p")
		}, []string{"o:payment: unattributed"}},
		{"an order of nobody is nobody's", purchases, func(s *stage) {
			s.message("m", 0, "p", spring)
			s.click("c", 3, hit.Click{Token: "tk"})
			s.buy("e", 9, "p").Identifiers = nil
		}, []string{"e: unattributed"}},
		{"an alias makes two user_ids one", purchases, func(s *stage) {
			s.message("m", 0, "p", spring)
			s.click("c", 3, hit.Click{Token: "tk"})
			s.identify("i1", 4, "identify", slices.Concat(who(hit.UserID, "old"), who(hit.Phone, "p"))...)
			s.identify("i2", 5, "alias", who(hit.UserID, "new", "old")...)
			s.buy("e", 9, "").Identifiers = who(hit.UserID, "new")
		}, []string{"e: whatsapp click m"}},
		{"an identify does not", purchases, func(s *stage) {
			s.message("m", 0, "p", spring)
			s.click("c", 3, hit.Click{Token: "tk"})
			s.identify("i1", 4, "identify", slices.Concat(who(hit.UserID, "old"), who(hit.Phone, "p"))...)
			s.identify("i2", 5, "identify", who(hit.UserID, "new", "old")...)
			s.buy("e", 9, "").Identifiers = who(hit.UserID, "new")
		}, []string{"e: unattributed"}},
		{"a new number is the same person", purchases, func(s *stage) {
			s.message("m", 0, "p", spring)
			s.click("c", 3, hit.Click{Token: "tk"})
			s.identify("i", 4, "user_changed_number", who(hit.Phone, "p", "q")...)
			s.buy("e", 9, "q")
		}, []string{"e: whatsapp click m"}},
		{"a send response names the recipient too", purchases, func(s *stage) {
			s.message("m", 0, "p", spring)
			s.click("c", 3, hit.Click{Token: "tk"})
			s.response("i", 1, "m", who(hit.Phone, "q")...)
			s.buy("e", 9, "q")
		}, []string{"e: whatsapp click m"}},
		{"of a message that only statuses know as well", purchases, func(s *stage) {
			s.status("m", "read", 2, hit.Report{})
			s.response("i", 9, "m", who(hit.Phone, "q")...)
			s.buy("e", 10, "q")
		}, []string{"e: whatsapp read m"}},
		{"it links what it states itself", purchases, func(s *stage) {
			s.message("m", 0, "p", spring)
			s.click("c", 3, hit.Click{Token: "tk"})
			s.response("i", 1, "gone", who(hit.Phone, "p", "q")...)
			s.buy("e", 9, "q")
		}, []string{"e: whatsapp click m"}},
		{"and makes no message known", purchases, func(s *stage) {
			s.response("i", 1, "m", who(hit.Phone, "q")...)
			s.inbound("in", 5, "q", hit.Inbound{Type: "text", Context: "m"})
			s.buy("e", 9, "q")
		}, []string{"e: unattributed"}},
		{"a read that fell before the send does not fail", purchases, func(s *stage) {
			s.message("m", 5, "p", spring)
			s.status("m", "failed", 3, hit.Report{Reason: "x"})
			s.status("m", "read", 2, hit.Report{})
			s.buy("e", 9, "p")
		}, []string{"e: whatsapp read m"}},
	})
}

func TestDerive_Messages(t *testing.T) {
	t.Parallel()
	var facts stage
	facts.message("m", 0, "p", hit.Message{
		Template: &hit.Template{Name: "spring", Language: "nb"}, Campaign: "c", Variant: "A", Sender: "1", Cost: &hit.Amount{Amount: "0.04", Currency: "EUR"},
	})
	facts.status("m", "delivered", 2, hit.Report{Category: "marketing"})
	facts.inbound("in", 5, "p", hit.Inbound{Type: "text", Context: "m"})
	facts.status("n", "failed", 2, hit.Report{Reason: "Message undeliverable"})
	out := derive(policy.Default(), facts)
	if len(out.Messages) != 2 || len(out.Persons) != 1 {
		t.Fatalf("%d messages, %d persons", len(out.Messages), len(out.Persons))
	}
	m, n := out.Messages[0], out.Messages[1]
	if m.Person != out.Persons[0].Person || !m.Registered || m.Session || m.Category != "marketing" || m.Cost == nil {
		t.Errorf("registered message %+v", m)
	}
	if m.SentAt != noon || m.DeliveredAt != noon+2*minute || m.RepliedAt != noon+5*minute || m.ReadAt != 0 {
		t.Errorf("its times %+v", m.Times)
	}
	if n.Person != uuid.Nil || n.Registered || !n.Failed() || n.FailureReason != "Message undeliverable" {
		t.Errorf("message known from a status alone %+v", n)
	}
}

// A group's messages make events, and link nothing: not as copies of one order either.
func TestDerive_GroupLinksNothing(t *testing.T) {
	t.Parallel()
	for _, group := range []bool{false, true} {
		var facts stage
		flow := hit.Inbound{Type: "interactive", Interact: "nfm_reply", Fields: json.RawMessage(`{"order_id":"o"}`)}
		facts.inbound("a", 0, "p", flow)
		flow.Group = group
		facts.inbound("b", 1, "q", flow)
		out := derive(policy.Default(), facts)
		if joined := len(out.Links) == 1; len(out.Persons) != 2 || joined == group {
			t.Errorf("group %v: persons %v, links %v", group, out.Persons, out.Links)
		}
	}
}

func TestDerive_BlockedIdentifiers(t *testing.T) {
	t.Parallel()
	var facts stage
	facts.identify("i", 1, "identify", slices.Concat(who(hit.UserID, "NULL"), who(hit.Phone, "p"), who(hit.Email, "e"))...)
	facts.buy("e", 2, "Undefined").Device = &hit.Identifier{Kind: hit.Device, Value: "unknown"}
	out := derive(policy.Default(), facts)
	want := []identity.Link{{A: who(hit.Phone, "p")[0], B: who(hit.Email, "e")[0], Trust: hit.TrustServer, At: noon + minute, Fact: "i", Position: 1, State: identity.Joined}}
	if diff := gocmp.Diff(want, out.Links); diff != "" {
		t.Error(diff)
	}
	if c := out.Conversions[0]; c.Person != uuid.Nil || !slices.Contains(c.Flags, "identifier_blocked") {
		t.Errorf("a purchase by nobody: %+v", c)
	}
	for _, nobody := range []string{
		"null", "undefined", "none", "nan", "anonymous", "guest", "unknown", "0", "-1", "[object Object]",
		"00000000-0000-0000-0000-000000000000", "NaN", "Guest", "mine",
	} {
		var one stage
		one.buy("e", 2, nobody).Device = &hit.Identifier{Kind: hit.Device, Value: nobody}
		p := policy.Default()
		p.BlockedIdentifiers = []string{" Mine "}
		if out := derive(p, one); out.Conversions[0].Person != uuid.Nil || len(out.Persons) > 0 {
			t.Errorf("%q is somebody", nobody)
		}
	}
	if facts[0].Identifiers[0].Value != "NULL" {
		t.Error("the caller's fact was changed")
	}
	digested := timeline.Derive(timeline.Input{
		Workspace: uuid.NameSpaceOID, Currency: "NOK", Policy: &policy.Policy{}, Facts: facts,
		Blocked: func(id hit.Identifier) bool { return id.Value == "p" },
	})
	if len(digested.Persons) != 3 { // NULL, e and Undefined
		t.Errorf("the caller's block list was not asked: %v", digested.Persons)
	}
}

func TestMerge(t *testing.T) {
	t.Parallel()
	base := hit.Fact{Kind: hit.KindEvent, ID: "e", At: 50, ReceivedAt: 60, Trust: hit.TrustServer, Event: &hit.Event{Name: "b"}}
	change := func(f func(*hit.Fact)) hit.Fact {
		c := base
		c.Event = &hit.Event{Name: "b"}
		f(&c)
		return c
	}
	tests := []struct {
		name  string
		other hit.Fact
		wins  bool // the other
		same  bool
	}{
		{"itself", base, false, true},
		{"earlier", change(func(f *hit.Fact) { f.At = 40 }), true, true},
		{"later, smaller content", change(func(f *hit.Fact) { f.At = 70; f.Event.Name = "a" }), false, false},
		{"smaller content", change(func(f *hit.Fact) { f.Event.Name = "a" }), true, false},
		{"coarser", change(func(f *hit.Fact) { f.Precision = hit.PrecisionSecond }), false, true},
		{"more trusted", change(func(f *hit.Fact) { f.Trust = hit.TrustWebhook }), true, true},
		{"of a larger source", change(func(f *hit.Fact) { f.Source[0] = 1 }), false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.other.ReceivedAt = 55
			want := base
			if tt.wins {
				want = tt.other
			}
			want.ReceivedAt = 55
			for _, pair := range [][2]hit.Fact{{base, tt.other}, {tt.other, base}} {
				winner, same := timeline.Merge(pair[0], pair[1])
				if diff := gocmp.Diff(want, winner); diff != "" || same != tt.same {
					t.Errorf("same %v\n%s", same, diff)
				}
			}
		})
	}
}

// TestDerive_BareFacts feeds facts whose body is missing: storage could hold such
// ones after a mistake, and one of them must not stop a workspace.
func TestDerive_BareFacts(t *testing.T) {
	t.Parallel()
	var facts stage
	for i, kind := range []hit.Kind{"message", "status", "click", "inbound", "page", "event", "identify", "raw", ""} {
		f := facts.add(kind, 0, fmt.Sprint(i), 1)
		f.Channel = hit.ChannelWhatsApp
		f.Identifiers = who(hit.Phone, "p")
		f.Device = &hit.Identifier{Kind: hit.Device, Value: "dv"}
	}
	if out := derive(policy.Default(), facts); len(out.Conversions) > 0 {
		t.Errorf("conversions of nothing: %v", out.Conversions)
	}
	derive(policy.Policy{}, nil)
}

func TestDependencies(t *testing.T) {
	t.Parallel()
	deptest.Check(t, ".", deptest.Pure(
		"timeline is where the pure packages meet: it is pure itself",
		"github.com/cockroachdb/apd/v3", "github.com/google/uuid", "github.com/nyaruka/phonenumbers", "golang.org/x/text",
		"github.com/rivo/uniseg", "golang.org/x/net/publicsuffix", "golang.org/x/net/idna",
		"google.golang.org/protobuf", // by way of phonenumbers
		"github.com/touchline/touchline/services/internal/hit",
		"github.com/touchline/touchline/services/attribution/fact", "github.com/touchline/touchline/services/attribution/policy",
		"github.com/touchline/touchline/services/attribution/identity", "github.com/touchline/touchline/services/attribution/keyword",
		"github.com/touchline/touchline/services/attribution/channel", "github.com/touchline/touchline/services/attribution/touch",
		"github.com/touchline/touchline/services/attribution/agent", "github.com/touchline/touchline/services/attribution/conversion", "github.com/touchline/touchline/services/attribution/credit",
	))
}
