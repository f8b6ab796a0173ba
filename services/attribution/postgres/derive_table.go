package postgres

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/credit"
	"github.com/touchline/touchline/services/attribution/derive"
	"github.com/touchline/touchline/services/attribution/identity"
	"github.com/touchline/touchline/services/attribution/postgres/dbsqlc"
	"github.com/touchline/touchline/services/attribution/touch"
	"github.com/touchline/touchline/services/internal/hit"
)

// Current implements [derive.Table].
func (t deriveTx) Current(ctx context.Context, v derive.Version, refs []uuid.UUID) (derive.Current, error) {
	var c derive.Current
	for _, read := range []func() error{
		func() error { return t.readConversions(ctx, &c, v, refs) },
		func() error { return t.readMessages(ctx, &c, v, refs) },
		func() error { return t.readPersons(ctx, &c, v, refs) },
		func() error { return t.readLinks(ctx, &c, v, refs) },
		func() error { return t.readClaims(ctx, &c, v, refs) },
	} {
		if err := read(); err != nil {
			return derive.Current{}, interpret(err)
		}
	}
	return c, nil
}

func (t deriveTx) readConversions(ctx context.Context, c *derive.Current, v derive.Version, refs []uuid.UUID) error {
	rows, err := t.queries.ConversionListByAnchor(ctx, dbsqlc.ConversionListByAnchorParams{
		WorkspaceID: t.workspace, Version: int32(v.Number), Anchors: refs,
	})
	for _, row := range rows {
		c.Conversions = append(c.Conversions, derive.ConversionRow{
			Key: derive.ConversionKey{Definition: row.Definition, ID: row.ConversionID}, Revision: int(row.Revision),
			EventAt: hit.InstantOf(row.EventAt), Currency: orZero(row.Currency), Models: row.Models, Hash: row.Hash,
		})
	}
	return err
}

func (t deriveTx) readMessages(ctx context.Context, c *derive.Current, v derive.Version, refs []uuid.UUID) error {
	rows, err := t.queries.MessageListByAnchor(ctx, dbsqlc.MessageListByAnchorParams{
		WorkspaceID: t.workspace, Version: int32(v.Number), Anchors: refs,
	})
	for _, row := range rows {
		m := touch.Message{
			Channel: row.Channel, ID: row.MessageID, Anchor: row.Anchor, Sender: orZero(row.Sender),
			Campaign: orZero(row.Campaign), Variant: orZero(row.Variant), Category: orZero(row.Category),
			Registered: row.Registered, Session: row.Session, Person: orZero(row.PersonID), FailureReason: orZero(row.FailureReason),
			Times: touch.Times{
				SentAt: instant(row.SentAt), DeliveredAt: instant(row.DeliveredAt), ReadAt: instant(row.ReadAt),
				ClickedAt: instant(row.ClickedAt), RepliedAt: instant(row.RepliedAt), FailedAt: instant(row.FailedAt),
			},
		}
		if row.TemplateName != nil {
			m.Template = &hit.Template{Name: *row.TemplateName, Language: orZero(row.TemplateLanguage)}
		}
		if row.CostAmount != "" {
			m.Cost = &hit.Amount{Amount: row.CostAmount, Currency: orZero(row.CostCurrency)}
		}
		c.Messages = append(c.Messages, m)
	}
	return err
}

func (t deriveTx) readPersons(ctx context.Context, c *derive.Current, v derive.Version, refs []uuid.UUID) error {
	rows, err := t.queries.PersonList(ctx, dbsqlc.PersonListParams{
		WorkspaceID: t.workspace, IdentityVersion: int32(v.Identity), Digests: refs,
	})
	for _, row := range rows {
		c.Persons = append(c.Persons, identity.Assignment{Identifier: stored(row.Digest), Person: row.PersonID, Shared: row.Shared})
	}
	return err
}

func (t deriveTx) readLinks(ctx context.Context, c *derive.Current, v derive.Version, refs []uuid.UUID) error {
	rows, err := t.queries.LinkList(ctx, dbsqlc.LinkListParams{
		WorkspaceID: t.workspace, IdentityVersion: int32(v.Identity), Digests: refs,
	})
	for _, row := range rows {
		c.Links = append(c.Links, identity.Link{
			A: stored(row.A), B: stored(row.B), Trust: hit.Trust(row.Trust), At: hit.InstantOf(row.At),
			Fact: row.Fact, Position: int(row.Position), State: identity.State(row.State),
		})
	}
	return err
}

func (t deriveTx) readClaims(ctx context.Context, c *derive.Current, v derive.Version, refs []uuid.UUID) error {
	rows, err := t.queries.ClaimList(ctx, dbsqlc.ClaimListParams{
		WorkspaceID: t.workspace, IdentityVersion: int32(v.Identity), Devices: refs,
	})
	for _, row := range rows {
		c.Claims = append(c.Claims, identity.Claim{
			Device: stored(row.Device), At: hit.InstantOf(row.At), Fact: row.Fact, Identify: row.Identify, Holder: stored(row.Holder),
		})
	}
	return err
}

// Credits implements [derive.Table].
func (t deriveTx) Credits(ctx context.Context, version int, rows []derive.ConversionRow) (map[derive.ConversionKey][]credit.Credit, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	list := dbsqlc.CreditListParams{WorkspaceID: t.workspace, Version: int32(version)}
	for _, row := range rows {
		list.Definitions = append(list.Definitions, row.Key.Definition)
		list.ConversionIds = append(list.ConversionIds, row.Key.ID)
		list.Revisions = append(list.Revisions, int32(row.Revision))
	}
	found, err := t.queries.CreditList(ctx, list)
	if err != nil {
		return nil, fmt.Errorf("list credits: %w", interpret(err))
	}
	credits := make(map[derive.ConversionKey][]credit.Credit, len(rows))
	for _, k := range found {
		key := derive.ConversionKey{Definition: k.Definition, ID: k.ConversionID}
		credits[key] = append(credits[key], credit.Credit{
			Channel: k.Channel, Tier: orZero(k.Tier), TemplateName: orZero(k.TemplateName), TemplateLanguage: orZero(k.TemplateLanguage),
			Campaign: orZero(k.Campaign), Variant: orZero(k.Variant), Weights: k.Weights, Credited: k.Credited,
		})
	}
	return credits, nil
}

// Revisions implements [derive.Table].
func (t deriveTx) Revisions(ctx context.Context, version int, keys []derive.ConversionKey) (map[derive.ConversionKey]int, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	ask := dbsqlc.ConversionRevisionsParams{WorkspaceID: t.workspace, Version: int32(version)}
	for _, key := range keys {
		ask.Definitions = append(ask.Definitions, key.Definition)
		ask.ConversionIds = append(ask.ConversionIds, key.ID)
	}
	rows, err := t.queries.ConversionRevisions(ctx, ask)
	revisions := make(map[derive.ConversionKey]int, len(rows))
	for _, row := range rows {
		revisions[derive.ConversionKey{Definition: row.Definition, ID: row.ConversionID}] = int(row.Revision)
	}
	return revisions, interpret(err)
}
