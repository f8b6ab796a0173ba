package touch

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/touchline/touchline/services/attribution/channel"
	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/internal/deptest"
	"github.com/touchline/touchline/services/internal/hit"
)

const hour = 3600 * second

func registration(id string, at hit.Instant, m hit.Message) hit.Fact {
	return hit.Fact{Kind: hit.KindMessage, Channel: hit.ChannelWhatsApp, ID: id, At: at, Trust: hit.TrustServer, Message: &m}
}

func status(id string, s hit.Status, at hit.Instant, report ...hit.Report) hit.Fact {
	f := hit.Fact{Kind: hit.KindStatus, Channel: hit.ChannelWhatsApp, ID: id, Status: s, At: at, Trust: hit.TrustWebhook, Report: &hit.Report{}}
	if len(report) > 0 {
		f.Report = &report[0]
	}
	return f
}

func TestNewBook_State(t *testing.T) {
	t.Parallel()
	spring := hit.Message{Template: &hit.Template{Name: "spring"}}
	tests := []struct {
		name  string
		facts []hit.Fact
		want  Times
	}{
		{"a registration is sent", []hit.Fact{registration("m", 5, spring)}, Times{SentAt: 5}},
		{"the earliest of each", []hit.Fact{registration("m", 5, spring), status("m", "sent", 4), status("m", "delivered", 9)}, Times{SentAt: 4, DeliveredAt: 9}},
		{"a read implies delivered and sent", []hit.Fact{status("m", "read", 7)}, Times{7, 7, 7, 0, 0, 0}},
		{"a delivered stamp after the read", []hit.Fact{status("m", "delivered", 9), status("m", "read", 7)}, Times{7, 7, 7, 0, 0, 0}},
		{"played is read, the earlier", []hit.Fact{status("m", "played", 7), status("m", "read", 8)}, Times{7, 7, 7, 0, 0, 0}},
		{"failed", []hit.Fact{status("m", "sent", 1), status("m", "failed", 2)}, Times{SentAt: 1, FailedAt: 2}},
		{"bounced", []hit.Fact{status("m", "bounced", 2)}, Times{FailedAt: 2}},
		{"failed but delivered", []hit.Fact{status("m", "failed", 2), status("m", "delivered", 9)}, Times{SentAt: 9, DeliveredAt: 9}},
		{"unsubscribed is no failure", []hit.Fact{status("m", "sent", 1), status("m", "unsubscribed", 2)}, Times{SentAt: 1}},
		{"a machine's open is delivered", []hit.Fact{status("m", "read", 7, hit.Report{Machine: true})}, Times{SentAt: 7, DeliveredAt: 7}},
		{"a payment is no stage", []hit.Fact{status("m", "payment:captured", 7)}, Times{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			records := NewBook(tt.facts).Records()
			if len(records) != 1 {
				t.Fatalf("%d messages", len(records))
			}
			if diff := cmp.Diff(tt.want, records[0].Times); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNewBook_SessionMessages(t *testing.T) {
	t.Parallel()
	service := hit.Report{Category: "service"}
	tests := []struct {
		name  string
		facts []hit.Fact
		want  bool
	}{
		{"neither template nor campaign", []hit.Fact{registration("m", 1, hit.Message{})}, true},
		{"a campaign", []hit.Fact{registration("m", 1, hit.Message{Campaign: "c"})}, false},
		{"a template", []hit.Fact{registration("m", 1, hit.Message{Template: &hit.Template{Name: "t"}})}, false},
		{"a template without a name", []hit.Fact{registration("m", 1, hit.Message{Template: &hit.Template{}})}, true},
		{"unregistered", []hit.Fact{status("m", "sent", 1)}, false},
		{"unregistered and priced as service", []hit.Fact{status("m", "sent", 1, service)}, true},
		{"registered with a campaign and priced as service", []hit.Fact{registration("m", 1, hit.Message{Campaign: "c"}), status("m", "sent", 1, service)}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := NewBook(tt.facts).Records()[0]
			ignore, count := policy.Default(), policy.Default()
			count.SessionMessages = policy.SessionCount
			r.Person = uuid.NameSpaceURL
			if r.Session != tt.want || r.Ignored(&ignore) != tt.want || r.Ignored(&count) {
				t.Errorf("session %v", r.Session)
			}
			if _, earns := r.Touch(&ignore); earns == tt.want {
				t.Errorf("is a touchpoint: %v", earns)
			}
			if _, earns := r.Touch(&count); !earns {
				t.Error("does not count though the policy says so")
			}
		})
	}
}

func TestBook_TokenOfTwoMessages(t *testing.T) {
	t.Parallel()
	mail := registration("a", 1, hit.Message{Token: "tk"})
	mail.Channel = hit.ChannelEmail
	b := NewBook([]hit.Fact{registration("b", 1, hit.Message{Token: "tk"}), registration("c", 1, hit.Message{Token: "tk"}), mail})
	if r := b.FindToken("tk"); r == nil || r.Channel != hit.ChannelEmail {
		t.Errorf("the token is %v's, want the smaller (channel, id)", r)
	}
	if b.FindToken("") != nil || b.FindToken("other") != nil {
		t.Error("an unknown token has a message")
	}
}

func TestNewBook_OrderDoesNotMatter(t *testing.T) {
	t.Parallel()
	stage := rapid.Custom(func(t *rapid.T) hit.Fact {
		id := rapid.SampledFrom([]string{"m", "n"}).Draw(t, "id")
		s := rapid.SampledFrom([]hit.Status{"sent", "delivered", "read", "played", "failed", "bounced"}).Draw(t, "status")
		return status(id, s, hit.Instant(rapid.IntRange(1, 5).Draw(t, "at")), hit.Report{
			Category: rapid.SampledFrom([]string{"", "marketing", "service"}).Draw(t, "category"),
			Reason:   rapid.SampledFrom([]string{"", "x", "y"}).Draw(t, "reason"),
		})
	})
	rapid.Check(t, func(t *rapid.T) {
		// A status comes once for each message: it is the key of the fact.
		facts := rapid.SliceOfDistinct(stage, func(f hit.Fact) string { return f.ID + string(f.Status) }).Draw(t, "facts")
		states := func(facts []hit.Fact) (all []Message) {
			for _, r := range NewBook(facts).Records() {
				all = append(all, r.Message)
			}
			return all
		}
		again := slices.Clone(facts)
		if diff := cmp.Diff(states(facts), states(rapid.Permutation(again).Draw(t, "again"))); diff != "" {
			t.Fatal(diff)
		}
		for _, m := range states(facts) {
			if m.DeliveredAt != 0 && (m.Failed() || m.SentAt == 0 || m.SentAt > m.DeliveredAt) || m.ReadAt != 0 && m.DeliveredAt > m.ReadAt {
				t.Fatalf("stages out of order: %+v", m.Times)
			}
		}
	})
}

// views are page views of one device: "minutes id url".
func views(lines ...string) []*hit.Fact {
	dv := hit.Identifier{Kind: hit.Device, Value: "dv"}
	var facts []*hit.Fact
	for _, line := range lines {
		part := strings.Fields(line)
		var minutes hit.Instant
		for _, digit := range part[0] {
			minutes = minutes*10 + hit.Instant(digit-'0')
		}
		facts = append(facts, &hit.Fact{
			Kind: hit.KindPage, ID: part[1], At: hour + minutes*60*second, Device: &dv, Page: &hit.Page{URL: "https://shop.example/" + part[2]},
		})
	}
	return facts
}

func TestSessions_Cut(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		pages []*hit.Fact
		want  []string // first page of each session
	}{
		{"thirty minutes are still one", views("0 a x", "30 b x", "60 c x"), []string{"a"}},
		{"in order of time, then id", views("1 b ?gclid=1", "1 a ?fbclid=2"), []string{"a", "b"}},
		{"the same parameters again", views("0 a ?gclid=1", "5 b x", "9 c ?gclid=1"), []string{"a"}},
		{"others", views("0 a ?gclid=1", "5 b ?gclid=2"), []string{"a", "b"}},
		{"fewer", views("0 a ?utm_source=x&utm_medium=y", "5 b ?utm_source=x"), []string{"a", "b"}},
		{"a known token", views("0 a x", "5 b ?mt=tk"), []string{"a", "b"}},
		{"an unknown token", views("0 a x", "5 b ?mt=nobody"), []string{"a"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := NewBook([]hit.Fact{registration("m", 1, hit.Message{Token: "tk"})})
			var got []string
			for _, sessions := range Sessions(tt.pages, b) {
				for _, s := range sessions {
					got = append(got, s.First.ID)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSessions_UntilPauseOrNext(t *testing.T) {
	t.Parallel()
	sessions := Sessions(views("0 a x", "10 b x", "20 c ?gclid=1"), NewBook(nil))[hit.Identifier{Kind: hit.Device, Value: "dv"}]
	if len(sessions) != 2 || sessions[0].Until != sessions[1].First.At || sessions[1].Until != sessions[1].Last+Pause+1 {
		t.Errorf("%+v", sessions)
	}
	if len(Sessions([]*hit.Fact{{Kind: hit.KindPage, ID: "p", Page: &hit.Page{}}}, NewBook(nil))) > 0 {
		t.Error("a page view without a device has a session")
	}
}

func TestSession_Visit(t *testing.T) {
	t.Parallel()
	b := NewBook([]hit.Fact{registration("m", 1, hit.Message{Token: "tk"})})
	for _, sessions := range Sessions(views("0 a ?utm_source=news&utm_medium=email&utm_campaign=May&mt=tk"), b) {
		if _, ok := sessions[0].Visit(channel.Ignored{}); ok {
			t.Error("a click on a message is a visit")
		}
	}
	for _, sessions := range Sessions(views("0 a ?utm_source=news&utm_medium=email&utm_campaign=May&mt=zz"), b) {
		got, ok := sessions[0].Visit(channel.Ignored{})
		want := Touch{Channel: "email", Key: "a", Campaign: "May", Device: hit.Identifier{Kind: hit.Device, Value: "dv"}, Engagements: []Engagement{{policy.TierClick, hour, "a"}}}
		if diff := cmp.Diff(want, got); diff != "" || !ok {
			t.Error(diff)
		}
	}
}

func inbound(at hit.Instant, in hit.Inbound) *hit.Fact {
	if in.Type == "" {
		in.Type = "text"
	}
	return &hit.Fact{Kind: hit.KindInbound, Channel: hit.ChannelWhatsApp, ID: "in", At: at, Inbound: &in}
}

func TestBook_Explicit(t *testing.T) {
	t.Parallel()
	b := NewBook([]hit.Fact{registration("m1", 1, hit.Message{Token: "tk1"}), registration("m2", 1, hit.Message{Token: "tk2"})})
	sms := inbound(9, hit.Inbound{Context: "m1"})
	sms.Channel = hit.ChannelSMS
	tests := []struct {
		name  string
		fact  *hit.Fact
		want  string
		named bool
	}{
		{"by context", inbound(9, hit.Inbound{Context: "m1"}), "m1", true},
		{"context before token", inbound(9, hit.Inbound{Context: "m1", Token: "tk2"}), "m1", true},
		{"unknown context before token", inbound(9, hit.Inbound{Context: "zz", Token: "tk2"}), "", true},
		{"by token", inbound(9, hit.Inbound{Token: "tk2"}), "m2", true},
		{"unknown token", inbound(9, hit.Inbound{Token: "zz"}), "", true},
		{"names none", inbound(9, hit.Inbound{}), "", false},
		{"context of another channel", sms, "", true},
		{"a notice answers nothing", inbound(9, hit.Inbound{Type: "revoke", Context: "m1"}), "", true},
		{"a reaction", inbound(9, hit.Inbound{Type: "reaction", Context: "m1"}), "m1", true},
		{"a removed reaction", inbound(9, hit.Inbound{Type: "reaction_removed", Context: "m1"}), "", true},
		{"unsupported is a reply", inbound(9, hit.Inbound{Type: "unsupported", Context: "m1"}), "m1", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, named := b.Explicit(tt.fact)
			id := ""
			if r != nil {
				id = r.ID
			}
			if id != tt.want || named != tt.named {
				t.Errorf("answers %q (%v), want %q (%v)", id, named, tt.want, tt.named)
			}
		})
	}
}

func TestChats_Implicit(t *testing.T) {
	t.Parallel()
	anna := uuid.NameSpaceURL
	campaign := func(sender string) hit.Message { return hit.Message{Sender: sender, Campaign: "c"} }
	mail := registration("mail", hour, campaign("1"))
	mail.Channel = hit.ChannelEmail
	facts := []hit.Fact{
		registration("a", hour, campaign("1")), registration("b", hour, campaign("1")),
		registration("other", 2*hour, campaign("2")), registration("chat", 3*hour, hit.Message{Sender: "1"}),
		registration("gone", 3*hour, campaign("1")), status("gone", "failed", 4*hour),
		status("late", "sent", 30*hour, hit.Report{Sender: "1"}), mail,
	}
	tests := []struct {
		name   string
		fact   *hit.Fact
		sender uuid.UUID
		want   string
	}{
		{"the latest, of one instant the larger id", inbound(5*hour, hit.Inbound{Business: "1"}), anna, "b"},
		{"at the very instant", inbound(hour, hit.Inbound{Business: "1"}), anna, "b"},
		{"exactly the window later", inbound(25*hour, hit.Inbound{Business: "1"}), anna, "b"},
		{"a microsecond beyond", inbound(25*hour+1, hit.Inbound{Business: "1"}), anna, ""},
		{"another number", inbound(5*hour, hit.Inbound{Business: "2"}), anna, "other"},
		{"an unregistered one", inbound(31*hour, hit.Inbound{Business: "1"}), anna, "late"},
		{"another person", inbound(5*hour, hit.Inbound{Business: "1"}), uuid.NameSpaceDNS, ""},
		{"nobody", inbound(5*hour, hit.Inbound{Business: "1"}), uuid.Nil, ""},
		{"from an ad", inbound(5*hour, hit.Inbound{Business: "1", Referral: &hit.Referral{}}), anna, ""},
		{"in a group", inbound(5*hour, hit.Inbound{Business: "1", Group: true}), anna, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := NewBook(facts)
			for _, r := range b.Records() {
				r.Person = anna
			}
			p := policy.Default()
			id := ""
			if r := NewChats(b, &p).Implicit(tt.fact, tt.sender); r != nil {
				id = r.ID
			}
			if id != tt.want {
				t.Errorf("answers %q, want %q", id, tt.want)
			}
			p.ImplicitReplyWindowSeconds = 0
			if r := NewChats(b, &p).Implicit(tt.fact, tt.sender); r != nil {
				t.Errorf("answers %q though it is off", r.ID)
			}
		})
	}
}

func TestRecord_Touch(t *testing.T) {
	t.Parallel()
	p := policy.Default()
	b := NewBook([]hit.Fact{registration("m", 5, hit.Message{Campaign: "c"}), status("m", "read", 9)})
	r := b.Find(hit.ChannelWhatsApp, "m")
	r.Click(20, "p2")
	r.Click(10, "p1")
	r.Reply(30, "in")
	if _, ok := r.Touch(&p); ok {
		t.Error("a message to nobody is a touchpoint")
	}
	r.Person = uuid.NameSpaceURL
	got, _ := r.Touch(&p)
	want := Touch{Channel: hit.ChannelWhatsApp, Key: "m", Person: r.Person, Campaign: "c", Engagements: []Engagement{
		{policy.TierClick, 20, "p2"},
		{policy.TierClick, 10, "p1"},
		{policy.TierReply, 30, "in"},
		{policy.TierRead, 9, "m"},
		{policy.TierDelivered, 9, "m"},
		{policy.TierSent, 5, "m"},
	}}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Touch{}, "Message")); diff != "" {
		t.Error(diff)
	}
	if r.ClickedAt != 10 || r.RepliedAt != 30 {
		t.Errorf("clicked %d, replied %d", r.ClickedAt, r.RepliedAt)
	}
}

func TestDependencies(t *testing.T) {
	t.Parallel()
	deptest.Check(t, ".", deptest.Pure(
		"touch is part of what decides a credit: it is pure",
		"github.com/google/uuid", "github.com/nyaruka/phonenumbers", "golang.org/x/text", "golang.org/x/net/publicsuffix",
		"golang.org/x/net/idna", "github.com/cockroachdb/apd/v3",
		"google.golang.org/protobuf", // by way of phonenumbers
		"github.com/touchline/touchline/services/internal/hit", "github.com/touchline/touchline/services/attribution/fact",
		"github.com/touchline/touchline/services/attribution/channel", "github.com/touchline/touchline/services/attribution/policy",
	))
}
