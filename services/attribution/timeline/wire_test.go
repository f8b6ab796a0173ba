package timeline_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/cockroachdb/apd/v3"
	"github.com/google/uuid"

	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/internal/hit/canonical"
)

// wireFact is a fact of a conformance world; run.py says how it travels.
type wireFact struct {
	T           string          `json:"t"`
	ID          string          `json:"id"`
	At          string          `json:"at"`
	Channel     string          `json:"channel"`
	Status      string          `json:"status"`
	Trust       string          `json:"trust"`
	Name        string          `json:"name"`
	Kind        string          `json:"kind"`
	Props       json.RawMessage `json:"props"`
	Business    string          `json:"business"`
	wireWho     `json:",inline"`
	wireMessage `json:",inline"`
	wireInbound `json:",inline"`
	wirePage    `json:",inline"`
}

type wireWho struct {
	UserID string `json:"user_id"`
	Phone  string `json:"phone"`
	BSUID  string `json:"bsuid"`
	Email  string `json:"email"`
	Device string `json:"device"`
}

type wireMessage struct {
	Template string `json:"template"`
	Language string `json:"language"`
	Campaign string `json:"campaign"`
	Variant  string `json:"variant"`
	Token    string `json:"token"`
}

type wireInbound struct {
	Text     string          `json:"text"`
	Payload  string          `json:"payload"`
	Button   string          `json:"button_token"`
	Context  string          `json:"context"`
	Fields   json.RawMessage `json:"fields"`
	Order    []wireItem      `json:"order"`
	Referral *struct {
		SourceID string `json:"source_id"`
	} `json:"referral"`
}

type wireItem struct {
	Price    json.Number `json:"item_price"`
	Quantity json.Number `json:"quantity"`
	Currency string      `json:"currency"`
}

type wirePage struct {
	URL      string `json:"url"`
	Referrer string `json:"referrer"`
}

// fact is the fact as it is stored, but for identifiers in plain text.
func (w *wireFact) fact() (hit.Fact, error) {
	f := hit.Fact{ID: w.ID, Channel: w.Channel, Source: uuid.NewSHA1(uuid.NameSpaceOID, []byte(w.source())), Trust: w.trust()}
	f.ReceivedAt = hit.InstantOf(time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC))
	at, precision, err := hit.ParseInstant(w.At)
	if err != nil {
		return f, err
	}
	if w.source() == "whatsapp" { // the Cloud API gives seconds
		at, precision = at-at%1_000_000, hit.PrecisionSecond
	}
	hit.SetTime(&f, at, precision, true)
	w.setIdentifiers(&f)
	return f, w.setBody(&f)
}

func (w *wireFact) source() string {
	switch {
	case w.T == "status" && w.Channel == "whatsapp", w.T == "inbound":
		return "whatsapp"
	case w.T == "event" && w.Trust == "webhook":
		return "webhook"
	case w.T == "page", w.Trust == "browser":
		return "pixel"
	}
	return "server"
}

func (w *wireFact) trust() hit.Trust {
	switch {
	case w.T == "status", w.source() == "whatsapp", w.source() == "webhook":
		return hit.TrustWebhook
	case w.source() == "pixel":
		return hit.TrustBrowser
	}
	return hit.TrustServer
}

func (w *wireFact) setIdentifiers(f *hit.Fact) {
	add := func(id hit.Identifier, ok bool) {
		if ok {
			f.Identifiers = append(f.Identifiers, id)
		}
	}
	switch {
	case w.T == "status" && w.Channel != "whatsapp": // these name nobody on the wire
		return
	case w.T == "status", w.T == "inbound":
		id, _, ok := hit.NormalizeWaID(strings.TrimPrefix(w.Phone, "+"))
		add(id, ok)
		add(hit.NormalizeID(hit.BSUID, w.BSUID))
	default:
		id, _, ok := hit.NormalizePhone(w.Phone, "")
		add(id, ok)
		add(hit.NormalizeID(hit.UserID, w.UserID))
		add(hit.NormalizeEmail(w.Email))
	}
	f.Identifiers = hit.SortIdentifiers(f.Identifiers)
	if id, ok := hit.NormalizeID(hit.Device, w.Device); ok {
		f.Device = &id
	}
}

