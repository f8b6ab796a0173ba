package reftest

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"math"
	"slices"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/internal/hit"
)

// statement says that a fact names a strong identifier.
type statement struct {
	*hit.Fact
	who hit.Identifier
}

func (s statement) precedence() int { return s.who.Kind.Precedence() }

// statedBy lists what facts state by (time, fact id, precedence), which is also the order in which identifiers name a person.
// The contract leaves open what comes next: the identifier, then the more trusted.
func (w *world) statedBy(facts ...*hit.Fact) (all []statement) {
	for _, f := range facts {
		for _, id := range f.Identifiers {
			all = append(all, statement{f, id})
		}
	}
	slices.SortStableFunc(all, func(a, b statement) int {
		return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.ID, b.ID), a.precedence()-b.precedence(), cmp.Compare(a.who.Value, b.who.Value),
			cmp.Compare(b.Trust, a.Trust))
	})
	return all
}

// link ties two strong identifiers.
type link struct {
	one, other statement
	trust      hit.Trust
	at         hit.Instant
	id         string
	position   int
}

// link ties one identifier with each of the others: "the weaker trust, the later time (of each identifier's earliest
// statement) and the larger id of the two; position counts the linked identifiers by precedence, then earliest statement".
func (w *world) link(one hit.Identifier, stated []statement) {
	seen, position := map[hit.Identifier]bool{}, 0
	stated = keep(stated, func(s statement) bool {
		again := seen[s.who]
		seen[s.who] = true
		return !again
	})
	from := slices.IndexFunc(stated, func(s statement) bool { return s.who == one })
	if from < 0 {
		return
	}
	a := stated[from]
	slices.SortStableFunc(stated, func(a, b statement) int { return a.precedence() - b.precedence() })
	for _, b := range stated {
		if b.who != one {
			w.links = append(w.links, link{a, b, min(a.Trust, b.Trust), max(a.At, b.At), max(a.ID, b.ID), position})
			position++
		}
	}
}

// usable is what may link: "browser_links: off takes browser facts out of links altogether".
func (w *world) usable(f *hit.Fact) bool {
	return w.BrowserLinks != "off" || f.Trust > hit.TrustBrowser
}

func (w *world) joinPersons() {
	for _, f := range w.facts {
		if len(f.Identifiers) == 0 || !w.usable(f) || f.Click != nil || f.Message != nil || f.Report != nil || f.Inbound != nil && f.Inbound.Group {
			continue
		}
		w.link(f.Identifiers[0], w.statedBy(f)) // in a fact
		if m := w.answered(f); m != nil {       // answers
			from := w.statedBy(append(m.facts, f)...)
			w.link(f.Identifiers[0], keep(from, func(s statement) bool {
				return s.Fact == f && s.who == f.Identifiers[0] || s.Fact != f && s.who == m.primary
			}))
		}
	}
	for _, m := range w.messages {
		w.link(m.primary, w.statedBy(m.facts...)) // recipients
	}
	for _, copies := range w.events { // orders: a group's are none, a status states a recipient
		var facts []*hit.Fact
		for _, c := range copies {
			if c.Report == nil && (c.Inbound == nil || !c.Inbound.Group) && len(c.Identifiers) > 0 {
				facts = append(facts, c.Fact)
			}
		}
		if len(facts) > 0 {
			w.link(facts[0].Identifiers[0], w.statedBy(keep(facts, func(f *hit.Fact) bool { return f.Trust > hit.TrustBrowser })...))
		}
	}
	w.join()
}

// join joins what the unshared links tie, strongest first.
func (w *world) join() {
	w.component, w.names = map[hit.Identifier]hit.Identifier{}, map[hit.Identifier]uuid.UUID{}
	aliases := map[hit.Identifier]hit.Identifier{}
	for _, s := range w.statedBy(w.facts...) {
		w.component[s.who], aliases[s.who] = s.who, s.who
	}
	for _, s := range w.statedBy(w.facts...) { // user_ids that an alias names as one count as one
		if first := s.Identifiers[0]; s.Identify != nil && s.Identify.Call == "alias" && first.Kind == s.who.Kind && w.usable(s.Fact) {
			merge(aliases, first, s.who)
		}
	}
	slices.SortStableFunc(w.links, func(a, b link) int {
		return cmp.Or(cmp.Compare(b.trust, a.trust), cmp.Compare(a.at, b.at), cmp.Compare(a.id, b.id), a.position-b.position,
			a.one.precedence()-b.one.precedence(), cmp.Compare(a.one.who.Value, b.one.who.Value), // left open
			a.other.precedence()-b.other.precedence(), cmp.Compare(a.other.who.Value, b.other.who.Value))
	})
	for _, l := range w.links {
		users := map[hit.Identifier]bool{}
		for id, component := range w.component {
			if id.Kind == hit.UserID && (component == w.component[l.one.who] || component == w.component[l.other.who]) {
				users[aliases[id]] = true
			}
		}
		if len(users) < 2 && !w.shared(l.one.who) && !w.shared(l.other.who) { // else refused, or links nothing
			merge(w.component, l.one.who, l.other.who)
		}
	}
	for _, s := range slices.Backward(w.statedBy(w.facts...)) {
		w.names[w.component[s.who]] = w.named(s.who) // the earliest stated comes last and stays
	}
}

func merge(sets map[hit.Identifier]hit.Identifier, a, b hit.Identifier) {
	from, to := sets[a], sets[b]
	for id, set := range sets {
		if set == from {
			sets[id] = to
		}
	}
}

