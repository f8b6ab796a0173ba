package touch

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/channel"
	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/internal/hit"
)

func TestRank(t *testing.T) {
	t.Parallel()
	for tier, want := range map[string]int{"click": 0, "reply": 0, "read": 1, "delivered": 2, "sent": 3, "other": 3} {
		if got := Rank(tier); got != want {
			t.Errorf("rank of %s: %d, want %d", tier, got, want)
		}
	}
}

func TestTouch_Template(t *testing.T) {
	t.Parallel()
	for want, touch := range map[string]Touch{
		"":      {},
		"hello": {Message: &Message{Template: &hit.Template{Name: "hello"}}},
	} {
		if got := touch.Template(); got != want {
			t.Errorf("template %q, want %q", got, want)
		}
	}
	if got := (&Touch{Message: &Message{}}).Template(); got != "" {
		t.Errorf("a message without a template has %q", got)
	}
}

func TestBook_RecordsByChannelAndID(t *testing.T) {
	t.Parallel()
	facts := []hit.Fact{registration("b", 1, hit.Message{}), registration("a", 1, hit.Message{}), registration("c", 1, hit.Message{})}
	mail := registration("z", 1, hit.Message{})
	mail.Channel = hit.ChannelEmail
	facts = append(facts, mail, hit.Fact{Kind: hit.KindPage, ID: "p"})
	for range facts {
		facts = append(facts[1:], facts[0])
		var got []string
		for _, r := range NewBook(facts).Records() {
			got = append(got, r.Channel+" "+r.ID)
		}
		if diff := cmp.Diff([]string{"email z", "whatsapp a", "whatsapp b", "whatsapp c"}, got); diff != "" {
			t.Error(diff)
		}
	}
}

// What statuses say beside the stage: the earliest that says anything counts; of one
// instant the smaller status.
func TestNewBook_WordsOfStatuses(t *testing.T) {
	t.Parallel()
	facts := []hit.Fact{
		status("m", "failed", 5, hit.Report{Reason: "of failed"}), status("m", "bounced", 5, hit.Report{Reason: "of bounced"}),
		status("m", "sent", 4, hit.Report{}), status("m", "unsubscribed", 6, hit.Report{Sender: "late", Category: "late"}),
		{Kind: hit.KindStatus, Channel: hit.ChannelWhatsApp, ID: "m", Status: "read", At: 0},
		status("n", "bounced", 7, hit.Report{Reason: "second", Sender: "two"}), status("n", "failed", 6, hit.Report{Reason: "first", Sender: "one", Category: "utility"}),
	}
	for range facts {
		facts = append(facts[1:], facts[0])
		b := NewBook(facts)
		m, n := b.Find(hit.ChannelWhatsApp, "m"), b.Find(hit.ChannelWhatsApp, "n")
		if m.FailureReason != "of bounced" || m.FailedAt != 5 || m.Sender != "late" || m.Category != "late" || m.SentAt != 4 {
			t.Errorf("m: %+v", m.Message)
		}
		if n.FailureReason != "first" || n.FailedAt != 6 || n.Sender != "one" || n.Category != "utility" {
			t.Errorf("n: %+v", n.Message)
		}
	}
}

func TestNewBook_RegistrationOfNothing(t *testing.T) {
	t.Parallel()
	empty := registration("m", 5, hit.Message{})
	empty.Message = nil
	b := NewBook([]hit.Fact{empty})
	r := b.Records()[0]
	if r.SentAt != 5 || !r.Registered || !r.Session {
		t.Errorf("%+v", r.Message)
	}
	if b.FindToken("") != nil {
		t.Error("a message without a token is that of the empty one")
	}
}

func TestRecord_TouchOnlyOfWhatArrives(t *testing.T) {
	t.Parallel()
	p := policy.Default()
	of := func(facts ...hit.Fact) *Record {
		r := NewBook(facts).Records()[0]
		r.Person = uuid.NameSpaceURL
		return r
	}
	if _, ok := of(registration("m", 5, hit.Message{Campaign: "c"}), status("m", "failed", 6)).Touch(&p); ok {
		t.Error("a failed message is a touchpoint")
	}
	if got, ok := of(status("m", "payment:captured", 6)).Touch(&p); !ok || len(got.Engagements) > 0 {
		t.Errorf("nobody knows that it was sent: %v %v", got.Engagements, ok)
	}
	if got, _ := of(status("m", "sent", 1)).Touch(&p); len(got.Engagements) != 1 || got.Engagements[0] != (Engagement{policy.TierSent, 1, "m"}) {
		t.Errorf("engagements %v", got.Engagements)
	}
}

