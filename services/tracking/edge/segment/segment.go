// Package segment reads the calls of Segment's HTTP API, as the SDKs of Segment and
// RudderStack and our own pixel send them, into items. It is pure.
package segment

import (
	"encoding/json"
	"errors"
	"strconv"

	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/tracking/edge/country"
	"github.com/touchline/touchline/services/tracking/edge/lenient"
	"github.com/touchline/touchline/services/tracking/intake"
)

// ErrMalformed is a body that is no JSON object, or a batch without its items.
var ErrMalformed = errors.New("segment: the body must be a JSON object, that of a batch with an array named batch")

// Call is what a request asks for, by its path.
type Call string

// The calls.
const (
	Track    Call = "track"
	Page     Call = "page"
	Screen   Call = "screen"
	Identify Call = "identify"
	Group    Call = "group"
	Alias    Call = "alias"
	Batch    Call = "batch" // also import
)

// Meta is what a request says beside its body.
type Meta struct {
	SentAt     string      // the SentAt header
	ReceivedAt hit.Instant // sets items apart that bring neither id nor time

	// Each, when set, is called with every item that could be read, where it is in the
	// request, and the object that it was read from.
	Each func(index int, item *intake.Item, o lenient.Object)
}

// each calls the function of that name on the last of the items that were read.
func (m *Meta) each(items []intake.Item, o lenient.Object) {
	last := len(items) - 1
	if m.Each != nil && items[last].Refusal == nil {
		m.Each(last, &items[last], o)
	}
}

// Request is one body as it was read.
type Request struct {
	WriteKey string // as the body states it; empty when it does not
	Items    []intake.Item
}

// batch is what holds for all items of a body.
type batch struct {
	context    lenient.Object
	parts      map[string]lenient.Object // of context that were read
	sentAt     string
	receivedAt hit.Instant
}

// Decode reads the body of a call. A bad item is an item with a refusal; only a body
// that can't be read at all, or has too many items, is an error.
func Decode(body []byte, call Call, meta Meta) (Request, error) {
	valid, whole := lenient.ValidItems(body, "batch")
	if !valid || !whole && call != Batch {
		return Request{}, ErrMalformed
	}
	o, ok := lenient.Read(body)
	if !ok {
		return Request{}, ErrMalformed
	}
	r := Request{WriteKey: o.Text("writeKey")}
	b := batch{sentAt: meta.SentAt, receivedAt: meta.ReceivedAt}
	if call != Batch {
		r.Items = []intake.Item{b.item(body, o, call, "")}
		meta.each(r.Items, o)
		return r, nil
	}
	if lenient.Kind(o.Get("batch")) != '[' {
		return Request{}, ErrMalformed
	}
	n := lenient.Count(o.Get("batch"))
	if err := intake.CheckItems("/batch", n); err != nil {
		return Request{}, err
	}
	r.Items = make([]intake.Item, 0, n)
	b.context = o.Object("context")
	if sentAt := o.Text("sentAt"); sentAt != "" {
		b.sentAt = sentAt
	}
	for raw := range lenient.Elements(o.Get("batch")) {
		pointer := "/batch/" + strconv.Itoa(len(r.Items))
		inner, ok := lenient.Read(raw)
		if !ok || !whole && !lenient.Valid(raw) {
			r.Items = append(r.Items, refuse(raw, intake.Malformed, "an item must be a JSON object, without NaN and Infinity", pointer))
			continue
		}
		r.Items = append(r.Items, b.item(raw, inner, Call(inner.Text("type")), pointer))
		meta.each(r.Items, inner)
	}
	return r, nil
}

func refuse(raw []byte, reason intake.Reason, detail, pointer string) intake.Item {
	return intake.Item{Raw: raw, Refusal: &intake.Refusal{Reason: reason, Detail: detail, Pointer: pointer}}
}

// item reads one call.
func (b *batch) item(raw []byte, o lenient.Object, call Call, pointer string) intake.Item {
	c := newReader(b, o)
	item := intake.Item{Raw: raw, Country: c.country, Stated: c.stated(), Names: c.names(call)}
	item.Fact.ID = o.Text("messageId")
	if item.Fact.ID == "" {
		item.Fact.ID = b.makeID(raw, item.Stated, pointer)
	}
	switch call {
	case Track:
		item.Fact.Kind, item.Fact.Event = hit.KindEvent, c.event()
	case Page, Screen:
		item.Fact.Kind, item.Fact.Page = hit.KindPage, c.page(call)
	case Identify, Group, Alias:
		item.Fact.Kind, item.Fact.Identify = hit.KindIdentify, c.identify(call)
	default:
		return refuse(raw, intake.UnknownType, "the type of an item must be track, page, screen, identify, group or alias", pointer+"/type")
	}
	return item
}

// around returns an object of the batch's context. All items share it, so that it is read
// once: it may be as large as a body.
func (b *batch) around(key string) lenient.Object {
	if len(b.context) == 0 { // as of a single call
		return lenient.Object{}
	}
	o, known := b.parts[key]
	if !known {
		if b.parts == nil {
			b.parts = map[string]lenient.Object{}
		}
		o = b.context.Object(key)
		b.parts[key] = o
	}
	return o
}

