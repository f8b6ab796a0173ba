package touch

import (
	"cmp"
	"slices"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/internal/hit"
)

// Notice reports whether an inbound message is a notice of the channel instead of
// something that a person wrote: it is kept, but neither a reply nor a message.
func Notice(in *hit.Inbound) bool {
	switch in.Type {
	case "system", "request_welcome", "edit", "revoke", "reaction_removed":
		return true
	}
	return false
}

// Explicit returns the message that an inbound message answers by its context or
// token, nil when that is not known. The second result is false when it names none,
// so that it may be an answer implicitly.
func (b *Book) Explicit(f *hit.Fact) (*Record, bool) {
	switch {
	case f.Inbound == nil || Notice(f.Inbound):
		return nil, true
	case f.Inbound.Context != "":
		return b.Find(f.Channel, f.Inbound.Context), true
	case f.Inbound.Token != "":
		return b.FindToken(f.Inbound.Token), true
	}
	return nil, false
}

// Chats finds the message that a text without context answers. Build it once the
// recipients' persons are known.
type Chats struct {
	window hit.Instant // implicit reply window, microseconds; 0: off
	sent   map[uuid.UUID][]*Record
}

// NewChats indexes the WhatsApp messages that can be answered implicitly.
func NewChats(b *Book, p *policy.Policy) *Chats {
	c := &Chats{window: hit.Instant(p.ImplicitReplyWindowSeconds) * second, sent: map[uuid.UUID][]*Record{}}
	for _, r := range b.records {
		if Answerable(r, p) {
			c.sent[r.Person] = append(c.sent[r.Person], r)
		}
	}
	for _, records := range c.sent {
		slices.SortFunc(records, func(a, b *Record) int {
			return cmp.Or(cmp.Compare(a.SentAt, b.SentAt), cmp.Compare(a.ID, b.ID))
		})
	}
	return c
}

// Answerable reports whether a message can be answered by an inbound message that
// names none.
func Answerable(r *Record, p *policy.Policy) bool {
	return r.Channel == hit.ChannelWhatsApp && r.Person != uuid.Nil && r.SentAt != 0 && !r.Failed() && !r.Ignored(p)
}

// Unaddressed reports whether an inbound message may answer one that it does not name.
func Unaddressed(f *hit.Fact) bool {
	return f.Channel == hit.ChannelWhatsApp && !f.Inbound.Group && f.Inbound.Referral == nil
}

// Implicit returns the latest message from that business number to the person who
// wrote, within the window before; nil when there is none.
func (c *Chats) Implicit(f *hit.Fact, sender uuid.UUID) *Record {
	if c.window == 0 || !Unaddressed(f) {
		return nil
	}
	records := c.sent[sender]
	after, _ := slices.BinarySearchFunc(records, f.At+1, func(r *Record, at hit.Instant) int { return cmp.Compare(r.SentAt, at) })
	for i := after - 1; i >= 0 && f.At-records[i].SentAt <= c.window; i-- {
		if records[i].sentBy(f.Inbound.Business) {
			return records[i]
		}
	}
	return nil
}