func TestBook_ExplicitOfNothing(t *testing.T) {
	t.Parallel()
	if r, named := NewBook(nil).Explicit(&hit.Fact{Kind: hit.KindInbound}); r != nil || !named {
		t.Errorf("a fact without an inbound message answers %v (%v)", r, named)
	}
	for _, notice := range []string{"system", "request_welcome", "edit", "revoke", "reaction_removed"} {
		if !Notice(&hit.Inbound{Type: notice}) {
			t.Errorf("%s is no notice", notice)
		}
	}
	if Notice(&hit.Inbound{Type: "text"}) {
		t.Error("a text is a notice")
	}
}

func TestChats_ImplicitEdges(t *testing.T) {
	t.Parallel()
	anna := uuid.NameSpaceURL
	campaign := hit.Message{Sender: "1", Campaign: "c"}
	one := []hit.Fact{registration("m", 1, campaign)}
	sms := inbound(2, hit.Inbound{Business: "1"})
	sms.Channel = hit.ChannelSMS
	tests := []struct {
		name   string
		facts  []hit.Fact
		person uuid.UUID
		fact   *hit.Fact
		want   string
	}{
		{"the only message", one, anna, inbound(2, hit.Inbound{Business: "1"}), "m"},
		{"nobody's message is not nobody's answered", one, uuid.Nil, inbound(2, hit.Inbound{Business: "1"}), ""},
		{"an SMS answers no WhatsApp message", one, anna, sms, ""},
		{"one that nobody knows was sent", []hit.Fact{status("m", "payment:captured", 6, hit.Report{Sender: "1"})}, anna, inbound(7, hit.Inbound{Business: "1"}), ""},
		{"one sent a microsecond later", []hit.Fact{registration("m", 3, campaign)}, anna, inbound(2, hit.Inbound{Business: "1"}), ""},
		{"the number that the channel names, not the sender's word", []hit.Fact{
			registration("m", 1, campaign), status("m", "delivered", 1, hit.Report{Sender: "2"}),
		}, anna, inbound(2, hit.Inbound{Business: "2"}), "m"},
		{"neither's number", []hit.Fact{
			registration("m", 1, campaign), status("m", "delivered", 1, hit.Report{Sender: "2"}), {Kind: hit.KindStatus, Channel: hit.ChannelWhatsApp, ID: "m", Status: "read"},
		}, anna, inbound(2, hit.Inbound{Business: "3"}), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := NewBook(tt.facts)
			for _, r := range b.Records() {
				r.Person = tt.person
			}
			p := policy.Default()
			id := ""
			if r := NewChats(b, &p).Implicit(tt.fact, tt.person); r != nil {
				id = r.ID
			}
			if id != tt.want {
				t.Errorf("answers %q, want %q", id, tt.want)
			}
		})
	}
}

func TestSessions_Pause(t *testing.T) {
	t.Parallel()
	at := func(id string, at hit.Instant) *hit.Fact {
		f := views("0 " + id + " x")[0]
		f.At = at
		return f
	}
	tests := []struct {
		name  string
		pages []*hit.Fact
		want  []string
	}{
		{"thirty minutes", []*hit.Fact{at("a", hour), at("b", hour+1800*second)}, []string{"a"}},
		{"a microsecond more", []*hit.Fact{at("a", hour), at("b", hour+1800*second+1)}, []string{"a", "b"}},
		{"by time, not by id", []*hit.Fact{at("b", hour), at("a", hour+1801*second)}, []string{"b", "a"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for range 2 {
				var got []string
				for _, sessions := range Sessions(tt.pages, NewBook(nil)) {
					for _, s := range sessions {
						got = append(got, s.First.ID)
					}
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Error(diff)
				}
				slices.Reverse(tt.pages)
			}
		})
	}
}

// One event id from two sources at one instant: the smaller source is the first.
func TestSessions_OneIDOfTwoSources(t *testing.T) {
	t.Parallel()
	pages := views("0 a x", "0 a y")
	pages[0].Source, pages[1].Source = uuid.UUID{2}, uuid.UUID{1}
	for range 2 {
		for _, sessions := range Sessions(slices.Clone(pages), NewBook(nil)) {
			if got := sessions[0].First.Source; got != (uuid.UUID{1}) || len(sessions) != 1 {
				t.Errorf("%d sessions, the first of %s", len(sessions), got)
			}
		}
		slices.Reverse(pages)
	}
}

func TestSession_NoVisit(t *testing.T) {
	t.Parallel()
	dv := hit.Identifier{Kind: hit.Device, Value: "dv"}
	pages := map[string]*hit.Fact{
		"a page view of nothing": {Kind: hit.KindPage, ID: "p", Device: &dv},
		"a direct one":           {Kind: hit.KindPage, ID: "p", Device: &dv, Page: &hit.Page{URL: "https://shop.example/"}},
	}
	for name, page := range pages {
		for _, sessions := range Sessions([]*hit.Fact{page}, NewBook(nil)) {
			if got, ok := sessions[0].Visit(channel.Ignored{}); ok || got.Key != "" || !sessions[0].Params.Empty() || sessions[0].Token {
				t.Errorf("%s is a visit: %+v", name, got)
			}
		}
	}
}

