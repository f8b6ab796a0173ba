package api

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/api/gen"
	"github.com/touchline/touchline/services/attribution/postgres"
	"github.com/touchline/touchline/services/attribution/postgres/dbsqlc"
	"github.com/touchline/touchline/services/internal/stream"
)

// booksGoodFor is how long after reading Redis' side of the books the other side may
// be read: a worker folds the terms of batches that were settled since, and then
// nobody can tell them apart. Half of the 10 s after which it does.
const booksGoodFor = 5 * time.Second

// GetIngestion answers GET /v1/ingestion. Redis is read first and then, in one
// snapshot, exactly the batches of Postgres that Redis had settled by then. So a hit
// that a worker stores in between is still in flight in the sum and in nothing else.
func (s *Server) GetIngestion(ctx context.Context, _ gen.GetIngestionRequestObject) (gen.GetIngestionResponseObject, error) {
	workspace, begun := sessionOf(ctx).workspace, s.cfg.Now()
	shards, err := s.cfg.Books(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errBooks, err)
	}
	var terms []dbsqlc.IngestionTermsRow
	var rest int64
	err = s.cfg.Store.InSnapshot(ctx, workspace, func(ctx context.Context, tx *postgres.Tx) (err error) {
		if _, err = tx.WorkspaceGet(ctx, workspace); err != nil {
			return err
		}
		if terms, err = tx.IngestionTerms(ctx, settled(workspace, shards)); err != nil {
			return err
		}
		rest, err = tx.IngestionBuild(ctx, workspace)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the books: %w", err)
	}
	if s.cfg.Now().Sub(begun) > booksGoodFor {
		return nil, fmt.Errorf("%w: reading them took too long", errBooks)
	}
	return gen.GetIngestion200JSONResponse(balance(workspace, shards, terms, rest)), nil
}

// settled is the last batch that Redis had settled, of each consumer and shard.
func settled(workspace uuid.UUID, shards []stream.ShardBooks) dbsqlc.IngestionTermsParams {
	asked := dbsqlc.IngestionTermsParams{WorkspaceID: workspace, Consumers: []uuid.UUID{}, Shards: []int32{}, Batches: []int64{}}
	for _, shard := range shards {
		for consumer, batch := range shard.Settled {
			asked.Consumers = append(asked.Consumers, consumer)
			asked.Shards = append(asked.Shards, int32(shard.Shard))
			asked.Batches = append(asked.Batches, batch)
		}
	}
	return asked
}

// balance puts the two sides together. rest is what a build has still to walk: so
// many of the stored facts are shown as pending, at most all of them.
func balance(workspace uuid.UUID, shards []stream.ShardBooks, terms []dbsqlc.IngestionTermsRow, rest int64) gen.Ingestion {
	sources := map[uuid.UUID]*gen.SourceBooks{}
	of := func(id uuid.UUID) *gen.SourceBooks {
		if sources[id] == nil {
			sources[id] = &gen.SourceBooks{SourceId: id}
		}
		return sources[id]
	}
	each := func(counts map[string]int64, add func(b *gen.SourceBooks, n int64)) {
		for field, n := range counts {
			if id, ours := sourceOf(workspace, field); ours {
				add(of(id), n)
			}
		}
	}
	pending := func(b *gen.SourceBooks, n int64) { b.Pending += n }
	for _, shard := range shards {
		each(shard.Accepted, func(b *gen.SourceBooks, n int64) { b.Accepted += n })
		each(shard.InFlight, pending)
		each(shard.Spooled, pending)
	}
	for _, t := range terms {
		b := of(t.SourceID)
		b.Stored += t.Stored
		b.Duplicate += t.Duplicate
		b.Conflict += t.Conflict
		b.Rejected += t.Rejected
		b.Pending += t.Waiting
	}
	all := gen.Ingestion{BySource: []gen.SourceBooks{}}
	for _, b := range sources {
		all.Accepted += b.Accepted
		all.Stored += b.Stored
		all.Duplicate += b.Duplicate
		all.Conflict += b.Conflict
		all.Rejected += b.Rejected
		all.Pending += b.Pending
		all.BySource = append(all.BySource, *b)
	}
	slices.SortFunc(all.BySource, func(a, b gen.SourceBooks) int { return bytes.Compare(a.SourceId[:], b.SourceId[:]) })
	shift := min(all.Stored, rest)
	all.Stored -= shift
	all.Pending += shift
	return all
}

// sourceOf reads a field of the books, "workspace/source".
func sourceOf(workspace uuid.UUID, field string) (uuid.UUID, bool) {
	ws, source, found := strings.Cut(field, "/")
	if !found || ws != workspace.String() {
		return uuid.Nil, false
	}
	id, err := uuid.Parse(source)
	return id, err == nil
}

// limitOf is the size of a page; the schema has seen to its bounds.
func limitOf(asked *int) int {
	if asked == nil {
		return 100
	}
	return *asked
}
