package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/derive"
	"github.com/touchline/touchline/services/attribution/fact"
	"github.com/touchline/touchline/services/attribution/identity"
	"github.com/touchline/touchline/services/attribution/postgres/dbsqlc"
	"github.com/touchline/touchline/services/attribution/touch"
	"github.com/touchline/touchline/services/internal/hit"
)

// Apply implements [derive.Table].
func (t deriveTx) Apply(ctx context.Context, v derive.Version, c derive.Changes, at time.Time) error {
	w := deriveWrite{deriveTx: t, version: int32(v.Number), identity: int32(v.Identity), at: at}
	if !c.Split || len(c.MessageUpsert) == 0 {
		return w.write(ctx, &c)
	}
	beside, err := w.beside(ctx)
	if errors.Is(err, ErrUnavailable) { // should the connection of the transaction be gone, what follows says so
		return w.write(ctx, &c)
	}
	if err != nil {
		return err
	}
	messages := derive.Changes{MessageUpsert: c.MessageUpsert, Messages: c.Messages, Fresh: c.Fresh}
	c.MessageUpsert, c.Messages = nil, nil
	return w.writeSplit(ctx, &c, beside, &messages)
}

// write writes all changes on the connection of the transaction.
func (w deriveWrite) write(ctx context.Context, c *derive.Changes) error {
	for _, write := range []struct {
		what string
		do   func() error
		when bool
	}{
		{"supersede conversions", func() error { return w.supersede(ctx, c.Supersede) }, len(c.Supersede) > 0},
		{"insert conversions", func() error { return w.copyConversions(ctx, c.Insert) }, len(c.Insert) > 0},
		{"insert credits", func() error { return w.copyCredits(ctx, c.Insert) }, len(c.Insert) > 0},
		{"delete messages", func() error { return w.deleteMessages(ctx, c.MessageDelete) }, len(c.MessageDelete) > 0},
		{"copy messages", func() error { return w.copyMessages(ctx, c.MessageUpsert) }, len(c.MessageUpsert) > 0 && c.Fresh.Rows},
		{"write messages", func() error { return w.upsertMessages(ctx, c.MessageUpsert) }, len(c.MessageUpsert) > 0 && !c.Fresh.Rows},
		{"delete persons", func() error { return w.deletePersons(ctx, c.PersonDelete) }, len(c.PersonDelete) > 0},
		{"write persons", func() error { return w.upsertPersons(ctx, c.PersonUpsert) }, len(c.PersonUpsert) > 0},
		{"delete links", func() error { return w.deleteLinks(ctx, c.LinkDelete) }, len(c.LinkDelete) > 0},
		{"write links", func() error { return w.upsertLinks(ctx, c.LinkUpsert) }, len(c.LinkUpsert) > 0},
		{"delete claims", func() error { return w.deleteClaims(ctx, c.ClaimDelete) }, len(c.ClaimDelete) > 0},
		{"write claims", func() error { return w.upsertClaims(ctx, c.ClaimUpsert) }, len(c.ClaimUpsert) > 0},
		{"add credits up", func() error { return w.addCredits(ctx, c.Credits) }, len(c.Credits) > 0},
		{"add messages up", func() error { return w.addMessages(ctx, c.Messages) }, len(c.Messages) > 0},
	} {
		if !write.when {
			continue
		}
		if err := write.do(); err != nil {
			return fmt.Errorf("%s: %w", write.what, interpret(err))
		}
	}
	return nil
}

// deriveWrite writes one version's changes.
type deriveWrite struct {
	deriveTx
	version, identity int32
	at                time.Time
}

func (w deriveWrite) supersede(ctx context.Context, keys []derive.ConversionKey) error {
	p := dbsqlc.ConversionSupersedeParams{At: &w.at, WorkspaceID: w.workspace, Version: w.version}
	for _, key := range keys {
		p.Definitions = append(p.Definitions, key.Definition)
		p.ConversionIds = append(p.ConversionIds, key.ID)
	}
	return w.queries.ConversionSupersede(ctx, p)
}

func (w deriveWrite) deleteMessages(ctx context.Context, list []touch.Message) error {
	p := dbsqlc.MessageDeleteParams{WorkspaceID: w.workspace, Version: w.version}
	for _, m := range list {
		p.Channels = append(p.Channels, m.Channel)
		p.MessageIds = append(p.MessageIds, m.ID)
	}
	return w.queries.MessageDelete(ctx, p)
}