func TestAd(t *testing.T) {
	t.Parallel()
	got, ok := Ad(inbound(9, hit.Inbound{Referral: &hit.Referral{SourceID: "ad1"}}))
	want := Touch{Channel: ChannelAd, Key: "in", Campaign: "ad1", Engagements: []Engagement{{policy.TierClick, 9, "in"}}}
	if diff := cmp.Diff(want, got); diff != "" || !ok {
		t.Errorf("%v\n%s", ok, diff)
	}
	for _, f := range []*hit.Fact{inbound(9, hit.Inbound{}), {Kind: hit.KindInbound}} {
		if _, ok := Ad(f); ok {
			t.Errorf("%+v is an ad", f)
		}
	}
}

// Many messages of one instant: the largest id is the latest.
func TestChats_ManyOfOneInstant(t *testing.T) {
	t.Parallel()
	var facts []hit.Fact
	for i := range 100 {
		facts = append(facts, registration(fmt.Sprintf("m%02d", (i*37)%100), hour, hit.Message{Sender: "1", Campaign: "c"}))
	}
	b := NewBook(facts)
	for _, r := range b.Records() {
		r.Person = uuid.NameSpaceURL
	}
	p := policy.Default()
	if r := NewChats(b, &p).Implicit(inbound(hour, hit.Inbound{Business: "1"}), uuid.NameSpaceURL); r == nil || r.ID != "m99" {
		t.Errorf("answers %v", r)
	}
}

// What the channel called the recipient when a message was sent is kept with the
// message that it names, and makes none known.
func TestNewBook_Responses(t *testing.T) {
	t.Parallel()
	answer := func(id, message string) hit.Fact {
		return hit.Fact{Kind: hit.KindIdentify, Channel: hit.ChannelWhatsApp, ID: id, Identify: &hit.Identify{Message: message}}
	}
	facts := []hit.Fact{
		answer("r1", "m"), answer("r2", "unknown"), answer("r3", ""),
		{Kind: hit.KindIdentify, Channel: hit.ChannelWhatsApp, ID: "r4"},
		registration("m", 1, hit.Message{}), registration("", 1, hit.Message{}), answer("r5", "m"),
	}
	other := answer("r6", "m")
	other.Channel = hit.ChannelEmail
	book := NewBook(append(facts, other))
	got := map[string][]string{}
	for _, r := range book.Records() {
		got[r.ID] = nil
		for _, f := range r.Responses {
			got[r.ID] = append(got[r.ID], f.ID)
		}
	}
	if diff := cmp.Diff(map[string][]string{"m": {"r1", "r5"}, "": nil}, got); diff != "" {
		t.Error(diff)
	}
}

func TestRecord_Senders(t *testing.T) {
	t.Parallel()
	facts := []hit.Fact{
		registration("m", 1, hit.Message{Sender: "3"}), status("m", hit.StatusSent, 2, hit.Report{Sender: "2"}),
		status("m", hit.StatusDelivered, 3, hit.Report{Sender: "3"}), status("m", hit.StatusRead, 4, hit.Report{Sender: "1"}),
		{Kind: hit.KindStatus, Channel: hit.ChannelWhatsApp, ID: "m", Status: hit.StatusPlayed, At: 5},
	}
	if got := NewBook(facts).Records()[0].Senders(); !slices.Equal(got, []string{"1", "2", "3"}) {
		t.Errorf("senders %q", got)
	}
}

// A message is engaged with from its first stage, click or reply to its last.
func TestRecord_Engage(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		facts         []hit.Fact
		clicks, reply []hit.Instant
		first, last   hit.Instant
	}{
		"never":            {facts: []hit.Fact{status("m", hit.StatusFailed, 4)}},
		"by its stages":    {facts: []hit.Fact{status("m", hit.StatusSent, 4), status("m", hit.StatusDelivered, 5), status("m", hit.StatusRead, 7)}, first: 4, last: 7},
		"read alone":       {facts: []hit.Fact{status("m", hit.StatusRead, 7)}, first: 7, last: 7},
		"clicked":          {facts: []hit.Fact{status("m", hit.StatusSent, 4)}, clicks: []hit.Instant{9, 6}, first: 4, last: 9},
		"answered earlier": {facts: []hit.Fact{status("m", hit.StatusSent, 4)}, reply: []hit.Instant{3}, first: 3, last: 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := NewBook(tt.facts).Records()[0]
			for _, at := range tt.clicks {
				r.Click(at, "k")
			}
			for _, at := range tt.reply {
				r.Reply(at, "in")
			}
			r.EngagedFrom, r.EngagedTo = 1, 99 // of an earlier count
			r.Engage()
			if r.EngagedFrom != tt.first || r.EngagedTo != tt.last {
				t.Errorf("from %d to %d, want %d to %d", r.EngagedFrom, r.EngagedTo, tt.first, tt.last)
			}
		})
	}
}
