package touch

import (
	"cmp"
	"slices"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/fact"
	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/internal/hit"
)

// categoryService is the pricing category of free answers within a chat.
const categoryService = "service"

// Message is the state of one message: a join over all that was said of it.
// Instants are 0 when the thing did not happen.
type Message struct {
	Channel  string
	ID       string
	Anchor   uuid.UUID // value of the reference that its facts share
	Sender   string    // the business' number or address
	Template *hit.Template
	Campaign string
	Variant  string
	Token    string
	Category string // pricing category
	Cost     *hit.Amount

	Registered bool      // a sender registered it; else known from statuses alone
	Session    bool      // a chat answer: neither template nor campaign; unregistered: priced as service
	Person     uuid.UUID // of the recipient; [uuid.Nil]: no recipient was ever named

	Times
	FailureReason string

	// From its first to its last engagement, both inclusive; 0: none.
	EngagedFrom, EngagedTo hit.Instant
}

// Times are the earliest instants at which a message reached its stages; 0: never.
// A later stage implies the earlier ones.
type Times struct {
	SentAt      hit.Instant
	DeliveredAt hit.Instant
	ReadAt      hit.Instant
	ClickedAt   hit.Instant
	RepliedAt   hit.Instant
	FailedAt    hit.Instant // set only when it was neither delivered nor read
}

// Failed reports whether the message never arrived.
func (m *Message) Failed() bool { return m.FailedAt != 0 }

// Record is a message with the facts that its state is joined from.
type Record struct {
	Message
	Registration *hit.Fact   // nil: none
	Statuses     []*hit.Fact // by (time, status)
	Responses    []*hit.Fact // send responses: what the channel calls the recipient

	engagements []Engagement
}

// Book holds every message known.
type Book struct {
	records []*Record // by (channel, id)
	byKey   map[key]*Record
	byToken map[string]*Record
}

// NewBook joins registrations and statuses into messages. A send response says only
// who the recipient is: it makes no message known. Other facts are passed over; each
// fact comes once.
func NewBook(facts []hit.Fact) *Book {
	b := &Book{byKey: map[key]*Record{}, byToken: map[string]*Record{}}
	var responses []*hit.Fact
	for i := range facts {
		f := &facts[i]
		switch f.Kind {
		case hit.KindMessage:
			b.record(f).Registration = f
		case hit.KindStatus:
			r := b.record(f)
			r.Statuses = append(r.Statuses, f)
		case hit.KindIdentify:
			if f.Identify != nil && f.Identify.Message != "" {
				responses = append(responses, f)
			}
		}
	}
	for _, f := range responses {
		if r := b.Find(f.Channel, f.Identify.Message); r != nil {
			r.Responses = append(r.Responses, f)
		}
	}
	slices.SortFunc(b.records, func(a, b *Record) int { return a.key().compare(b.key()) })
	for _, r := range b.records {
		slices.SortFunc(r.Statuses, func(a, b *hit.Fact) int {
			return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.Status, b.Status))
		})
		r.join()
		if _, taken := b.byToken[r.Token]; r.Token != "" && !taken {
			b.byToken[r.Token] = r // the smaller (channel, id) comes first
		}
	}
	return b
}

func (b *Book) record(f *hit.Fact) *Record {
	k := key{f.Channel, f.ID}
	r, known := b.byKey[k]
	if !known {
		r = &Record{Message: Message{Channel: f.Channel, ID: f.ID, Anchor: fact.MessageRef(f.Channel, f.ID).Value}}
		b.byKey[k] = r
		b.records = append(b.records, r)
	}
	return r
}

func (r *Record) key() key { return key{r.Channel, r.ID} }

// Records lists all messages by channel and id.
func (b *Book) Records() []*Record { return b.records }

// Find returns the message of a channel and id; nil when it is not known.
func (b *Book) Find(channel, id string) *Record { return b.byKey[key{channel, id}] }

// FindToken returns the message of a click token; nil when it is not known.
func (b *Book) FindToken(token string) *Record { return b.byToken[token] }

