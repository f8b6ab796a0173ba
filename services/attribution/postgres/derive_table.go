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

// Fresh implements [derive.Table].
func (t deriveTx) Fresh(ctx context.Context, v derive.Version) (derive.Fresh, error) {
	row, err := t.queries.DeriveFresh(ctx, dbsqlc.DeriveFreshParams{
		WorkspaceID: t.workspace, Version: int32(v.Number), IdentityVersion: int32(v.Identity),
	})
	return derive.Fresh{Rows: row.Rows, Persons: row.Persons}, interpret(err)
}

// Conversions implements [derive.Rows].
func (t deriveTx) Conversions(ctx context.Context, v derive.Version, anchors []uuid.UUID) ([]derive.ConversionRow, error) {
	rows, err := t.queries.ConversionListByAnchor(ctx, dbsqlc.ConversionListByAnchorParams{
		WorkspaceID: t.workspace, Version: int32(v.Number), Anchors: anchors,
	})
	list := make([]derive.ConversionRow, len(rows))
	for i, row := range rows {
		list[i] = derive.ConversionRow{
			Key: derive.ConversionKey{Definition: row.Definition, ID: row.ConversionID}, Revision: int(row.Revision),
			EventAt: hit.InstantOf(row.EventAt), Currency: orZero(row.Currency), Models: row.Models, Hash: row.Hash,
			Anchor: row.Anchor, Person: orZero(row.PersonID), Refund: row.Refund,
		}
	}
	return list, interpret(err)
}

// Messages implements [derive.Rows].
func (t deriveTx) Messages(ctx context.Context, v derive.Version, anchors []uuid.UUID) ([]touch.Message, error) {
	rows, err := t.queries.MessageListByAnchor(ctx, dbsqlc.MessageListByAnchorParams{
		WorkspaceID: t.workspace, Version: int32(v.Number), Anchors: anchors,
	})
	list := make([]touch.Message, len(rows))
	for i, row := range rows {
		list[i] = touch.Message{
			Channel: row.Channel, ID: row.MessageID, Anchor: row.Anchor, Sender: orZero(row.Sender),
			Campaign: orZero(row.Campaign), Variant: orZero(row.Variant), Category: orZero(row.Category),
			Registered: row.Registered, Session: row.Session, Person: orZero(row.PersonID), FailureReason: orZero(row.FailureReason),
			Times: touch.Times{
				SentAt: instant(row.SentAt), DeliveredAt: instant(row.DeliveredAt), ReadAt: instant(row.ReadAt),
				ClickedAt: instant(row.ClickedAt), RepliedAt: instant(row.RepliedAt), FailedAt: instant(row.FailedAt),
			},
			EngagedFrom: instant(row.EngagedFrom), EngagedTo: instant(row.EngagedTo),
		}
		if row.TemplateName != nil {
			list[i].Template = &hit.Template{Name: *row.TemplateName, Language: orZero(row.TemplateLanguage)}
		}
		if row.CostAmount != "" {
			list[i].Cost = &hit.Amount{Amount: row.CostAmount, Currency: orZero(row.CostCurrency)}
		}
	}
	return list, interpret(err)
}

// Persons implements [derive.Names].
func (t deriveTx) Persons(ctx context.Context, v derive.Version, digests []uuid.UUID) ([]identity.Assignment, error) {
	rows, err := t.queries.PersonList(ctx, dbsqlc.PersonListParams{
		WorkspaceID: t.workspace, IdentityVersion: int32(v.Identity), Digests: digests,
	})
	list := make([]identity.Assignment, len(rows))
	for i, row := range rows {
		list[i] = identity.Assignment{Identifier: stored(row.Digest, row.Kind), Person: row.PersonID, Shared: row.Shared}
	}
	return list, interpret(err)
}

// Links implements [derive.Names].
func (t deriveTx) Links(ctx context.Context, v derive.Version, digests []uuid.UUID) ([]identity.Link, error) {
	rows, err := t.queries.LinkList(ctx, dbsqlc.LinkListParams{
		WorkspaceID: t.workspace, IdentityVersion: int32(v.Identity), Digests: digests,
	})
	list := make([]identity.Link, len(rows))
	for i, row := range rows {
		list[i] = storedLink(dbsqlc.ReachLinkPairsRow(row))
	}
	return list, interpret(err)
}

// storedLink is a link whose ends are of unknown kind.
func storedLink(row dbsqlc.ReachLinkPairsRow) identity.Link {
	return identity.Link{
		A: stored(row.A, ""), B: stored(row.B, ""), Trust: hit.Trust(row.Trust), At: hit.InstantOf(row.At),
		Fact: row.Fact, Position: int(row.Position), State: identity.State(row.State),
	}
}

// Claims implements [derive.Holders].
func (t deriveTx) Claims(ctx context.Context, v derive.Version, devices []uuid.UUID) ([]identity.Claim, error) {
	rows, err := t.queries.ClaimList(ctx, dbsqlc.ClaimListParams{
		WorkspaceID: t.workspace, IdentityVersion: int32(v.Identity), Devices: devices,
	})
	list := make([]identity.Claim, len(rows))
	for i, row := range rows {
		list[i] = identity.Claim{
			Device: stored(row.Device, string(hit.Device)), At: hit.InstantOf(row.At), Fact: row.Fact, Identify: row.Identify,
			Holder: stored(row.Holder, ""),
		}
	}
	return list, interpret(err)
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
