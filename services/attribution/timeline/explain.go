package timeline

import (
	"slices"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/conversion"
	"github.com/touchline/touchline/services/attribution/credit"
	"github.com/touchline/touchline/services/attribution/identity"
	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/attribution/touch"
	"github.com/touchline/touchline/services/internal/hit"
)

// Question names what is to be explained.
type Question struct {
	ID         string // conversion id, of a refund too
	Definition string // empty: the first of the policy that counts it, else the first that knows it
}

// Explanation says of one conversion what it came to and why: every touchpoint that
// could have earned it, and what became of each.
type Explanation struct {
	Row         credit.Conversion // as [Derive] has it; without models and credits when it does not count
	Definitions []string          // all that know the conversion id, in the policy's order
	Verdict     conversion.Verdict
	Precision   hit.Precision // of the time that windows are measured from
	Original    *Original     // of a refund whose order is known
	Copies      []Copy        // of the event, or of a refund's order, most trusted first
	Claim       *identity.Claim
	Identifiers []hit.Identifier // all strong ones of the person, by precedence and value
	Candidates  []Candidate      // by (time, touchpoint key, channel)
}

// Original is the conversion that a refund takes from; its touchpoints are the refund's.
type Original struct {
	ID string
	At hit.Instant
}

// Copy is one report of the event, and what it decides.
type Copy struct {
	conversion.Copy
	Leads  bool // gives id, time and place: it is the most trusted
	Names  bool // says whose the event is
	Values bool // gives the value
}

// Candidate is a touchpoint with its verdict. Of a visit Claim says by what its device
// was Holder's at that time; nil means that nobody ever claimed the device.
type Candidate struct {
	credit.Candidate
	Holder uuid.UUID
	Claim  *identity.Claim
}

// Explain draws the same conclusions as [Derive] from the same input and says how one
// conversion came by its credits. It returns false, and nothing but Definitions, when no
// definition, or not the one named, knows the conversion id.
//
// Candidates are every touchpoint of the conversion's person, and every visit of
// another's on a device that the event's copies name or that the person held at some
// time.
func Explain(in Input, q Question) (Explanation, bool) {
	w := read(in, prepare(in))
	w.resolve(in.Workspace)
	touches := w.touches(touch.NewChats(w.book, w.policy))
	index := credit.NewTouches(in.Policy, touches)
	rules := conversion.Rules{Definitions: in.Policy.Conversions, Currency: in.Currency, Owner: w.owner}
	all := conversion.Find(w.events, rules, conversion.Conversions(w.events, rules), q.ID)
	var e Explanation
	for i := range all {
		e.Definitions = append(e.Definitions, all[i].Definition.Name)
	}
	found, ok := choose(all, q.Definition)
	if !ok {
		return e, false
	}
	e.Row, e.Verdict = credit.Row(in.Policy, index, &found), found.Verdict
	moment := e.tell(w, &found)
	for _, a := range w.people.Assignments() {
		if a.Person == e.Row.Person {
			e.Identifiers = append(e.Identifiers, a.Identifier)
		}
	}
	seen := w.seen(touches, e.Row.Person, e.Copies)
	for i := range seen {
		switch {
		case seen[i].Bar != credit.Eligible:
		case found.Orphan != nil:
			seen[i].Bar = credit.UnknownOrder
		case found.Reason != conversion.Counts:
			seen[i].Bar = credit.Uncounted
		}
	}
	for _, c := range index.Explain(&e.Row, moment.At, moment.Precision, seen) {
		e.Candidates = append(e.Candidates, w.candidate(c))
	}
	return e, true
}

// choose takes the definition asked for, or the first that counts the conversion.
func choose(all []conversion.Found, definition string) (conversion.Found, bool) {
	i := slices.IndexFunc(all, func(f conversion.Found) bool { return f.Definition.Name == definition })
	if definition == "" {
		i = slices.IndexFunc(all, func(f conversion.Found) bool { return f.Reason == conversion.Counts })
		if i < 0 && len(all) > 0 {
			i = 0
		}
	}
	if i < 0 {
		return conversion.Found{}, false
	}
	return all[i], true
}

