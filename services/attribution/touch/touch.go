// Package touch concludes what reached a person: the state of messages, sessions
// and visits of devices, what a reply answers, and the engagements that can earn
// credit (attribution.md section 3). It is pure.
//
// It knows nothing of persons: package timeline says whose a message is.
package touch

import (
	"cmp"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/internal/hit"
)

// ChannelAd is the channel of click-to-WhatsApp ads.
const ChannelAd = "whatsapp_ad"

// second is one second in units of [hit.Instant].
const second hit.Instant = 1_000_000

// Engagement is one thing that a person did with a touchpoint, or that happened to
// it.
type Engagement struct {
	Tier string // a tier of package policy
	At   hit.Instant
	Fact string // id of the fact that says so
}

// Rank orders tiers, strongest first from 0; click and reply are alike. An unknown
// tier is the weakest.
func Rank(tier string) int {
	switch tier {
	case policy.TierClick, policy.TierReply:
		return 0
	case policy.TierRead:
		return 1
	case policy.TierDelivered:
		return 2
	}
	return 3
}

// Touch is something that can earn credit for the conversions of one person.
type Touch struct {
	Channel     string
	Key         string // message id, id of a session's first page view, inbound message id
	Person      uuid.UUID
	Campaign    string
	Device      hit.Identifier // that a visit was made on; zero for messages and ads
	Message     *Message       // nil for visits and ads
	Engagements []Engagement   // in any order
}

// Template returns the name of the touchpoint's template; empty when it has none.
func (t *Touch) Template() string {
	if t.Message == nil || t.Message.Template == nil {
		return ""
	}
	return t.Message.Template.Name
}

// key names a message.
type key struct{ channel, id string }

func (k key) compare(other key) int {
	return cmp.Or(cmp.Compare(k.channel, other.channel), cmp.Compare(k.id, other.id))
}
