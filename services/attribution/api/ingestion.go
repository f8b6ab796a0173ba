package api

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/api/gen"
	"github.com/touchline/touchline/services/attribution/ledger"
	"github.com/touchline/touchline/services/attribution/postgres"
	"github.com/touchline/touchline/services/attribution/postgres/dbsqlc"
	"github.com/touchline/touchline/services/internal/httpserver"
	"github.com/touchline/touchline/services/internal/stream"
)

// booksTries is how often the books are read when sources or consumers appear meanwhile
// that Redis was not asked for: each try asks for them too.
const booksTries = 5

// GetIngestion answers GET /v1/ingestion. Redis is read first and then, in one
// snapshot, exactly the batches of Postgres that Redis had settled by then. So a hit
// that a worker stores in between is still in flight in the sum and in nothing else.
// Redis is asked only for what the workspace's side in Postgres names; when the snapshot
// then names more, nobody can say what Redis had of it, and all is read again.
func (s *Server) GetIngestion(ctx context.Context, request gen.GetIngestionRequestObject) (gen.GetIngestionResponseObject, error) {
	hours, err := newHourSpan(request.Params, s.cfg.Now())
	if err != nil {
		return nil, err
	}
	read := bookSides{hours: hours, ask: stream.Question{Workspace: sessionOf(ctx).workspace}}
	err = s.cfg.Store.InSnapshot(ctx, read.ask.Workspace, read.names)
	if err != nil {
		return nil, fmt.Errorf("read whose the books are: %w", err)
	}
	for range booksTries {
		begun := s.cfg.Now()
		if read.redis, err = s.cfg.Books(ctx, read.ask); err != nil {
			return nil, fmt.Errorf("%w: %w", errBooks, err)
		}
		asked := len(read.ask.Sources) + len(read.ask.Consumers)
		if err = s.cfg.Store.InSnapshot(ctx, read.ask.Workspace, read.snapshot); err != nil {
			return nil, fmt.Errorf("read the books: %w", err)
		}
		if s.cfg.Now().Sub(begun) > ledger.BooksGoodFor {
			return nil, fmt.Errorf("%w: reading them took too long", errBooks)
		}
		if asked == len(read.ask.Sources)+len(read.ask.Consumers) {
			return gen.GetIngestion200JSONResponse(read.balance(begun)), nil
		}
	}
	return nil, fmt.Errorf("%w: workers come and go", errBooks)
}

// bookSides is what Redis and Postgres say of one workspace.
type bookSides struct {
	hours hourSpan
	ask   stream.Question
	redis []stream.WorkspaceBooks
	terms []dbsqlc.IngestionTermsRow
	each  []dbsqlc.IngestionHoursRow
	rest  int64 // what a build has still to walk
}

// names finds out for what Redis has to be asked.
func (b *bookSides) names(ctx context.Context, tx *postgres.Tx) error {
	workspace := b.ask.Workspace
	if _, err := tx.WorkspaceGet(ctx, workspace); err != nil {
		return err
	}
	sources, err := tx.IngestionSources(ctx, workspace)
	if err != nil {
		return err
	}
	b.ask.Sources = join(b.ask.Sources, sources)
	consumers, err := tx.IngestionConsumers(ctx, workspace)
	b.ask.Consumers = join(b.ask.Consumers, consumers)
	return err
}

// snapshot reads what Postgres has of it, and adds names that Redis was not asked for.
func (b *bookSides) snapshot(ctx context.Context, tx *postgres.Tx) (err error) {
	if err = b.names(ctx, tx); err != nil {
		return err
	}
	workspace := b.ask.Workspace
	shards := make([]stream.ShardBooks, len(b.redis))
	for n := range b.redis {
		shards[n] = b.redis[n].ShardBooks
	}
	settled := stream.SettledMarks(shards)
	b.terms, err = tx.IngestionTerms(ctx, dbsqlc.IngestionTermsParams{
		WorkspaceID: workspace, Consumers: settled.Consumers, Shards: settled.Shards, Batches: settled.Batches,
	})
	if err != nil {
		return err
	}
	for _, t := range b.terms {
		b.ask.Sources = join(b.ask.Sources, []uuid.UUID{t.SourceID})
	}
	if b.hours.asked {
		b.each, err = tx.IngestionHours(ctx, dbsqlc.IngestionHoursParams{
			WorkspaceID: workspace, Consumers: settled.Consumers, Shards: settled.Shards, Batches: settled.Batches,
			FromAt: b.hours.from, ToAt: b.hours.to,
		})
		if err != nil {
			return err
		}
	}
	b.rest, err = tx.IngestionBuild(ctx, workspace)
	return err
}

// join adds to known what it lacks of ids.
func join(known, ids []uuid.UUID) []uuid.UUID {
	for _, id := range ids {
		if !slices.Contains(known, id) {
			known = append(known, id)
		}
	}
	return known
}