// tell fills in what was reported and who decided what. It returns the fact that the
// conversion's time is of: for a refund that of its original.
func (e *Explanation) tell(w *world, found *conversion.Found) *hit.Fact {
	if found.Conversion == nil {
		e.Precision = found.Refund.Fact.Precision
		e.Copies = []Copy{{Copy: *found.Refund, Leads: true, Names: true, Values: found.Orphan != nil && found.Orphan.Value != nil}}
		e.Claim = w.claimOf(found.Refund.Fact)
		return found.Refund.Fact
	}
	event := found.Conversion.Event
	lead, whose, valued := event.Lead(), event.Whose(), event.Valued(found.Definition)
	for i := range event.Copies {
		c := &event.Copies[i]
		e.Copies = append(e.Copies, Copy{Copy: *c, Leads: c == lead, Names: c == whose, Values: i == valued})
	}
	if found.Refund != nil {
		e.Original = &Original{ID: found.Conversion.ID, At: lead.Fact.At}
	}
	e.Precision, e.Claim = lead.Fact.Precision, w.claimOf(whose.Fact)
	return lead.Fact
}

// claimOf is the claim by which a fact without strong identifiers is somebody's; nil
// when it is not by a claim.
func (w *world) claimOf(f *hit.Fact) *identity.Claim {
	if len(f.Identifiers) > 0 || f.Device == nil {
		return nil
	}
	if claim, ok := w.devices.Claim(*f.Device, f.At); ok {
		return &claim
	}
	return nil
}

// seen lists the candidates for the conversions of a person, with what is known against
// them.
func (w *world) seen(touches []touch.Touch, person uuid.UUID, copies []Copy) []credit.Seen {
	devices, void := w.devicesOf(person, copies), w.void()
	var all []credit.Seen
	for i := range touches {
		t := &touches[i]
		switch {
		case person != uuid.Nil && t.Person == person:
			all = append(all, credit.Seen{Touch: t, Void: void[t.Message]})
		case t.Device.Value != "" && devices[t.Device]:
			all = append(all, credit.Seen{Touch: t, Bar: credit.OtherPerson})
		}
	}
	for _, r := range w.book.Records() {
		if person == uuid.Nil || r.Person != person {
			continue
		}
		bar := credit.Session
		if r.Failed() {
			bar = credit.Failed
		} else if !r.Ignored(w.policy) {
			continue // among the touchpoints
		}
		t := r.Candidate()
		all = append(all, credit.Seen{Touch: &t, Bar: bar, Void: void[t.Message]})
	}
	return all
}

// devicesOf are the devices that copies name or that the person held at some time.
func (w *world) devicesOf(person uuid.UUID, copies []Copy) map[hit.Identifier]bool {
	devices := map[hit.Identifier]bool{}
	for i := range copies {
		if d := copies[i].Fact.Device; d != nil {
			devices[hit.Identifier{Kind: d.Kind, Value: d.Value}] = true
		}
	}
	for _, c := range w.devices.Claims() {
		if person != uuid.Nil && w.people.Person(c.Holder) == person {
			devices[c.Device] = true
		}
	}
	return devices
}

// void lists, by message, the replies that ask to be left alone and the visits of its
// link that are no clicks.
func (w *world) void() map[*touch.Message][]credit.Void {
	void := map[*touch.Message][]credit.Void{}
	note := func(r *touch.Record, f *hit.Fact, tier string, reason credit.Reason) {
		if r != nil {
			e := touch.Engagement{Tier: tier, At: f.At, Fact: f.ID}
			void[&r.Message] = append(void[&r.Message], credit.Void{Engagement: e, Reason: reason})
		}
	}
	chats := touch.NewChats(w.book, w.policy)
	for i := range w.facts {
		f := &w.facts[i]
		switch {
		case f.Kind == hit.KindClick && f.Click != nil && !w.confirmed(f.Click):
			note(w.linked(f), f, policy.TierClick, credit.Unconfirmed)
		case f.Kind == hit.KindInbound && f.Inbound != nil && w.optsOut(f):
			note(w.answered(f, chats), f, policy.TierReply, credit.OptOut)
		}
	}
	return void
}

// candidate adds to a visit by what it is whose; a message is on no device.
func (w *world) candidate(c credit.Candidate) Candidate {
	one := Candidate{Candidate: c, Holder: c.Touch.Person}
	if c.Decides < 0 {
		return one
	}
	if claim, ok := w.devices.Claim(c.Touch.Device, c.Engagements[c.Decides].At); ok {
		one.Claim = &claim
	}
	return one
}
