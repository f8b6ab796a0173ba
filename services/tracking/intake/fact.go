package intake

import (
	"encoding/json"

	"github.com/touchline/touchline/services/internal/hit"
)

// texts returns every text of f that a sender chose, identifiers excepted (they are
// normalised).
func texts(all []*string, f *hit.Fact) []*string {
	all = append(all, &f.ID, &f.Channel)
	if m := f.Message; m != nil {
		all = append(all, &m.Sender, &m.Campaign, &m.Variant, &m.Token)
		if m.Template != nil {
			all = append(all, &m.Template.Name, &m.Template.Language)
		}
	}
	if r := f.Report; r != nil {
		all = append(all, &r.Sender, &r.Category, &r.Reason)
		if r.Payment != nil {
			all = append(all, &r.Payment.Reference, &r.Payment.Amount.Currency)
		}
	}
	if c := f.Click; c != nil {
		all = append(all, &c.Token, &c.URL, &c.Method, &c.Agent, &c.Message)
	}
	if p := f.Page; p != nil {
		all = append(all, &p.URL, &p.Referrer, &p.Name, &p.Title)
	}
	if e := f.Event; e != nil {
		all = append(all, &e.Name)
	}
	if i := f.Identify; i != nil {
		all = append(all, &i.Group, &i.Message)
	}
	if c := f.Consent; c != nil {
		all = append(all, &c.TCF)
	}
	return inboundTexts(all, f.Inbound)
}

func inboundTexts(all []*string, in *hit.Inbound) []*string {
	if in == nil {
		return all
	}
	all = append(all, &in.Business, &in.Type, &in.Text, &in.Context, &in.Payload, &in.Title, &in.Token, &in.Interact)
	if in.Order != nil {
		all = append(all, &in.Order.Currency)
	}
	if r := in.Referral; r != nil {
		all = append(all, &r.SourceID, &r.SourceType, &r.SourceURL, &r.Headline, &r.ClickID)
	}
	return all
}

// documents returns every JSON document that f carries.
func documents(all []*json.RawMessage, f *hit.Fact) []*json.RawMessage {
	all = append(all, &f.Raw)
	if f.Report != nil {
		all = append(all, &f.Report.Extra)
	}
	if f.Inbound != nil {
		all = append(all, &f.Inbound.Fields, &f.Inbound.Items, &f.Inbound.Extra)
	}
	if f.Page != nil {
		all = append(all, &f.Page.Properties)
	}
	if f.Event != nil {
		all = append(all, &f.Event.Properties)
	}
	if f.Identify != nil {
		all = append(all, &f.Identify.Traits)
	}
	if f.Consent != nil {
		all = append(all, &f.Consent.GCM)
	}
	return all
}