// shared is what is directly linked with more than 20 distinct identifiers of one kind.
func (w *world) shared(id hit.Identifier) bool {
	others, kinds := map[hit.Identifier]bool{id: true}, map[hit.IdentifierKind]int{}
	for _, l := range w.links {
		for _, pair := range [][2]hit.Identifier{{l.one.who, l.other.who}, {l.other.who, l.one.who}} {
			if pair[0] == id && !others[pair[1]] {
				others[pair[1]] = true
				kinds[pair[1].Kind]++
			}
		}
	}
	return max(kinds[hit.UserID], kinds[hit.Phone], kinds[hit.BSUID], kinds[hit.Email]) > 20
}

// named is the id of the person whose earliest stated identifier is id. How a plain text is digested is the product's choice.
func (w *world) named(id hit.Identifier) uuid.UUID {
	digest, err := hex.DecodeString(id.Value)
	if err != nil || len(digest) != 16 {
		sum := sha256.Sum256(append([]byte{byte(id.Kind.Precedence() + 1)}, id.Value...))
		digest = sum[:16]
	}
	return uuid.NewSHA1(w.workspace, digest)
}

// owner is whose a fact is: "the person of the first it has, by precedence; one with none belongs to the holder of its device
// at its time; one without any identifier belongs to nobody else" (the zero person).
func (w *world) owner(f *hit.Fact) uuid.UUID {
	switch {
	case len(f.Identifiers) > 0:
		return w.names[w.component[f.Identifiers[0]]]
	case f.Device != nil:
		return w.holder(*f.Device, f.At)
	}
	return uuid.Nil
}

// session is a run of a device's page views, at most 30 minutes apart (3).
type session struct {
	pages  []*hit.Fact
	params []string    // the campaign parameters it began with
	next   hit.Instant // when the next one begins
}

// has says whether a fact lies in it, "up to and including 30 minutes after its last page view, or before the next session" (2).
func (s *session) has(f *hit.Fact) bool {
	return *f.Device == *s.pages[0].Device && s.pages[0].At <= f.At && f.At <= s.pages[len(s.pages)-1].At+30*minute && f.At < s.next
}

// claim says who held a device from a time on.
type claim struct {
	*hit.Fact
	who      hit.Identifier
	at       hit.Instant
	identify bool
}

func (w *world) claimDevices() {
	last := map[hit.Identifier]*session{}
	for _, f := range keep(w.facts, func(f *hit.Fact) bool { return f.Page != nil && f.Device != nil }) { // by (time, event id)
		params, s := w.campaignParams(f), last[*f.Device]
		if s != nil && f.At <= s.pages[len(s.pages)-1].At+30*minute && (len(params) == 0 || slices.Equal(params, s.params)) {
			s.pages = append(s.pages, f)
			continue
		}
		if s != nil {
			s.next = f.At
		}
		last[*f.Device] = &session{pages: []*hit.Fact{f}, params: params, next: math.MaxInt64}
		w.sessions = append(w.sessions, last[*f.Device])
	}
	for _, f := range w.facts { // any fact that carries the device and a strong identifier
		if f.Device != nil && len(f.Identifiers) > 0 {
			w.claims = append(w.claims, claim{f, f.Identifiers[0], f.At, true})
		}
	}
	for _, copies := range w.events { // each copy of an order that carries a device and no strong identifier
		who := slices.IndexFunc(copies, func(c event) bool { return len(c.Identifiers) > 0 })
		for _, c := range copies {
			if who >= 0 && c.Device != nil && len(c.Identifiers) == 0 {
				w.claims = append(w.claims, claim{c.Fact, copies[who].Identifiers[0], c.At, true})
			}
		}
	}
	for i, c := range w.claims { // from the start of its session, unless an earlier identify claim lies in it
		for _, s := range w.sessions {
			if s.has(c.Fact) && !slices.ContainsFunc(w.claims, func(o claim) bool { return s.has(o.Fact) && o.At < c.At }) {
				w.claims[i].at = s.pages[0].At
			}
		}
	}
	identified := slices.Clone(w.claims)
	for _, f := range w.facts { // click claims, not of a token that was passed on to more than 5 devices
		m, devices := w.tokenOf(pageToken(f)), map[hit.Identifier]bool{}
		if m == nil || f.Device == nil || m.primary.Value == "" {
			continue
		}
		for _, o := range keep(w.facts, func(o *hit.Fact) bool { return o.Device != nil && pageToken(o) == m.Token }) {
			devices[*o.Device] = true
		}
		if len(devices) <= 5 && !slices.ContainsFunc(identified, func(o claim) bool { return *o.Device == *f.Device && o.at <= f.At }) {
			w.claims = append(w.claims, claim{f, m.primary, f.At, false})
		}
	}
}

// holder is who has "the latest claim at or before t; before the first claim, that of the first; without any, the device's own
// anonymous person. Of several claims at that instant: identify, then the smaller fact id"; the identifier is left open.
func (w *world) holder(device hit.Identifier, t hit.Instant) uuid.UUID {
	claims := keep(w.claims, func(c claim) bool { return *c.Device == device })
	if len(claims) == 0 {
		return w.named(device)
	}
	best := slices.MinFunc(claims, func(a, b claim) int {
		order := cmp.Compare(a.at, b.at)
		if a.at <= t && b.at <= t {
			order = -order
		}
		kind := map[bool]int{true: 0, false: 1}
		return cmp.Or(order, kind[a.identify]-kind[b.identify], cmp.Compare(a.ID, b.ID), a.who.Kind.Precedence()-b.who.Kind.Precedence(),
			cmp.Compare(a.who.Value, b.who.Value))
	})
	return w.names[w.component[best.who]]
}