// makeID gives an item without a messageId one. With a time of its own the item is
// told apart by what it says, so that a retry is the same fact. Without one, nothing
// tells two equal calls from one call that was retried; they are taken as two,
// because losing every later one would be worse than counting a retry twice.
func (b *batch) makeID(raw []byte, stated intake.Stated, pointer string) string {
	var parts [][]byte
	for key, value := range lenient.Members(raw) {
		if key != "sentAt" && key != "writeKey" { // a retry may state these anew
			parts = append(parts, []byte(key), value)
		}
	}
	if stated.Text == "" {
		parts = append(parts, strconv.AppendInt(nil, int64(b.receivedAt), 10), []byte(pointer))
	}
	return intake.ContentID(parts...)
}

// reader is one item with what its batch adds to it. What several fields come from is
// read once: reading objects is what this package costs.
type reader struct {
	lenient.Object
	batch              *batch
	around             lenient.Object // the item's own context
	properties, traits lenient.Object
	person             lenient.Object // the traits of the context
	country            string         // that the item itself names, of an address or outright
}

func newReader(b *batch, o lenient.Object) *reader {
	c := &reader{Object: o, batch: b, around: o.Object("context"), properties: o.Object("properties"), traits: o.Object("traits")}
	c.person = c.context("traits")
	for _, of := range []lenient.Object{c.properties, c.traits, c.person} {
		if c.country = country.Of(of); c.country != "" {
			return c
		}
	}
	c.country = country.Alpha2(c.context("location").Text("country"))
	return c
}

// context returns an object of the item's context, else of the batch's.
func (c *reader) context(key string) lenient.Object {
	if c.around.Has(key) {
		return c.around.Object(key)
	}
	return c.batch.around(key)
}

// stated returns the time: timestamp, which RudderStack calls originalTimestamp.
func (c *reader) stated() intake.Stated {
	s := intake.Stated{Text: c.Text("timestamp"), SentAt: c.Text("sentAt")}
	if s.Text == "" {
		s.Text = c.Text("originalTimestamp")
	}
	if s.SentAt == "" {
		s.SentAt = c.batch.sentAt
	}
	return s
}

// names returns the identifiers. A group's traits are the group's, so that they name
// nobody.
func (c *reader) names(call Call) []intake.Name {
	userID, device := c.Text("userId"), c.Text("anonymousId")
	names := []intake.Name{{Kind: hit.UserID, Text: userID}}
	if call == Alias {
		previous := c.Text("previousId")
		if previous != device {
			names = append(names, intake.Name{Kind: hit.UserID, Text: previous})
		}
		if device == "" {
			// It may as well be the anonymous id of before; that nothing else ever
			// names a device of that name costs nothing.
			device = previous
		}
	}
	traits := []lenient.Object{c.person}
	if call == Identify {
		traits = []lenient.Object{c.traits, c.person}
	}
	return append(names,
		intake.Name{Kind: hit.Phone, Text: first(traits, "phone")},
		intake.Name{Kind: hit.Email, Text: first(traits, "email")},
		intake.Name{Kind: hit.Device, Text: device},
	)
}

func first(objects []lenient.Object, key string) string {
	for _, o := range objects {
		if text := o.Text(key); text != "" {
			return text
		}
	}
	return ""
}

// document returns a member that is an object, as it came; nil for anything else.
func (c *reader) document(key string) json.RawMessage {
	if lenient.Kind(c.Object.Get(key)) != '{' {
		return nil
	}
	return c.Object.Get(key)
}

func (c *reader) event() *hit.Event {
	name, _ := c.String("event")
	return &hit.Event{
		Name:       name,
		InThread:   c.properties.True("in_thread"),
		Properties: c.document("properties"),
		Country:    c.country,
	}
}

// page reads a page or screen. The address is what the call itself says, else what
// the SDK says of the page it runs on. (context.campaign is not read: it repeats the
// address's utm parameters.)
func (c *reader) page(call Call) *hit.Page {
	around := c.context("page")
	of := func(key string) string {
		if value, ok := c.properties.String(key); ok {
			return value
		}
		return around.Text(key)
	}
	name := c.Text("name")
	if name == "" {
		name = c.properties.Text("name")
	}
	return &hit.Page{
		URL: of("url"), Referrer: of("referrer"), Title: of("title"),
		Name: name, Screen: call == Screen, Properties: c.document("properties"),
	}
}

// identify reads identify, group and alias. Phone and e-mail are left out of the
// traits that are kept: they are identifiers, and stored as such.
func (c *reader) identify(call Call) *hit.Identify {
	traits := c.traits
	if len(traits) == 0 && call == Identify {
		traits = c.person
	}
	i := &hit.Identify{Call: string(call), Traits: without(traits, "phone", "email")}
	if call == Group {
		i.Group = c.Text("groupId")
	}
	return i
}

// without writes an object again without some members; nil when nothing is left.
func without(o lenient.Object, keys ...string) json.RawMessage {
	kept := make(map[string]json.RawMessage, len(o))
	for key, value := range o.All() {
		kept[key] = value
	}
	for _, key := range keys {
		delete(kept, key)
	}
	if len(kept) == 0 {
		return nil
	}
	raw, err := json.Marshal(kept)
	if err != nil {
		return nil // unreachable: the members were valid JSON
	}
	return raw
}