func (w deriveWrite) upsertMessages(ctx context.Context, list []touch.Message) error {
	p := dbsqlc.MessageUpsertParams{WorkspaceID: w.workspace, Version: w.version, ComputedAt: w.at}
	for _, m := range list {
		template, cost := orZero(m.Template), orZero(m.Cost)
		p.Channels = append(p.Channels, m.Channel)
		p.MessageIds = append(p.MessageIds, m.ID)
		p.Anchors = append(p.Anchors, m.Anchor)
		p.Senders = append(p.Senders, m.Sender)
		p.Registereds = append(p.Registereds, m.Registered)
		p.Sessions = append(p.Sessions, m.Session)
		p.TemplateNames = append(p.TemplateNames, template.Name)
		p.TemplateLanguages = append(p.TemplateLanguages, template.Language)
		p.Campaigns = append(p.Campaigns, m.Campaign)
		p.Variants = append(p.Variants, m.Variant)
		p.PersonIds = append(p.PersonIds, m.Person)
		p.Categories = append(p.Categories, m.Category)
		p.CostAmounts = append(p.CostAmounts, cost.Amount)
		p.CostCurrencies = append(p.CostCurrencies, cost.Currency)
		p.SentAts = append(p.SentAts, timeOrNone(m.SentAt))
		p.DeliveredAts = append(p.DeliveredAts, timeOrNone(m.DeliveredAt))
		p.ReadAts = append(p.ReadAts, timeOrNone(m.ReadAt))
		p.ClickedAts = append(p.ClickedAts, timeOrNone(m.ClickedAt))
		p.RepliedAts = append(p.RepliedAts, timeOrNone(m.RepliedAt))
		p.FailedAts = append(p.FailedAts, timeOrNone(m.FailedAt))
		p.FailureReasons = append(p.FailureReasons, m.FailureReason)
		p.EngagedFroms = append(p.EngagedFroms, timeOrNone(m.EngagedFrom))
		p.EngagedTos = append(p.EngagedTos, timeOrNone(m.EngagedTo))
	}
	return w.queries.MessageUpsert(ctx, p)
}

func (w deriveWrite) deletePersons(ctx context.Context, list []identity.Assignment) error {
	p := dbsqlc.PersonDeleteParams{WorkspaceID: w.workspace, IdentityVersion: w.identity}
	for _, a := range list {
		p.Digests = append(p.Digests, digestOf(a.Identifier))
	}
	return w.queries.PersonDelete(ctx, p)
}

func (w deriveWrite) upsertPersons(ctx context.Context, list []identity.Assignment) error {
	p := dbsqlc.PersonUpsertParams{WorkspaceID: w.workspace, IdentityVersion: w.identity}
	for _, a := range list {
		p.Digests = append(p.Digests, digestOf(a.Identifier))
		p.Kinds = append(p.Kinds, string(a.Identifier.Kind))
		p.PersonIds = append(p.PersonIds, a.Person)
		p.Shareds = append(p.Shareds, a.Shared)
	}
	return w.queries.PersonUpsert(ctx, p)
}

func (w deriveWrite) deleteLinks(ctx context.Context, list []identity.Link) error {
	p := dbsqlc.LinkDeleteParams{WorkspaceID: w.workspace, IdentityVersion: w.identity}
	for _, l := range list {
		p.As = append(p.As, digestOf(l.A))
		p.Bs = append(p.Bs, digestOf(l.B))
	}
	return w.queries.LinkDelete(ctx, p)
}

func (w deriveWrite) upsertLinks(ctx context.Context, list []identity.Link) error {
	p := dbsqlc.LinkUpsertParams{WorkspaceID: w.workspace, IdentityVersion: w.identity}
	for _, l := range list {
		p.As = append(p.As, digestOf(l.A))
		p.Bs = append(p.Bs, digestOf(l.B))
		p.Trusts = append(p.Trusts, int16(l.Trust))
		p.Ats = append(p.Ats, l.At.Time())
		p.Facts = append(p.Facts, l.Fact)
		p.Positions = append(p.Positions, int32(l.Position))
		p.States = append(p.States, string(l.State))
	}
	return w.queries.LinkUpsert(ctx, p)
}