// balance puts the two sides together at the time now. So many of the stored facts as a
// build has still to walk are shown as pending, at most all of them.
func (b *bookSides) balance(now time.Time) gen.Ingestion {
	sources := map[uuid.UUID]*gen.SourceBooks{}
	of := func(id uuid.UUID) *gen.SourceBooks {
		if sources[id] == nil {
			sources[id] = &gen.SourceBooks{SourceId: id}
		}
		return sources[id]
	}
	for _, source := range b.ask.Sources {
		field := b.ask.Workspace.String() + "/" + source.String()
		for _, shard := range b.redis {
			if shard.Accepted[field] != 0 || shard.InFlight[field] != 0 || shard.Spooled[field] != 0 {
				one := of(source)
				one.Accepted += shard.Accepted[field]
				one.Pending += shard.InFlight[field] + shard.Spooled[field]
			}
		}
	}
	for _, t := range b.terms {
		one := of(t.SourceID)
		one.Stored += t.Stored
		one.Duplicate += t.Duplicate
		one.Conflict += t.Conflict
		one.Rejected += t.Rejected
		one.Pending += t.Waiting
	}
	all := gen.Ingestion{BySource: []gen.SourceBooks{}}
	for _, one := range sources {
		all.Accepted += one.Accepted
		all.Stored += one.Stored
		all.Duplicate += one.Duplicate
		all.Conflict += one.Conflict
		all.Rejected += one.Rejected
		all.Pending += one.Pending
		all.BySource = append(all.BySource, *one)
	}
	slices.SortFunc(all.BySource, func(a, b gen.SourceBooks) int { return bytes.Compare(a.SourceId[:], b.SourceId[:]) })
	shift := min(all.Stored, b.rest)
	all.Stored -= shift
	all.Pending += shift
	if b.hours.asked {
		rows := b.byHour(now)
		all.ByHour = &rows
	}
	return all
}

// countedFor is for how long Redis is sure to keep what was accepted by hour: an hour
// less than it does, so that its clock may differ.
const countedFor = 48 * time.Hour

// byHour puts together the rows by hour.
func (b *bookSides) byHour(now time.Time) []gen.HourBooks {
	since := now.Add(-countedFor)
	rows := map[stream.HourField]*gen.HourBooks{}
	of := func(at stream.HourField) *gen.HourBooks {
		if rows[at] == nil {
			rows[at] = &gen.HourBooks{SourceId: at.Source, Hour: at.Hour}
		}
		return rows[at]
	}
	for _, shard := range b.redis {
		if shard.Since.After(since) {
			since = shard.Since
		}
		for at, h := range shard.Hours {
			if !at.Hour.Before(b.hours.from) && at.Hour.Before(b.hours.to) {
				one := of(at)
				one.Accepted += h.Accepted
				one.Pending += h.InFlight + h.Spooled
			}
		}
	}
	for _, t := range b.each {
		one := of(stream.HourField{Source: t.SourceID, Hour: t.Hour.UTC()})
		one.Stored += t.Stored
		one.Duplicate += t.Duplicate
		one.Conflict += t.Conflict
		one.Rejected += t.Rejected
		one.Pending += t.Waiting
	}
	all := make([]gen.HourBooks, 0, len(rows))
	for at, one := range rows {
		one.Counted = !at.Hour.Before(since)
		if !one.Counted {
			one.Accepted = one.Stored + one.Duplicate + one.Conflict + one.Rejected + one.Pending
		}
		if one.Accepted != 0 || one.Pending != 0 || one.Stored != 0 {
			all = append(all, *one)
		}
	}
	slices.SortFunc(all, func(a, b gen.HourBooks) int {
		return cmp.Or(a.Hour.Compare(b.Hour), bytes.Compare(a.SourceId[:], b.SourceId[:]))
	})
	return all
}

// hourSpan is the hours that are asked for, from inclusive, to exclusive; whole hours.
type hourSpan struct {
	asked    bool
	from, to time.Time
}

// The widest range of hours, and that without from.
const (
	hoursMost = 31 * 24 * time.Hour
	hoursElse = 24 * time.Hour
)

func newHourSpan(params gen.GetIngestionParams, now time.Time) (hourSpan, error) {
	refuse := func(pointer, detail string) (hourSpan, error) {
		return hourSpan{}, problem(http.StatusBadRequest, "A parameter was not understood.", httpserver.FieldError{Pointer: pointer, Detail: detail})
	}
	if params.By == nil {
		switch {
		case params.From != nil:
			return refuse("?from", "goes with by=hour only")
		case params.To != nil:
			return refuse("?to", "goes with by=hour only")
		}
		return hourSpan{}, nil
	}
	if faults := rangeFaults(params.From, params.To); len(faults) > 0 {
		return refuse(faults[0].Pointer, faults[0].Detail)
	}
	s := hourSpan{asked: true, to: now.UTC()}
	if params.To != nil {
		s.to = params.To.UTC()
	}
	if whole := s.to.Truncate(time.Hour); whole.Before(s.to) {
		s.to = whole.Add(time.Hour)
	}
	s.from = s.to.Add(-hoursElse)
	if params.From != nil {
		s.from = params.From.UTC().Truncate(time.Hour)
	}
	if s.to.Sub(s.from) > hoursMost {
		return refuse("?from", "is more than 31 days before to")
	}
	return s, nil
}

// limitOf is the size of a page; the schema has seen to its bounds.
func limitOf(asked *int) int {
	if asked == nil {
		return 100
	}
	return *asked
}
