package reftest

import (
	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/policy"
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
func Engagements(workspace uuid.UUID, p *policy.Policy, facts []hit.Fact) []Engagement {
	w := &world{Policy: p, workspace: workspace}
	w.setFacts(facts)
	for _, set := range []func(){w.setMessages, w.setSessions, w.setEvents, w.setPersons, w.setClaims, w.setTouches} {
		set()
	}
	all := make([]Engagement, len(w.touches))
	for i, t := range w.touches {
		all[i] = Engagement{Channel: t.channel, Key: t.key, Tier: t.tier, Person: t.person, At: t.at}
	}
	return all
}
