// Package message reads what senders log of the messages that they sent, and the
// statuses of messages on channels without an adapter of their own. It is pure.
package message

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/tracking/edge/lenient"
	"github.com/touchline/touchline/services/tracking/intake"
)

// The errors of bodies that can't be read at all.
var (
	ErrMessages = errors.New(`message: the body must be a JSON object with an array named messages`)
	ErrStatuses = errors.New(`message: the body must be a JSON object with an array named statuses`)
)

var (
	// channelForm is what a channel may be called: it is part of a message's key.
	channelForm = regexp.MustCompile(`^[a-z][a-z0-9_]{0,31}$`)
	// tokenForm is what may travel in a URL's mt parameter and after ";mt=" of a
	// payload unchanged.
	tokenForm = regexp.MustCompile(`^[A-Za-z0-9._~-]{1,128}$`)
	// amountForm bounds a decimal before anything calculates with it.
	amountForm   = regexp.MustCompile(`^-?\d{1,15}(\.\d{1,12})?$`)
	currencyForm = regexp.MustCompile(`^[A-Z]{3}$`)
)

// TokenMaker makes click tokens for messages that were registered without one.
type TokenMaker func(workspace uuid.UUID, channel, messageID string) string

// Registrations reads the body of POST /v1/messages. A bad item is an item with a
// refusal whose pointer names the field.
func Registrations(body []byte, workspace uuid.UUID, tokens TokenMaker) ([]intake.Item, error) {
	array, whole, err := list(body, "messages", ErrMessages)
	if err != nil {
		return nil, err
	}
	var items []intake.Item
	for raw := range lenient.Elements(array) {
		r := reader{pointer: "/messages/" + strconv.Itoa(len(items))}
		item := intake.Item{Raw: raw, Anonymous: true}
		if r.open(raw, whole) {
			r.registration(&item)
			if f := &item.Fact; r.refusal == nil && f.Message.Token == "" {
				f.Message.Token = tokens(workspace, f.Channel, f.ID)
			}
		}
		item.Refusal = r.refusal
		items = append(items, item)
	}
	return items, nil
}

// Statuses reads the body of POST /v1/messages/statuses.
func Statuses(body []byte) ([]intake.Item, error) {
	array, whole, err := list(body, "statuses", ErrStatuses)
	if err != nil {
		return nil, err
	}
	var items []intake.Item
	for raw := range lenient.Elements(array) {
		r := reader{pointer: "/statuses/" + strconv.Itoa(len(items))}
		item := intake.Item{Raw: raw, Anonymous: true}
		if r.open(raw, whole) {
			r.status(&item)
		}
		item.Refusal = r.refusal
		items = append(items, item)
	}
	return items, nil
}

// list returns the array of that name; missing is the error when there is none. whole
// is false when some of its elements may be no JSON.
func list(body []byte, name string, missing error) (array []byte, whole bool, err error) {
	valid, whole := lenient.ValidItems(body, name)
	if !valid {
		return nil, false, missing
	}
	o, _ := lenient.Read(body)
	if lenient.Kind(o.Get(name)) != '[' {
		return nil, false, missing
	}
	return o.Get(name), whole, intake.CheckItems("/"+name, lenient.Count(o.Get(name)))
}

// reader reads one item; the first fault is the one that is told.
type reader struct {
	lenient.Object
	pointer string
	refusal *intake.Refusal
}

func (r *reader) open(raw []byte, whole bool) bool {
	o, ok := lenient.Read(raw)
	if ok = ok && (whole || lenient.Valid(raw)); !ok {
		r.refusal = &intake.Refusal{Reason: intake.Malformed, Detail: "must be a JSON object, without NaN and Infinity", Pointer: r.pointer}
	}
	r.Object = o
	return ok
}

func (r *reader) refuse(reason intake.Reason, field, detail string) {
	if r.refusal == nil {
		r.refusal = &intake.Refusal{Reason: reason, Detail: detail, Pointer: r.pointer + "/" + field}
	}
}

func (r *reader) registration(item *intake.Item) {
	r.key(&item.Fact)
	item.Fact.Kind = hit.KindMessage
	item.Names = r.recipient()
	item.Country = strings.ToUpper(r.inner("to").Text("country"))
	item.Stated = r.time("sent_at")
	m := &hit.Message{
		Sender: r.text("sender"), Campaign: r.text("campaign"), Variant: r.text("variant"),
		Token: r.text("click_token"), Cost: r.cost(),
	}
	if m.Token != "" && !tokenForm.MatchString(m.Token) {
		r.refuse(intake.BadField, "click_token", "must be 1 to 128 letters, digits, or . _ ~ -")
	}
	if r.Has("template") {
		template := reader{Object: r.inner("template"), pointer: r.pointer + "/template"}
		m.Template = &hit.Template{Name: template.text("name"), Language: template.text("language")}
		if template.refusal == nil && m.Template.Name == "" {
			template.refuse(intake.BadField, "name", "a template needs a name")
		}
		r.adopt(template.refusal)
	}
	item.Fact.Message = m
}

