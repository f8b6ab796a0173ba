package hit

// The fields of each structure and their tags, from 1 on. Hits in a stream outlive
// the program that wrote them: never change or reuse a tag. A new field needs a new
// [Version], because a reader refuses tags that it does not know rather than lose
// what they carry. (*Hit).version says which is the oldest that can hold a hit: only
// what needs a new one is written in it, so that a worker that is upgraded after the
// edges quarantines no more than it must.

// version is that in which h is written.
func (h *Hit) version() byte {
	if h.Fact.Consent != nil {
		return 2
	}
	return 1
}

func (h *Hit) fields(c *codec) {
	c.id(1, &h.Workspace)
	inner(c, 2, &h.Receipt, (*Receipt).fields)
	inner(c, 3, &h.Fact, (*Fact).fields)
	optional(c, 4, &h.Rejection, (*Rejection).fields)
}

func (r *Receipt) fields(c *codec) {
	c.id(1, &r.Epoch)
	integer(c, 2, &r.Shard)
	integer(c, 3, &r.Number)
}

func (r *Rejection) fields(c *codec) {
	text(c, 1, &r.Reason)
	text(c, 2, &r.Detail)
	raw(c, 3, &r.Raw)
}

func (f *Fact) fields(c *codec) {
	text(c, 1, &f.Kind)
	c.id(2, &f.Source)
	integer(c, 3, &f.Trust)
	text(c, 4, &f.Channel)
	text(c, 5, &f.ID)
	text(c, 6, &f.Status)
	integer(c, 7, &f.At)
	integer(c, 8, &f.Precision)
	integer(c, 9, &f.ReceivedAt)
	c.texts(10, &f.Flags)
	list(c, 11, &f.Identifiers, (*Identifier).fields)
	optional(c, 12, &f.Device, (*Identifier).fields)
	optional(c, 13, &f.Message, (*Message).fields)
	optional(c, 14, &f.Report, (*Report).fields)
	optional(c, 15, &f.Click, (*Click).fields)
	optional(c, 16, &f.Inbound, (*Inbound).fields)
	optional(c, 17, &f.Page, (*Page).fields)
	optional(c, 18, &f.Event, (*Event).fields)
	optional(c, 19, &f.Identify, (*Identify).fields)
	raw(c, 20, &f.Raw)
	if c.version >= 2 {
		optional(c, 21, &f.Consent, (*Consent).fields)
	}
}

func (s *Consent) fields(c *codec) {
	text(c, 1, &s.State)
	c.flag(2, &s.GPC)
	c.flag(3, &s.DNT)
	raw(c, 4, &s.GCM)
	text(c, 5, &s.TCF)
}

func (i *Identifier) fields(c *codec) {
	text(c, 1, &i.Kind)
	text(c, 2, &i.Value)
	text(c, 3, &i.Folded)
}

func (m *Message) fields(c *codec) {
	text(c, 1, &m.Sender)
	optional(c, 2, &m.Template, (*Template).fields)
	text(c, 3, &m.Campaign)
	text(c, 4, &m.Variant)
	text(c, 5, &m.Token)
	optional(c, 6, &m.Cost, (*Amount).fields)
}

func (t *Template) fields(c *codec) {
	text(c, 1, &t.Name)
	text(c, 2, &t.Language)
}

func (a *Amount) fields(c *codec) {
	text(c, 1, &a.Amount)
	text(c, 2, &a.Currency)
}

func (r *Report) fields(c *codec) {
	text(c, 1, &r.Sender)
	text(c, 2, &r.Category)
	text(c, 3, &r.Reason)
	integer(c, 4, &r.Code)
	c.flag(5, &r.Machine)
	c.flag(6, &r.Group)
	optional(c, 7, &r.Payment, (*Payment).fields)
	raw(c, 8, &r.Extra)
}

func (p *Payment) fields(c *codec) {
	text(c, 1, &p.Reference)
	inner(c, 2, &p.Amount, (*Amount).fields)
}

func (k *Click) fields(c *codec) {
	text(c, 1, &k.Token)
	text(c, 2, &k.URL)
	text(c, 3, &k.Method)
	text(c, 4, &k.Agent)
	text(c, 5, &k.Message)
}

func (i *Inbound) fields(c *codec) {
	text(c, 1, &i.Business)
	text(c, 2, &i.Type)
	text(c, 3, &i.Text)
	text(c, 4, &i.Context)
	text(c, 5, &i.Payload)
	text(c, 6, &i.Title)
	text(c, 7, &i.Token)
	text(c, 8, &i.Interact)
	raw(c, 9, &i.Fields)
	optional(c, 10, &i.Order, (*Amount).fields)
	raw(c, 11, &i.Items)
	optional(c, 12, &i.Referral, (*Referral).fields)
	c.flag(13, &i.Group)
	raw(c, 14, &i.Extra)
}

func (r *Referral) fields(c *codec) {
	text(c, 1, &r.SourceID)
	text(c, 2, &r.SourceType)
	text(c, 3, &r.SourceURL)
	text(c, 4, &r.Headline)
	text(c, 5, &r.ClickID)
}

func (p *Page) fields(c *codec) {
	text(c, 1, &p.URL)
	text(c, 2, &p.Referrer)
	text(c, 3, &p.Name)
	text(c, 4, &p.Title)
	c.flag(5, &p.Screen)
	raw(c, 6, &p.Properties)
}

func (e *Event) fields(c *codec) {
	text(c, 1, &e.Name)
	c.flag(2, &e.InThread)
	raw(c, 3, &e.Properties)
	text(c, 4, &e.Country)
}

func (i *Identify) fields(c *codec) {
	text(c, 1, &i.Call)
	text(c, 2, &i.Group)
	raw(c, 3, &i.Traits)
	text(c, 4, &i.Message)
}
