package row

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
)

// whatsAppPrefix begins every message id of the Cloud API; what follows is base64 of
// a text that contains the other side's phone.
const whatsAppPrefix = "wamid."

// MaskPhone shows of a phone what a reader needs to tell two customers apart, and no
// more: the country code, if there is one, and the last two digits.
//
// callingCode is the number's own, without +; empty when the phone has none.
func MaskPhone(phone, callingCode string) string {
	digits := strings.TrimPrefix(phone, "+")
	tail := digits
	if callingCode != "" {
		tail = strings.TrimPrefix(digits, callingCode)
	}
	shown := "••"
	if len(tail) > 5 { // two of five digits or less would name too few people
		shown = tail[len(tail)-2:]
	}
	if callingCode == "" || tail == digits {
		return "••• •• •" + shown
	}
	return "+" + callingCode + " ••• •• •" + shown
}

// MaskIdentifier shows of a user id, bsuid, e-mail or device what a reader needs to tell
// two apart: the last characters, and of an e-mail the first and the domain. Phones have
// [MaskPhone].
func MaskIdentifier(value string) string {
	if name, domain, found := strings.Cut(value, "@"); found && name != "" {
		first, _ := utf8.DecodeRuneInString(name)
		return string(first) + "•••@" + domain
	}
	runes := []rune(value)
	shown := 0
	switch { // never as much as half of it
	case len(runes) >= 12:
		shown = 4
	case len(runes) >= 5:
		shown = 2
	}
	return "•••" + string(runes[len(runes)-shown:])
}

// Opaque replaces WhatsApp message ids, which contain a phone, by names that are
// stable within one workspace and tell nothing.
type Opaque struct{ sum func(id string) uuid.UUID }

// NewOpaque returns an Opaque over a digest under a secret key of one workspace.
func NewOpaque(sum func(id string) uuid.UUID) *Opaque { return &Opaque{sum: sum} }

// Hide masks every id of r that is or may contain a WhatsApp message id. It sees to
// it that equal ids stay equal.
func (o *Opaque) Hide(r *Row, messageChannel string) {
	if messageChannel == "whatsapp" || r.Channel == "whatsapp_ad" {
		r.MessageID = o.maybe(r.MessageID)
		r.TouchKey = o.maybe(r.TouchKey)
	}
	for _, id := range []*string{r.MessageID, r.TouchKey, r.OrderID} {
		if id != nil {
			*id = o.found(*id)
		}
	}
	r.ConversionID, r.EventID = o.Conversion(r.ConversionID, r.InThread), o.Event(r.EventID, r.InThread)
}

// Conversion masks the id of a conversion.
func (o *Opaque) Conversion(id string, inThread bool) string {
	return o.Event(id, inThread && !strings.HasPrefix(id, "order:"))
}

// Event masks the id of an event: one that is in-thread is named after the message that
// it was made from.
func (o *Opaque) Event(id string, inThread bool) string {
	if inThread {
		id = o.event(id)
	}
	return o.found(id)
}

// Message masks the id of a WhatsApp message, whatever it looks like.
func (o *Opaque) Message(id string) string { return o.digest(id) }

// Text masks the WhatsApp message ids anywhere in a text.
func (o *Opaque) Text(text string) string { return o.found(text) }

func (o *Opaque) maybe(id *string) *string {
	if id == nil {
		return nil
	}
	hidden := o.digest(*id)
	return &hidden
}

// event keeps what follows the message id: ":payment" or the name of an event.
func (o *Opaque) event(id string) string {
	message, rest, found := strings.Cut(id, ":")
	if found {
		return o.digest(message) + ":" + rest
	}
	return o.digest(message)
}

// found masks the message ids anywhere in a text, whatever it is the id of.
func (o *Opaque) found(text string) string {
	begin := strings.Index(text, whatsAppPrefix)
	if begin < 0 {
		return text
	}
	end := begin + len(whatsAppPrefix)
	for end < len(text) && isBase64(text[end]) {
		end++
	}
	return text[:begin] + o.digest(text[begin:end]) + o.found(text[end:])
}

func isBase64(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("+/=_-", c) >= 0
}

func (o *Opaque) digest(id string) string {
	if strings.HasPrefix(id, "m_") && len(id) == len("m_")+22 {
		return id // hidden already
	}
	sum := o.sum(id)
	return "m_" + base64.RawURLEncoding.EncodeToString(sum[:])
}