func (r *reader) adopt(refusal *intake.Refusal) {
	if r.refusal == nil {
		r.refusal = refusal
	}
}

// key reads what a message is known by.
func (r *reader) key(f *hit.Fact) {
	f.Channel = strings.ToLower(strings.TrimSpace(r.text("channel")))
	if r.refusal == nil && !channelForm.MatchString(f.Channel) {
		r.refuse(intake.BadField, "channel", "must name a channel: whatsapp, sms, email, …")
	}
	f.ID = strings.TrimSpace(r.text("message_id"))
	if f.ID == "" {
		r.refuse(intake.BadID, "message_id", "must be the channel's id of the message")
	}
}

// text reads a field that must be a string or a number when it is there.
func (r *reader) text(field string) string {
	value := r.Text(field)
	if value == "" && r.Has(field) && lenient.Kind(r.Object.Get(field)) != '"' {
		r.refuse(intake.BadField, field, "must be a string")
	}
	return value
}

// inner reads a field that must be an object when it is there.
func (r *reader) inner(field string) lenient.Object {
	if r.Has(field) && lenient.Kind(r.Object.Get(field)) != '{' {
		r.refuse(intake.BadField, field, "must be an object")
	}
	return r.Object.Object(field)
}

// recipient reads to. It may be absent: a status can still name the recipient.
func (r *reader) recipient() []intake.Name {
	to := reader{Object: r.inner("to"), pointer: r.pointer + "/to"}
	names := []intake.Name{
		{Kind: hit.UserID, Text: to.text("user_id")},
		{Kind: hit.Phone, Text: to.text("phone")},
		{Kind: intake.WaID, Text: to.text("wa_id")},
		{Kind: hit.BSUID, Text: to.text("bsuid")},
		{Kind: hit.Email, Text: to.text("email")},
	}
	r.adopt(to.refusal)
	return names
}

// time reads a moment; absent is the moment of receipt, unreadable is refused,
// because this caller can mend it.
func (r *reader) time(field string) intake.Stated {
	s := intake.Stated{Text: r.text(field)}
	if s.Text == "" {
		return s
	}
	if lenient.Kind(r.Object.Get(field)) == '0' {
		s.Seconds = true
		if _, err := hit.ParseUnixSeconds(s.Text); err != nil {
			r.refuse(intake.BadField, field, "must be an RFC 3339 time or whole seconds since 1970")
		}
		return s
	}
	if _, _, err := hit.ParseInstant(s.Text); err != nil {
		r.refuse(intake.BadField, field, "must be an RFC 3339 time with its offset, such as 2026-09-01T12:00:00Z")
	}
	return s
}

func (r *reader) cost() *hit.Amount {
	if !r.Has("cost") {
		return nil
	}
	c := reader{Object: r.inner("cost"), pointer: r.pointer + "/cost"}
	amount := hit.Amount{Amount: c.text("amount"), Currency: strings.ToUpper(c.text("currency"))}
	if !amountForm.MatchString(amount.Amount) {
		c.refuse(intake.BadField, "amount", "must be a decimal number")
	}
	if amount.Currency != "" && !currencyForm.MatchString(amount.Currency) {
		c.refuse(intake.BadField, "currency", "must be an ISO 4217 code")
	}
	r.adopt(c.refusal)
	return &amount
}

// statuses are those that a sender may report.
func statuses() []hit.Status {
	return []hit.Status{
		hit.StatusSent, hit.StatusDelivered, hit.StatusRead, hit.StatusPlayed,
		hit.StatusFailed, hit.StatusBounced, hit.StatusUnsubscribed,
	}
}

func (r *reader) status(item *intake.Item) {
	r.key(&item.Fact)
	item.Fact.Kind = hit.KindStatus
	item.Fact.Status = hit.Status(strings.ToLower(r.text("status")))
	if !slices.Contains(statuses(), item.Fact.Status) {
		r.refuse(intake.BadField, "status", fmt.Sprintf("must be one of %v", statuses()))
	}
	item.Stated = r.time("at")
	item.Fact.Report = &hit.Report{Reason: r.text("reason"), Machine: r.True("machine")}
}