func (w deriveWrite) deleteClaims(ctx context.Context, list []identity.Claim) error {
	p := dbsqlc.ClaimDeleteParams{WorkspaceID: w.workspace, IdentityVersion: w.identity}
	for _, c := range list {
		p.Devices = append(p.Devices, digestOf(c.Device))
		p.Ats = append(p.Ats, c.At.Time())
		p.Facts = append(p.Facts, c.Fact)
		p.Identifies = append(p.Identifies, c.Identify)
	}
	return w.queries.ClaimDelete(ctx, p)
}

func (w deriveWrite) upsertClaims(ctx context.Context, list []identity.Claim) error {
	p := dbsqlc.ClaimUpsertParams{WorkspaceID: w.workspace, IdentityVersion: w.identity}
	for _, c := range list {
		p.Devices = append(p.Devices, digestOf(c.Device))
		p.Ats = append(p.Ats, c.At.Time())
		p.Facts = append(p.Facts, c.Fact)
		p.Identifies = append(p.Identifies, c.Identify)
		p.Holders = append(p.Holders, digestOf(c.Holder))
	}
	return w.queries.ClaimUpsert(ctx, p)
}

func (w deriveWrite) addCredits(ctx context.Context, list []derive.CreditSum) error {
	p := dbsqlc.RollupCreditAddParams{WorkspaceID: w.workspace, Version: w.version}
	for _, s := range list {
		p.Buckets = append(p.Buckets, s.Bucket)
		p.Models = append(p.Models, s.Model)
		p.Definitions = append(p.Definitions, s.Definition)
		p.Channels = append(p.Channels, s.Channel)
		p.Tiers = append(p.Tiers, s.Tier)
		p.Campaigns = append(p.Campaigns, s.Campaign)
		p.TemplateNames = append(p.TemplateNames, s.TemplateName)
		p.TemplateLanguages = append(p.TemplateLanguages, s.TemplateLanguage)
		p.Variants = append(p.Variants, s.Variant)
		p.Currencies = append(p.Currencies, s.Currency)
		p.Touches = append(p.Touches, s.Touches)
		p.Weights = append(p.Weights, s.Weight.String())
		p.Credited = append(p.Credited, s.Credited.Text('f'))
	}
	return w.queries.RollupCreditAdd(ctx, p)
}

func (w deriveWrite) addMessages(ctx context.Context, list []derive.MessageSum) error {
	p := dbsqlc.RollupMessageAddParams{WorkspaceID: w.workspace, Version: w.version}
	for _, s := range list {
		p.Buckets = append(p.Buckets, s.Bucket)
		p.Channels = append(p.Channels, s.Channel)
		p.TemplateNames = append(p.TemplateNames, s.TemplateName)
		p.TemplateLanguages = append(p.TemplateLanguages, s.TemplateLanguage)
		p.Campaigns = append(p.Campaigns, s.Campaign)
		p.Variants = append(p.Variants, s.Variant)
		p.Messages = append(p.Messages, s.MessageCounts.Messages)
		p.Unregistered = append(p.Unregistered, s.Unregistered)
		p.Unaddressed = append(p.Unaddressed, s.Unaddressed)
		p.Sent = append(p.Sent, s.Sent)
		p.Delivered = append(p.Delivered, s.Delivered)
		p.Read = append(p.Read, s.Read)
		p.Clicked = append(p.Clicked, s.Clicked)
		p.Replied = append(p.Replied, s.Replied)
		p.Failed = append(p.Failed, s.Failed)
	}
	return w.queries.RollupMessageAdd(ctx, p)
}

func digestOf(id hit.Identifier) uuid.UUID { return fact.IdentifierRef(id).Value }

// timeOrNone stands the first instant of the year 1 for "never", as the queries
// expect: an array of times has no nulls.
func timeOrNone(at hit.Instant) time.Time {
	if at == 0 {
		return time.Time{}
	}
	return at.Time()
}

// instant is the reverse for columns read.
func instant(at *time.Time) hit.Instant {
	if at == nil {
		return 0
	}
	return hit.InstantOf(*at)
}

// orZero is what p points to, or nothing.
func orZero[T any](p *T) T {
	var zero T
	if p == nil {
		return zero
	}
	return *p
}
