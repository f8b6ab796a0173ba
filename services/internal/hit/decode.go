package hit

import (
	"bytes"
	"encoding/json"
	"strconv"
	"unicode/utf8"
)

// contentReader reads what [Content] writes, and nothing else: canonical JSON, whose
// objects have their members in ascending order.
// Whatever else it meets it does not judge: encoding/json does, to which it comes several
// times as expensive. A build reads every stored fact.
type contentReader struct {
	body []byte
	at   int
	odd  bool // something to leave to encoding/json
}

// readContent reads a whole body; false: it is to be left to encoding/json.
func readContent(body []byte, f *Fact) bool {
	*f = Fact{}
	r := &contentReader{body: body}
	r.object(func(key []byte) { r.fact(f, key) })
	return !r.odd && r.at == len(body)
}

func (r *contentReader) fact(f *Fact, key []byte) {
	switch string(key) {
	case "kind":
		f.Kind = Kind(r.word())
	case "channel":
		f.Channel = r.word()
	case "id":
		f.ID = r.text()
	case "status":
		f.Status = Status(r.word())
	case "identifiers":
		f.Identifiers = make([]Identifier, 0, 2)
		r.array(func() { f.Identifiers = append(f.Identifiers, r.identifier()) })
	case "device":
		device := r.identifier()
		f.Device = &device
	case "message":
		f.Message = new(Message)
		r.object(func(key []byte) { r.message(f.Message, key) })
	case "report":
		f.Report = new(Report)
		r.object(func(key []byte) { r.report(f.Report, key) })
	case "click":
		f.Click = new(Click)
		r.object(func(key []byte) { r.click(f.Click, key) })
	case "inbound":
		f.Inbound = new(Inbound)
		r.rest(f.Inbound)
	case "page":
		f.Page = new(Page)
		r.object(func(key []byte) { r.page(f.Page, key) })
	case "event":
		f.Event = new(Event)
		r.object(func(key []byte) { r.event(f.Event, key) })
	case "identify":
		f.Identify = new(Identify)
		r.object(func(key []byte) { r.identify(f.Identify, key) })
	case "raw":
		f.Raw = r.raw()
	case "consent":
		f.Consent = new(Consent)
		r.rest(f.Consent)
	default:
		r.odd = true
	}
}

func (r *contentReader) identifier() (id Identifier) {
	r.object(func(key []byte) {
		switch string(key) {
		case "kind":
			id.Kind = IdentifierKind(r.word())
		case "value":
			id.Value = r.text()
		case "folded":
			id.Folded = r.text()
		default:
			r.odd = true
		}
	})
	return id
}

func (r *contentReader) message(m *Message, key []byte) {
	switch string(key) {
	case "sender":
		m.Sender = r.text()
	case "template":
		m.Template = new(Template)
		r.object(func(key []byte) {
			switch string(key) {
			case "name":
				m.Template.Name = r.text()
			case "language":
				m.Template.Language = r.text()
			default:
				r.odd = true
			}
		})
	case "campaign":
		m.Campaign = r.text()
	case "variant":
		m.Variant = r.text()
	case "click_token":
		m.Token = r.text()
	case "cost":
		m.Cost = new(Amount)
		r.rest(m.Cost)
	default:
		r.odd = true
	}
}

func (r *contentReader) report(p *Report, key []byte) {
	switch string(key) {
	case "sender":
		p.Sender = r.text()
	case "category":
		p.Category = r.word()
	case "reason":
		p.Reason = r.text()
	case "code":
		p.Code = r.number()
	case "machine":
		p.Machine = r.boolean()
	case "group":
		p.Group = r.boolean()
	case "payment":
		p.Payment = new(Payment)
		r.rest(p.Payment)
	case "extra":
		p.Extra = r.raw()
	default:
		r.odd = true
	}
}

func (r *contentReader) click(c *Click, key []byte) {
	switch string(key) {
	case "click_token":
		c.Token = r.text()
	case "url":
		c.URL = r.text()
	case "method":
		c.Method = r.word()
	case "agent":
		c.Agent = r.text()
	case "message_id":
		c.Message = r.text()
	default:
		r.odd = true
	}
}

func (r *contentReader) page(p *Page, key []byte) {
	switch string(key) {
	case "url":
		p.URL = r.text()
	case "referrer":
		p.Referrer = r.text()
	case "name":
		p.Name = r.text()
	case "title":
		p.Title = r.text()
	case "screen":
		p.Screen = r.boolean()
	case "properties":
		p.Properties = r.raw()
	default:
		r.odd = true
	}
}

func (r *contentReader) event(e *Event, key []byte) {
	switch string(key) {
	case "name":
		e.Name = r.text()
	case "in_thread":
		e.InThread = r.boolean()
	case "properties":
		e.Properties = r.raw()
	case "country":
		e.Country = r.text()
	default:
		r.odd = true
	}
}

func (r *contentReader) identify(i *Identify, key []byte) {
	switch string(key) {
	case "call":
		i.Call = r.text()
	case "group":
		i.Group = r.text()
	case "traits":
		i.Traits = r.raw()
	case "message":
		i.Message = r.text()
	default:
		r.odd = true
	}
}