// join draws the state from registration and statuses.
func (r *Record) join() {
	if f := r.Registration; f != nil {
		r.Registered = true
		reach(&r.SentAt, f.At)
		if m := f.Message; m != nil {
			r.Sender, r.Template, r.Campaign, r.Variant = m.Sender, m.Template, m.Campaign, m.Variant
			r.Token, r.Cost = m.Token, m.Cost
		}
		if r.Template != nil && r.Template.Name == "" {
			r.Template = nil
		}
	}
	for _, f := range r.Statuses {
		r.joinStatus(f)
	}
	reach(&r.DeliveredAt, r.ReadAt)
	reach(&r.SentAt, r.DeliveredAt)
	if r.DeliveredAt != 0 {
		r.FailedAt, r.FailureReason = 0, ""
	}
	r.Session = r.Registered && r.Template == nil && r.Campaign == "" ||
		!r.Registered && r.Category == categoryService
}

func (r *Record) joinStatus(f *hit.Fact) {
	report := f.Report
	if report == nil {
		report = &hit.Report{}
	}
	r.Sender = cmp.Or(r.Sender, report.Sender)
	r.Category = cmp.Or(r.Category, report.Category)
	switch f.Status {
	case hit.StatusSent:
		reach(&r.SentAt, f.At)
	case hit.StatusDelivered:
		reach(&r.DeliveredAt, f.At)
	case hit.StatusRead, hit.StatusPlayed:
		if report.Machine {
			reach(&r.DeliveredAt, f.At)
		} else {
			reach(&r.ReadAt, f.At)
		}
	case hit.StatusFailed, hit.StatusBounced:
		reach(&r.FailedAt, f.At)
		r.FailureReason = cmp.Or(r.FailureReason, report.Reason)
	}
}

// reach moves a stage to an earlier instant; 0 is none.
func reach(stage *hit.Instant, at hit.Instant) {
	if at != 0 && (*stage == 0 || at < *stage) {
		*stage = at
	}
}

// sentBy reports whether the message came from a number or address of the
// business, by the word of its sender or of the channel.
func (r *Record) sentBy(business string) bool {
	if r.Sender == business {
		return true
	}
	return slices.ContainsFunc(r.Statuses, func(f *hit.Fact) bool {
		return f.Report != nil && f.Report.Sender == business
	})
}

// Senders lists the numbers and addresses of the business that the message came from,
// sorted, each once.
func (r *Record) Senders() []string {
	all := []string{r.Sender}
	for _, f := range r.Statuses {
		if f.Report != nil {
			all = append(all, f.Report.Sender)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Click notes that the message's link was followed.
func (r *Record) Click(at hit.Instant, factID string) {
	reach(&r.ClickedAt, at)
	r.engagements = append(r.engagements, Engagement{Tier: policy.TierClick, At: at, Fact: factID})
}

// Reply notes that the message was answered.
func (r *Record) Reply(at hit.Instant, factID string) {
	reach(&r.RepliedAt, at)
	r.engagements = append(r.engagements, Engagement{Tier: policy.TierReply, At: at, Fact: factID})
}

// Engage notes from when to when the message was engaged with, failed or not. Call it
// once all clicks and replies are noted.
func (r *Record) Engage() {
	r.EngagedFrom, r.EngagedTo = 0, 0
	note := func(at hit.Instant) {
		reach(&r.EngagedFrom, at)
		r.EngagedTo = max(r.EngagedTo, at)
	}
	for _, at := range []hit.Instant{r.SentAt, r.DeliveredAt, r.ReadAt} {
		note(at)
	}
	for _, e := range r.engagements {
		note(e.At)
	}
}

// Ignored reports whether the message is a chat answer that earns nothing.
func (r *Record) Ignored(p *policy.Policy) bool {
	return r.Session && p.SessionMessages == policy.SessionIgnore
}

// Touch returns the message as a touchpoint. The second result is false for a
// message that earns nothing: failed, sent to nobody, or an ignored chat answer.
func (r *Record) Touch(p *policy.Policy) (Touch, bool) {
	if r.Failed() || r.Person == uuid.Nil || r.Ignored(p) {
		return Touch{}, false
	}
	return r.Candidate(), true
}

// Candidate returns the message as a touchpoint, also when it is one that earns
// nothing.
func (r *Record) Candidate() Touch {
	t := Touch{
		Channel: r.Channel, Key: r.ID, Person: r.Person, Campaign: r.Campaign,
		Message: &r.Message, Engagements: slices.Clip(r.engagements),
	}
	for _, stage := range []Engagement{
		{policy.TierRead, r.ReadAt, r.ID},
		{policy.TierDelivered, r.DeliveredAt, r.ID},
		{policy.TierSent, r.SentAt, r.ID},
	} {
		if stage.At != 0 {
			t.Engagements = append(t.Engagements, stage)
		}
	}
	return t
}
