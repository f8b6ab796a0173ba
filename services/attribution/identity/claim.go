package identity

import (
	"cmp"
	"slices"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/internal/hit"
)

// passedOnAbove is on how many devices a click token may be seen before its clicks
// claim none of them: it was passed on.
const passedOnAbove = 5

// Claim says who held a device from an instant on.
type Claim struct {
	Device   hit.Identifier
	At       hit.Instant // reaching back counted
	Fact     string      // event or page view id
	Identify bool        // else it is a click claim
	Holder   hit.Identifier
}

// NewClaim is the identify claim of a fact at its own time.
func NewClaim(device hit.Identifier, at hit.Instant, fact string, holder hit.Identifier) Claim {
	return Claim{Device: plain(device), At: at, Fact: fact, Identify: true, Holder: plain(holder)}
}

// Click is a page view with the click token of a message to r; the zero recipient is
// nobody.
func (r Recipient) Click(device hit.Identifier, at hit.Instant, fact, token string) Click {
	c := Click{Claim: NewClaim(device, at, fact, r.primary.id), Token: token}
	c.Identify = false
	return c
}

// Span is a session of a device as far as claims go: an identify claim in
// [From, Until) reaches back to From.
type Span struct{ From, Until hit.Instant }

// Click is a page view that carries a message's click token.
type Click struct {
	Claim        // for the message's primary; Holder is empty when the message has none
	Token string // as seen in the page's URL
}

// Devices says who held which device when.
type Devices struct {
	claims map[hit.Identifier][]Claim // by (time, weakest first)
	people *People
}

// NewDevices concludes who held which device. Identify claims come at their own
// times; spans are each device's sessions in order of time.
func NewDevices(people *People, identify []Claim, clicks []Click, spans map[hit.Identifier][]Span) *Devices {
	d := &Devices{claims: map[hit.Identifier][]Claim{}, people: people}
	for _, c := range identify {
		device := plain(c.Device)
		d.claims[device] = append(d.claims[device], c)
	}
	for device, claims := range d.claims {
		d.claims[device] = reachBack(claims, spans[device])
	}
	d.addClicks(clicks)
	for _, claims := range d.claims {
		sortClaims(claims)
	}
	return d
}

// reachBack lets the earliest identify claims of each session begin with the session:
// of two at one instant neither is the earlier, so that both go and the stronger one
// holds the device from then on too.
func reachBack(claims []Claim, spans []Span) []Claim {
	slices.SortFunc(claims, func(a, b Claim) int { return cmp.Or(cmp.Compare(a.At, b.At), strength(a, b)) })
	next, reached, earliest := 0, -1, hit.Instant(0)
	for i := range claims {
		at := claims[i].At
		for next < len(spans) && spans[next].Until <= at {
			next++
		}
		if next < len(spans) && spans[next].From <= at && (next != reached || at == earliest) {
			claims[i].At = spans[next].From
			reached, earliest = next, at
		}
	}
	return claims
}

// strength orders claims of one instant, strongest first: by the smaller fact id; the
// holder only makes it total. An identify claim goes before a click claim of its
// instant because no such click claim stands: see addClicks.
func strength(a, b Claim) int {
	return cmp.Or(cmp.Compare(a.Fact, b.Fact), Compare(a.Holder, b.Holder))
}

// addClicks adds the click claims that stand: not behind an identify claim, not of
// a token that was passed on, not of a message to nobody.
func (d *Devices) addClicks(clicks []Click) {
	first := map[hit.Identifier]hit.Instant{} // identify claim of each device
	for device, claims := range d.claims {
		first[device] = claims[0].At // reaching back leaves them in order of time
	}
	for _, c := range Followed(clicks) {
		device := plain(c.Device)
		if login, claimed := first[device]; !claimed || login > c.At {
			d.claims[device] = append(d.claims[device], c)
		}
	}
}

// devicesOf lists on which devices each token was seen.
func devicesOf(clicks []Click) map[string]map[hit.Identifier]bool {
	seen := map[string]map[hit.Identifier]bool{}
	for _, c := range clicks {
		if seen[c.Token] == nil {
			seen[c.Token] = map[hit.Identifier]bool{}
		}
		seen[c.Token][plain(c.Device)] = true
	}
	return seen
}

// Holder returns the person that a device belongs to at an instant, and whether
// that person has a strong identifier.
func (d *Devices) Holder(device hit.Identifier, at hit.Instant) (person uuid.UUID, identified bool) {
	claim, ok := d.Claim(device, at)
	if !ok {
		return d.people.Anonymous(device), false
	}
	return d.people.Person(claim.Holder), true
}

// Claim returns the claim by which a device belongs to its holder at an instant:
// the latest at or before it, else the first.
func (d *Devices) Claim(device hit.Identifier, at hit.Instant) (Claim, bool) {
	claims := d.claims[plain(device)]
	if len(claims) == 0 {
		return Claim{}, false
	}
	// Claims of one instant come weakest first, so the last one before the cut wins.
	after, _ := slices.BinarySearchFunc(claims, at+1, func(c Claim, at hit.Instant) int { return cmp.Compare(c.At, at) })
	if after == 0 {
		after, _ = slices.BinarySearchFunc(claims, claims[0].At+1, func(c Claim, at hit.Instant) int { return cmp.Compare(c.At, at) })
	}
	return claims[after-1], true
}

// Claims lists, by device and time, the claims that say all there is to say of who
// held what: the strongest of an instant, where the person changes, and the first
// identify claim, behind which no click claim stands. [Known] makes of them devices
// with the same holders at all times.
func (d *Devices) Claims() []Claim {
	var all []Claim
	for _, claims := range d.claims {
		all = append(all, d.telling(claims)...)
	}
	slices.SortFunc(all, func(a, b Claim) int {
		return cmp.Or(Compare(a.Device, b.Device), cmp.Compare(a.At, b.At), strength(a, b))
	})
	return all
}

// telling returns those of one device's claims that [Devices.Claims] lists.
func (d *Devices) telling(claims []Claim) []Claim {
	var kept []Claim
	var holder uuid.UUID
	identified := false
	for i, c := range claims {
		if i+1 < len(claims) && claims[i+1].At == c.At {
			continue // a stronger one follows
		}
		person := d.people.Person(c.Holder)
		if len(kept) == 0 || person != holder || c.Identify && !identified {
			kept = append(kept, c)
		}
		holder, identified = person, identified || c.Identify
	}
	return kept
}

// Of lists the claims on one device that [Devices.Claims] lists.
func (d *Devices) Of(device hit.Identifier) []Claim { return d.telling(d.claims[plain(device)]) }