// next takes a byte if it is the next one.
func (r *contentReader) next(b byte) bool {
	if r.odd || r.at >= len(r.body) || r.body[r.at] != b {
		return false
	}
	r.at++
	return true
}

func (r *contentReader) want(b byte) {
	if !r.next(b) {
		r.odd = true
	}
}

// object calls member for each, at its value. Members come in ascending order, none twice.
func (r *contentReader) object(member func(key []byte)) {
	r.want('{')
	var before []byte
	for more := !r.next('}'); more && !r.odd; more = r.next(',') {
		key := r.plain()
		if r.want(':'); r.odd || bytes.Compare(before, key) >= 0 {
			r.odd = true
			return
		}
		member(key)
		if before = key; r.next('}') {
			return
		}
		if r.at >= len(r.body) || r.body[r.at] != ',' {
			r.odd = true
		}
	}
}

// array calls element at each.
func (r *contentReader) array(element func()) {
	r.want('[')
	for more := !r.next(']'); more && !r.odd; more = r.next(',') {
		element()
		if r.next(']') {
			return
		}
		if r.at >= len(r.body) || r.body[r.at] != ',' {
			r.odd = true
		}
	}
}

// plain reads a string that is written as it is; any other is odd.
func (r *contentReader) plain() []byte {
	r.want('"')
	for i := r.at; i < len(r.body) && !r.odd; i++ {
		switch b := r.body[i]; {
		case b == '"':
			text := r.body[r.at:i]
			r.at = i + 1
			return text
		case b == '\\' || b < ' ':
			r.odd = true
		}
	}
	r.odd = true
	return nil
}

func (r *contentReader) text() (text string) {
	if r.odd {
		return ""
	}
	start := r.at
	if plain := r.plain(); !r.odd && utf8.Valid(plain) {
		return string(plain)
	}
	r.at, r.odd = start, false
	if r.want('"'); !r.odd {
		r.at = start
		r.skip()
	}
	r.odd = r.odd || json.Unmarshal(r.body[start:r.at], &text) != nil
	return text
}

// words are texts that come again and again: they need not be made anew each time.
var words = func() map[string]string {
	all := map[string]string{}
	for _, word := range []string{
		string(KindMessage), string(KindStatus), string(KindClick), string(KindInbound), string(KindPage), string(KindEvent),
		string(KindIdentify), string(KindRaw), string(UserID), string(Phone), string(BSUID), string(Email), string(Device),
		string(StatusSent), string(StatusDelivered), string(StatusRead), string(StatusPlayed), string(StatusFailed), string(StatusBounced),
		ChannelWhatsApp, ChannelSMS, "marketing", "utility", "service", "GET", "HEAD",
	} {
		all[word] = word
	}
	return all
}()

// word is text that is likely to be one of words.
func (r *contentReader) word() string {
	start := r.at
	if r.odd {
		return ""
	}
	if word, known := words[string(r.plain())]; known {
		return word
	}
	r.at, r.odd = start, false
	return r.text()
}

func (r *contentReader) boolean() bool {
	for _, text := range [2]string{"true", "false"} {
		if rest := r.body[r.at:]; len(rest) >= len(text) && string(rest[:len(text)]) == text {
			r.at += len(text)
			return text == "true"
		}
	}
	r.odd = true
	return false
}

// number reads an integer as it is written: no sign but a minus, no zero in front.
func (r *contentReader) number() int {
	start := r.at
	for r.at < len(r.body) && (r.body[r.at] == '-' || r.body[r.at] >= '0' && r.body[r.at] <= '9') {
		r.at++
	}
	text := string(r.body[start:r.at])
	n, err := strconv.Atoi(text)
	r.odd = r.odd || err != nil || strconv.Itoa(n) != text
	return n
}

// raw returns a copy of any value.
func (r *contentReader) raw() json.RawMessage { return bytes.Clone(r.value()) }

// rest leaves a value to encoding/json.
func (r *contentReader) rest(into any) {
	if value := r.value(); r.odd || value[0] != '{' || json.Unmarshal(value, into) != nil {
		r.odd = true
	}
}

// value takes any value: up to where all its brackets are closed.
func (r *contentReader) value() []byte {
	start, depth := r.at, 0
	for r.at < len(r.body) && !r.odd {
		switch b := r.body[r.at]; b {
		case '"':
			r.skip()
			continue
		case '{', '[':
			depth++
		case '}', ']', ',':
			if depth == 0 {
				return r.whole(start)
			}
			if b != ',' {
				depth--
			}
		}
		r.at++
	}
	r.odd = true
	return nil
}

// skip takes a string, escapes and all.
func (r *contentReader) skip() {
	for r.at++; r.at < len(r.body); r.at++ {
		switch r.body[r.at] {
		case '\\':
			r.at++
		case '"':
			r.at++
			return
		}
	}
	r.odd = true
}

// whole is what was taken since start, when it is a value.
func (r *contentReader) whole(start int) []byte {
	value := r.body[start:r.at]
	if len(bytes.Trim(value, " \t\r\n")) != len(value) || !json.Valid(value) {
		r.odd = true
		return nil
	}
	return value
}
