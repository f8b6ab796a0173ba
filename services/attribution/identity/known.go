package identity

import (
	"cmp"
	"slices"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/internal/hit"
)

// Known is who is who as concluded before, instead of from statements: assignments
// by identifier, and claims as [Devices.Claims] lists them. An identifier that is not
// among stated is a person of its own.
func Known(workspace uuid.UUID, assigned []Assignment, claims []Claim) (*People, *Devices) {
	people := &People{workspace: workspace, persons: make(map[hit.Identifier]uuid.UUID, len(assigned)), alone: true}
	for _, a := range assigned {
		people.persons[plain(a.Identifier)] = a.Person
	}
	devices := &Devices{claims: map[hit.Identifier][]Claim{}, people: people}
	for _, c := range claims {
		devices.claims[plain(c.Device)] = append(devices.claims[plain(c.Device)], c)
	}
	for _, list := range devices.claims {
		sortClaims(list)
	}
	return people, devices
}

// With returns the devices of d, but for some, whose claims are those of other.
func (d *Devices) With(other *Devices, some []hit.Identifier) *Devices {
	mixed := &Devices{claims: make(map[hit.Identifier][]Claim, len(d.claims)), people: d.people}
	for device, claims := range d.claims {
		mixed.claims[device] = claims
	}
	for _, device := range some {
		mixed.claims[plain(device)] = other.claims[plain(device)]
	}
	return mixed
}

// Name is the id of a person whose earliest stated identifier is id.
func Name(workspace uuid.UUID, id hit.Identifier) uuid.UUID {
	return (&People{workspace: workspace}).name(id)
}

func sortClaims(claims []Claim) {
	slices.SortFunc(claims, func(a, b Claim) int { return cmp.Or(cmp.Compare(a.At, b.At), strength(b, a)) })
}

// Stretch is a span of time of one device beyond which nothing that happens within it
// can move a session: for more than the pause of a session before and after it,
// nothing happened.
type Stretch struct {
	Device hit.Identifier
	Span           // From inclusive, Until exclusive
	Before []Claim // identify claims of facts within, reaching back, without the change
	After  []Claim // with it
	Clicks []Claim // click claims of facts within that the change adds or takes
}

// Steady reports whether the change in a stretch leaves the holder of the device as
// it is, at all times. d holds what [Devices.Claims] listed before the change. No
// means "perhaps not".
//
// Why yes is yes. An identify claim of a fact within lies within, wherever its session
// begins, and those of other facts stay. So with one person P holding the device just
// before the stretch, and by every claim within, before and after, P holds it within
// either way, and afterwards until the same next claim. The first identify claim lies
// before the stretch, so it stays, and with it the set of click claims that stand; a
// device without any identify claim has its click claims all standing.
func (d *Devices) Steady(s Stretch) bool {
	if len(s.Clicks) == 0 && slices.Equal(s.Before, s.After) {
		return true
	}
	claims := d.claims[plain(s.Device)]
	login := slices.IndexFunc(claims, func(c Claim) bool { return c.Identify })
	var all []Claim
	switch {
	case len(claims) == 0 || claims[0].At >= s.From:
		return false
	case login >= 0 && claims[login].At < s.From:
		all = slices.Concat(s.Before, s.After) // clicks claim nothing here
	case login < 0 && len(s.Before) == 0 && len(s.After) == 0:
		all = s.Clicks
	default:
		return false
	}
	for _, c := range claims {
		if c.At >= s.From && c.At < s.Until {
			all = append(all, c)
		}
	}
	person, _ := d.Holder(s.Device, s.From-1)
	return !slices.ContainsFunc(all, func(c Claim) bool { return d.people.Person(c.Holder) != person })
}

// ReachBack returns the identify claims of one device at the times from which they
// hold. Spans are the device's sessions in order of time; both lists may be of a
// [Stretch] alone.
func ReachBack(claims []Claim, spans []Span) []Claim {
	claims = reachBack(slices.Clone(claims), spans)
	sortClaims(claims)
	return claims
}

// Followed returns the clicks that can claim a device: on messages to somebody, by
// tokens that were not passed on. All clicks of their tokens have to be there.
func Followed(clicks []Click) []Claim {
	seen := devicesOf(clicks)
	var claims []Claim
	for _, c := range clicks {
		if c.Holder.Value != "" && len(seen[c.Token]) <= passedOnAbove {
			claims = append(claims, c.Claim)
		}
	}
	return claims
}
