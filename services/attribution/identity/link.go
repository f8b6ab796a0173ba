package identity

import (
	"cmp"
	"slices"

	"github.com/touchline/touchline/services/internal/hit"
)

// State says what became of a link.
type State string

// The states of links.
const (
	Joined  State = "joined"  // both ends are one person
	Refused State = "refused" // it would have put two user_ids into one person
	Shared  State = "shared"  // an end is linked with too many identifiers of one kind
)

// Link says that two strong identifiers were stated together.
type Link struct {
	A, B     hit.Identifier // A is the one stated as first or primary
	Trust    hit.Trust
	At       hit.Instant
	Fact     string // event, click or message id
	Position int    // of B among the identifiers linked, from 1
	State    State
}

// Compare is the order in which links are tried: (trust, strongest first; time;
// fact id; position). The identifiers only make it total.
func (l Link) Compare(m Link) int {
	return cmp.Or(cmp.Compare(m.Trust, l.Trust), cmp.Compare(l.At, m.At), cmp.Compare(l.Fact, m.Fact),
		cmp.Compare(l.Position, m.Position), Compare(l.A, m.A), Compare(l.B, m.B))
}

// LinkFact links what one identify, event, page view or inbound message states: its
// first identifier with each other.
func LinkFact(s Statement) []Link {
	var links []Link
	for i, id := range s.Identifiers {
		if i > 0 {
			links = append(links, Link{
				A: plain(s.Identifiers[0]), B: plain(id), Trust: s.Trust, At: s.At, Fact: s.Fact, Position: i,
			})
		}
	}
	return links
}

// Recipient is the one a message was sent to, by all that was said of it.
type Recipient struct {
	said    []said
	primary said
}

// NewRecipient gathers the statements of one message's registration (nil when
// there is none) and those of its statuses and send responses. The second result is
// false when they name nobody.
func NewRecipient(registration *Statement, others []Statement) (Recipient, bool) {
	all := others
	if registration != nil {
		all = append(slices.Clone(others), *registration)
	}
	r := Recipient{said: earliest(all)}
	if len(r.said) == 0 {
		return r, false
	}
	for i := range r.said {
		r.said[i].registered = registration != nil && slices.ContainsFunc(registration.Identifiers, r.said[i].names)
	}
	r.primary = r.said[0]
	for _, s := range r.said[1:] { // within a kind they come by earliest statement
		if s.id.Kind == r.primary.id.Kind && s.registered && !r.primary.registered {
			r.primary = s
		}
	}
	return r, true
}

// Primary is the identifier that stands for the recipient.
func (r Recipient) Primary() hit.Identifier { return r.primary.id }

// Links ties the primary to all else that identifies the recipient.
func (r Recipient) Links() []Link { return star(r.primary, r.said) }

// LinkAnswer ties the sender of an inbound message to the recipient of the message
// that it answers by context or token: it is the same chat.
func LinkAnswer(inbound Statement, r Recipient) []Link {
	if len(inbound.Identifiers) == 0 {
		return nil
	}
	sender := said{id: inbound.Identifiers[0], trust: inbound.Trust, at: inbound.At, fact: inbound.Fact}
	return star(sender, []said{r.primary})
}

// LinkCopies ties what the copies of one event state: the first identifier of the
// most trusted copy that has one, with every identifier of the webhook and server
// copies. Copies come most trusted first.
func LinkCopies(copies []Statement) []Link {
	first := slices.IndexFunc(copies, func(s Statement) bool { return len(s.Identifiers) > 0 })
	if first < 0 || len(copies) == 1 {
		return nil
	}
	trusted := make([]Statement, 0, len(copies))
	for _, s := range copies {
		if s.Trust > hit.TrustBrowser {
			trusted = append(trusted, s)
		}
	}
	all := earliest(trusted)
	center := slices.IndexFunc(all, func(s said) bool { return s.names(copies[first].Identifiers[0]) })
	if center < 0 {
		return nil // only browsers name anybody
	}
	return star(all[center], all)
}

func (s said) names(id hit.Identifier) bool { return plain(s.id) == plain(id) }

// star links center with each other statement. A link between two facts has the
// weaker trust, the later time and the larger id of the two.
func star(center said, others []said) []Link {
	var links []Link
	for _, other := range others {
		if other.names(center.id) {
			continue
		}
		links = append(links, Link{
			A: plain(center.id), B: plain(other.id),
			Trust:    min(center.trust, other.trust),
			At:       max(center.at, other.at),
			Fact:     max(center.fact, other.fact),
			Position: len(links) + 1,
		})
	}
	return links
}

// Differ compares two lists of links by the best of each pair: better are those of
// after that are tried before what before had for the pair, gone those of before that
// after has nothing as good for. Both are in the order in which links are tried.
func Differ(before, after []Link) (better, gone []Link) {
	before, after = Best(before), Best(after)
	return ahead(after, before), ahead(before, after)
}

// ahead returns those of links that are tried before what others have for the pair.
func ahead(links, others []Link) []Link {
	known := make(map[[2]hit.Identifier]Link, len(others))
	for _, l := range others {
		known[l.Pair()] = l
	}
	return slices.DeleteFunc(slices.Clone(links), func(l Link) bool {
		other, has := known[l.Pair()]
		return has && l.Compare(other) >= 0
	})
}

// Pair is both ends, the same whichever was stated first.
func (l Link) Pair() [2]hit.Identifier {
	if Compare(l.A, l.B) > 0 {
		return [2]hit.Identifier{l.B, l.A}
	}
	return [2]hit.Identifier{l.A, l.B}
}
