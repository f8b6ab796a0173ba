package postgres

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/derive"
	"github.com/touchline/touchline/services/attribution/fact"
	"github.com/touchline/touchline/services/attribution/identity"
	"github.com/touchline/touchline/services/attribution/postgres/dbsqlc"
	"github.com/touchline/touchline/services/attribution/timeline"
	"github.com/touchline/touchline/services/internal/hit"
)

// Meet implements [derive.Near].
func (t deriveTx) Meet(ctx context.Context, refs []uuid.UUID, most int) ([]derive.Carried, error) {
	rows, err := t.queries.ReachMeet(ctx, dbsqlc.ReachMeetParams{Refs: refs, WorkspaceID: t.workspace, Most: int32(most)})
	list := make([]derive.Carried, len(rows))
	for i, row := range rows {
		list[i] = derive.Carried{Ref: fact.Ref{Value: row.Value}, Fact: row.FactID}
	}
	return list, interpret(err)
}

// Carry implements [derive.Near].
func (t deriveTx) Carry(ctx context.Context, facts []uuid.UUID) ([]derive.Carried, error) {
	rows, err := t.queries.ReachCarry(ctx, facts, t.workspace)
	list := make([]derive.Carried, len(rows))
	for i, row := range rows {
		list[i] = derive.Carried{Ref: fact.Ref{Kind: fact.RefKind(row.Kind), Value: row.Value}, Fact: row.FactID}
	}
	return list, interpret(err)
}

// spanColumns are spans as arrays of columns.
type spanColumns struct {
	of       []uuid.UUID
	from, to []time.Time
}

func columnsOf[T any](spans []T, span func(T) (uuid.UUID, hit.Instant, hit.Instant)) spanColumns {
	var c spanColumns
	for _, s := range spans {
		of, from, to := span(s)
		c.of, c.from, c.to = append(c.of, of), append(c.from, from.Time()), append(c.to, to.Time())
	}
	return c
}

func refSpan(s derive.RefSpan) (ref uuid.UUID, from, to hit.Instant) { return s.Ref, s.From, s.To }

func personSpan(s timeline.Span) (person uuid.UUID, from, to hit.Instant) {
	return s.Person, s.From, s.To
}

// Within implements [derive.Near].
func (t deriveTx) Within(ctx context.Context, spans []derive.RefSpan, most int) ([]derive.Moment, error) {
	c := columnsOf(spans, refSpan)
	rows, err := t.queries.ReachSpan(ctx, dbsqlc.ReachSpanParams{
		Refs: c.of, Froms: c.from, Tos: c.to, WorkspaceID: t.workspace, Most: int32(most),
	})
	list := make([]derive.Moment, len(rows))
	for i, row := range rows {
		list[i] = derive.Moment{Ref: row.Value, Fact: row.FactID, At: hit.InstantOf(row.At)}
	}
	return list, interpret(err)
}

// Inbound implements [derive.Near].
func (t deriveTx) Inbound(ctx context.Context, spans []derive.RefSpan, most int) ([]uuid.UUID, error) {
	c := columnsOf(spans, refSpan)
	keys, err := t.queries.ReachInbound(ctx, dbsqlc.ReachInboundParams{
		Refs: c.of, Froms: c.from, Tos: c.to, WorkspaceID: t.workspace, Most: int32(most),
	})
	return keys, interpret(err)
}

// PersonsOf implements [derive.Names].
func (t deriveTx) PersonsOf(ctx context.Context, v derive.Version, persons []uuid.UUID, most int) ([]identity.Assignment, error) {
	rows, err := t.queries.ReachPersons(ctx, dbsqlc.ReachPersonsParams{
		PersonIds: persons, WorkspaceID: t.workspace, IdentityVersion: int32(v.Identity), Most: int32(most),
	})
	list := make([]identity.Assignment, len(rows))
	for i, row := range rows {
		list[i] = identity.Assignment{Identifier: stored(row.Digest, row.Kind), Person: row.PersonID, Shared: row.Shared}
	}
	return list, interpret(err)
}