func (w *wireFact) setBody(f *hit.Fact) error {
	f.Kind = hit.Kind(w.T)
	switch f.Kind {
	case hit.KindMessage:
		f.Message = &hit.Message{Sender: w.Business, Campaign: w.Campaign, Variant: w.Variant, Token: w.Token}
		if w.Template != "" {
			f.Message.Template = &hit.Template{Name: w.Template, Language: w.Language}
		}
	case hit.KindStatus:
		f.Status = hit.Status(w.Status)
		f.Report = &hit.Report{}
		if w.Channel == "whatsapp" {
			f.Report.Sender = "1001" // all of run.py's callbacks are of one number
		}
	case hit.KindPage:
		f.Page = &hit.Page{URL: w.URL, Referrer: w.Referrer}
	case hit.KindIdentify:
		f.Identify = &hit.Identify{Call: "identify"}
	case hit.KindEvent:
		return w.setEvent(f)
	case hit.KindInbound:
		return w.setInbound(f)
	default:
		return fmt.Errorf("fact of kind %q", w.T)
	}
	return nil
}

func (w *wireFact) setEvent(f *hit.Fact) error {
	properties := w.Props
	if len(properties) == 0 {
		properties = json.RawMessage("{}")
	}
	written, err := canonical.JSON(properties)
	if err != nil {
		return err
	}
	var says struct {
		InThread bool `json:"in_thread"`
	}
	if err := json.Unmarshal(written, &says); err != nil {
		return err
	}
	f.Event = &hit.Event{Name: w.Name, InThread: says.InThread, Properties: written}
	return nil
}

func (w *wireFact) setInbound(f *hit.Fact) error {
	in := &hit.Inbound{Business: "1001", Type: w.Kind, Text: w.Text, Context: w.Context, Token: w.Button}
	f.Inbound = in
	if w.Referral != nil {
		in.Referral = &hit.Referral{SourceID: w.Referral.SourceID}
	}
	switch w.Kind {
	case "button":
		in.Interact, in.Payload, in.Title = "button", w.Payload, title(w.Payload)
	case "list":
		in.Type, in.Interact, in.Payload, in.Title = "interactive", "list_reply", w.Payload, title(w.Payload)
	case "flow":
		return w.setFlow(in)
	case "order":
		return w.setOrder(in)
	}
	return nil
}

// setFlow keeps a flow's answers; a flow_token ends in the click token as a button's
// payload does.
func (w *wireFact) setFlow(in *hit.Inbound) error {
	in.Type, in.Interact = "interactive", "nfm_reply"
	fields, err := canonical.JSON(w.Fields)
	if err != nil {
		return err
	}
	in.Fields = fields
	var has struct {
		Token string `json:"flow_token"`
	}
	if err := json.Unmarshal(fields, &has); err != nil {
		return err
	}
	if _, token, found := strings.Cut(has.Token, ";mt="); found {
		in.Token = token
	}
	return nil
}

func (w *wireFact) setOrder(in *hit.Inbound) error {
	sum := apd.New(0, 0)
	for _, item := range w.Order {
		price, _, err := apd.NewFromString(item.Price.String())
		if err != nil {
			return err
		}
		quantity, _, err := apd.NewFromString(item.Quantity.String())
		if err != nil {
			return err
		}
		product := new(apd.Decimal)
		if _, err := apd.BaseContext.Mul(product, price, quantity); err != nil {
			return err
		}
		if _, err := apd.BaseContext.Add(sum, sum, product); err != nil {
			return err
		}
		in.Order = &hit.Amount{Currency: item.Currency}
	}
	if in.Order != nil {
		in.Order.Amount = sum.Text('f')
	}
	return nil
}

func title(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + strings.ToLower(s[1:])
}
