package whatsapp

import (
	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/tracking/edge/lenient"
	"github.com/touchline/touchline/services/tracking/intake"
)

// party is the other side of a message: the names that the message itself gives.
type party struct {
	waID  string // phone as digits, a business-scoped id, or empty
	bsuid string
}

// names returns the party's names and those that the value's contacts add to them.
//
// Contacts stand beside the messages, not in them. One belongs to a message when
// they agree on a name and contradict each other in none; a message that names
// nobody belongs to the only contact there is. Where there are as many contacts as
// elements the one in the same place is asked first, so that two messages of one
// user who is named differently don't lend each other names.
func (c *change) names(p party, index, n int) []intake.Name {
	names := []intake.Name{{Kind: intake.WaID, Text: p.waID}, {Kind: hit.BSUID, Text: p.bsuid}}
	contact, ok := c.contact(p, index, n)
	if !ok {
		return names
	}
	return append(names,
		intake.Name{Kind: intake.WaID, Text: contact.Text("wa_id")},
		intake.Name{Kind: hit.BSUID, Text: contact.Text("user_id")})
}

func (c *change) contact(p party, index, n int) (contact lenient.Object, ok bool) {
	if len(c.contacts) == n && p.agrees(c.contacts[index]) {
		return c.contacts[index], true
	}
	for _, contact := range c.contacts {
		if p.agrees(contact) {
			return contact, true
		}
	}
	if p == (party{}) && len(c.contacts) == 1 {
		return c.contacts[0], true
	}
	return nil, false
}

// agrees reports whether the contact shares a name with the party and states no
// other for it. Either side may write a business-scoped id where the phone belongs.
func (p party) agrees(contact lenient.Object) bool {
	waID, bsuid := contact.Text("wa_id"), contact.Text("user_id")
	samePhone := p.waID != "" && (p.waID == waID || p.waID == bsuid)
	sameUser := p.bsuid != "" && (p.bsuid == bsuid || p.bsuid == waID)
	if !samePhone && !sameUser {
		return false
	}
	otherPhone := p.waID != "" && waID != "" && p.waID != waID && !samePhone
	otherUser := p.bsuid != "" && bsuid != "" && p.bsuid != bsuid && !sameUser
	return !otherPhone && !otherUser
}

// sender returns the names of who sent an inbound message.
func (c *change) sender(message []byte, index, n int) []intake.Name {
	o, _ := lenient.Read(message)
	return c.names(party{waID: o.Text("from"), bsuid: o.Text("from_user_id")}, index, n)
}