// LinkPairs implements [derive.Names].
func (t deriveTx) LinkPairs(ctx context.Context, v derive.Version, pairs [][2]uuid.UUID) ([]identity.Link, error) {
	p := dbsqlc.ReachLinkPairsParams{WorkspaceID: t.workspace, IdentityVersion: int32(v.Identity)}
	for _, pair := range pairs {
		p.As = append(p.As, pair[0], pair[1])
		p.Bs = append(p.Bs, pair[1], pair[0])
	}
	rows, err := t.queries.ReachLinkPairs(ctx, p)
	list := make([]identity.Link, len(rows))
	for i, row := range rows {
		list[i] = storedLink(row)
	}
	return list, interpret(err)
}

// DevicesOf implements [derive.Holders].
func (t deriveTx) DevicesOf(ctx context.Context, v derive.Version, holders []derive.RefSpan, most int) ([]derive.RefSpan, error) {
	c := columnsOf(holders, refSpan)
	rows, err := t.queries.ReachDevices(ctx, dbsqlc.ReachDevicesParams{
		Holders: c.of, Froms: c.from, Tos: c.to, WorkspaceID: t.workspace, IdentityVersion: int32(v.Identity), Most: int32(most),
	})
	list := make([]derive.RefSpan, len(rows))
	for i, row := range rows {
		list[i] = derive.RefSpan{Ref: row.Device, From: hit.InstantOf(row.FromAt), To: hit.InstantOf(row.ToAt)}
	}
	return list, interpret(err)
}

// Bought implements [derive.Rows].
func (t deriveTx) Bought(ctx context.Context, v derive.Version, spans []timeline.Span, most int) ([]uuid.UUID, error) {
	c := columnsOf(spans, personSpan)
	anchors, err := t.queries.ReachConversionAnchors(ctx, dbsqlc.ReachConversionAnchorsParams{
		PersonIds: c.of, Froms: c.from, Tos: c.to, WorkspaceID: t.workspace, Version: int32(v.Number), Most: int32(most),
	})
	return anchors, interpret(err)
}

// Messaged implements [derive.Rows].
func (t deriveTx) Messaged(ctx context.Context, v derive.Version, spans []timeline.Span, most int) ([]derive.Messaged, error) {
	c := columnsOf(spans, personSpan)
	rows, err := t.queries.ReachMessageAnchors(ctx, dbsqlc.ReachMessageAnchorsParams{
		PersonIds: c.of, Froms: c.from, Tos: c.to, WorkspaceID: t.workspace, Version: int32(v.Number), Most: int32(most),
	})
	list := make([]derive.Messaged, len(rows))
	for i, row := range rows {
		list[i] = derive.Messaged{Anchor: row.Anchor, Person: orZero(row.PersonID), SentAt: instant(row.SentAt)}
	}
	return list, interpret(err)
}

// Pending implements [derive.Backlog].
func (t deriveTx) Pending(ctx context.Context, behind int64, facts []uuid.UUID) ([]derive.Touched, error) {
	rows, err := t.queries.ReachPending(ctx, dbsqlc.ReachPendingParams{WorkspaceID: t.workspace, After: behind, FactIds: facts})
	list := make([]derive.Touched, len(rows))
	for i, row := range rows {
		list[i] = derive.Touched{Fact: row.FactID, Term: row.Term}
	}
	return list, interpret(err)
}

// Replaced implements [derive.Backlog].
func (t deriveTx) Replaced(ctx context.Context, behind int64, facts []uuid.UUID) ([]derive.Touched, error) {
	rows, err := t.queries.DeriveReplaced(ctx, dbsqlc.DeriveReplacedParams{WorkspaceID: t.workspace, FactIds: facts, After: behind})
	list := make([]derive.Touched, len(rows))
	for i, row := range rows {
		list[i] = derive.Touched{Fact: row.FactID, OldRefs: row.OldRefs}
	}
	return list, interpret(err)
}
