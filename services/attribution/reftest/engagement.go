package reftest

import (
	"github.com/google/uuid"

	"github.com/touchline/touchline/services/internal/hit"
)

// Engagement is one engagement of a touchpoint of a person.
type Engagement struct {
	Channel, Key, Tier string
	Person             uuid.UUID
	At                 hit.Instant
}

// Engagements returns every engagement of every touchpoint that follows from facts,
// those of failed and of ignored session messages not among them.
func Engagements(workspace uuid.UUID, policy Document, facts []hit.Fact) []Engagement {
	w := newWorld(workspace, "", policy, facts)
	var all []Engagement
	for _, t := range w.touches {
		for _, e := range t.engagements {
			all = append(all, Engagement{Channel: t.channel, Key: t.key, Tier: e.tier, Person: t.person, At: e.at})
		}
	}
	return all
}
