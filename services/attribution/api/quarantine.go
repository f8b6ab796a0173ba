package api

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/api/gen"
	"github.com/touchline/touchline/services/attribution/api/row"
	"github.com/touchline/touchline/services/attribution/postgres"
	"github.com/touchline/touchline/services/attribution/postgres/dbsqlc"
	"github.com/touchline/touchline/services/internal/stream"
)

// ListQuarantine answers GET /v1/quarantine.
func (s *Server) ListQuarantine(ctx context.Context, request gen.ListQuarantineRequestObject) (gen.ListQuarantineResponseObject, error) {
	p := request.Params
	found, err := s.refused(ctx, dbsqlc.QuarantineFindParams{
		Ids: []uuid.UUID{}, Reason: p.Reason, SourceID: p.SourceId, FromAt: p.From, ToAt: p.To, Most: int32(limitOf(p.Limit)),
	})
	if err != nil {
		return nil, err
	}
	answer := gen.ListQuarantine200JSONResponse{Data: make([]gen.Refused, len(found))}
	for i := range found {
		answer.Data[i] = refusedOf(&found[i])
	}
	return answer, nil
}

// refused reads the quarantine of the session's workspace.
func (s *Server) refused(ctx context.Context, asked dbsqlc.QuarantineFindParams) (found []dbsqlc.QuarantineFindRow, err error) {
	asked.WorkspaceID = sessionOf(ctx).workspace
	err = s.cfg.Store.InWorkspace(ctx, asked.WorkspaceID, func(ctx context.Context, tx *postgres.Tx) (err error) {
		if _, err = tx.WorkspaceGet(ctx, asked.WorkspaceID); err != nil {
			return err
		}
		found, err = tx.QuarantineFind(ctx, asked)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read quarantine: %w", err)
	}
	return found, nil
}

func refusedOf(r *dbsqlc.QuarantineFindRow) gen.Refused {
	why := postgres.ObstacleReplayed(r)
	return gen.Refused{
		Id: r.QuarantineID, SourceId: r.SourceID, Reason: r.Reason, Detail: r.Detail, Tries: int(r.Tries),
		ReceivedAt: row.InstantOf(r.ReceivedAt), ReplayedAt: row.MaybeInstant(r.ReplayedAt),
		Receipt: stream.Run{Epoch: r.Epoch, Shard: int(r.Shard), First: r.Number, Last: r.Number}.String(),
		State:   gen.RefusedState(r.State), Outcome: r.Outcome, Replayable: why == "", Obstacle: why,
	}
}

// ShowQuarantine answers GET /v1/quarantine/{id}. The bytes can name people.
func (s *Server) ShowQuarantine(ctx context.Context, request gen.ShowQuarantineRequestObject) (gen.ShowQuarantineResponseObject, error) {
	found, err := s.refused(ctx, dbsqlc.QuarantineFindParams{Ids: []uuid.UUID{request.Id}, Most: 1})
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, notFound()
	}
	r := refusedOf(&found[0])
	answer := gen.ShowQuarantine200JSONResponse{
		Id: r.Id, SourceId: r.SourceId, Reason: r.Reason, Detail: r.Detail, Tries: r.Tries, ReceivedAt: r.ReceivedAt, ReplayedAt: r.ReplayedAt,
		Receipt: r.Receipt, State: gen.RefusedItemState(r.State), Outcome: r.Outcome, Replayable: r.Replayable, Obstacle: r.Obstacle,
	}
	now := sessionOf(ctx)
	if !now.seesPersons() || found[0].Kept == 0 {
		return answer, nil
	}
	err = s.cfg.Store.InWorkspace(ctx, now.workspace, func(ctx context.Context, tx *postgres.Tx) error {
		sealed, err := tx.QuarantineRaw(ctx, now.workspace, r.Id)
		if err != nil || len(sealed) == 0 {
			return err
		}
		plain, err := s.cfg.Ring.Open(now.workspace, r.Id, sealed)
		if err != nil {
			return fmt.Errorf("what was kept of %s: %w", r.Id, err)
		}
		text := base64.StdEncoding.EncodeToString([]byte(plain))
		answer.Raw = &text
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read quarantine: %w", err)
	}
	s.cfg.Log.Info("bytes of a refused hit shown", "subject", now.Subject, "workspace", now.workspace, "id", r.Id)
	return answer, nil
}

// errNoChoice is the answer to a choice of nothing in particular.
func errNoChoice() error {
	return problem(http.StatusBadRequest, "Name at least one of ids, reason, source_id, from and to.")
}

// ReplayQuarantine answers POST /v1/quarantine/replay. A worker does the work: this
// role may not write facts.
func (s *Server) ReplayQuarantine(ctx context.Context, request gen.ReplayQuarantineRequestObject) (gen.ReplayQuarantineResponseObject, error) {
	c, now := request.Body, sessionOf(ctx)
	if c == nil || *c == (gen.RefusedChoice{}) {
		return nil, errNoChoice()
	}
	var asked int64
	err := s.inQuarantine(ctx, func(ctx context.Context, tx *postgres.Tx) (err error) {
		asked, err = tx.QuarantineAsk(ctx, dbsqlc.QuarantineAskParams{
			WorkspaceID: now.workspace, At: s.cfg.Now(), Subject: now.Subject,
			Ids: idsOf(c.Ids), Reason: c.Reason, SourceID: c.SourceId, FromAt: c.From, ToAt: c.To,
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("ask for a replay: %w", err)
	}
	s.cfg.Log.Info("replay of refused hits asked for", "subject", now.Subject, "workspace", now.workspace, "hits", asked)
	return gen.ReplayQuarantine202JSONResponse{Asked: asked}, nil
}

// DropQuarantine answers POST /v1/quarantine/drop.
func (s *Server) DropQuarantine(ctx context.Context, request gen.DropQuarantineRequestObject) (gen.DropQuarantineResponseObject, error) {
	c, now := request.Body, sessionOf(ctx)
	if c == nil || *c == (gen.RefusedChoice{}) {
		return nil, errNoChoice()
	}
	var dropped int64
	err := s.inQuarantine(ctx, func(ctx context.Context, tx *postgres.Tx) (err error) {
		dropped, err = tx.QuarantineDrop(ctx, dbsqlc.QuarantineDropParams{
			WorkspaceID: now.workspace, At: s.cfg.Now(), Subject: now.Subject,
			Ids: idsOf(c.Ids), Reason: c.Reason, SourceID: c.SourceId, FromAt: c.From, ToAt: c.To,
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("drop refused hits: %w", err)
	}
	s.cfg.Log.Info("refused hits dropped", "subject", now.Subject, "workspace", now.workspace, "hits", dropped)
	return gen.DropQuarantine200JSONResponse{Dropped: dropped}, nil
}

// inQuarantine runs a change in the session's workspace, which must be there.
func (s *Server) inQuarantine(ctx context.Context, change func(context.Context, *postgres.Tx) error) error {
	workspace := sessionOf(ctx).workspace
	return s.cfg.Store.InWorkspace(ctx, workspace, func(ctx context.Context, tx *postgres.Tx) error {
		if _, err := tx.WorkspaceGet(ctx, workspace); err != nil {
			return err
		}
		return change(ctx, tx)
	})
}

func idsOf(asked *[]uuid.UUID) []uuid.UUID {
	if asked == nil {
		return []uuid.UUID{}
	}
	return *asked
}

// ListGaps answers GET /v1/ingestion/gaps.
func (s *Server) ListGaps(ctx context.Context, request gen.ListGapsRequestObject) (gen.ListGapsResponseObject, error) {
	var answer gen.ListGaps200JSONResponse
	err := s.cfg.Store.InTx(ctx, postgres.RepeatableRead, func(ctx context.Context, tx *postgres.Tx) error {
		open, err := tx.SequenceGapOpenHits(ctx)
		if err != nil {
			return err
		}
		gaps, err := tx.SequenceGapList(ctx, int32(limitOf(request.Params.Limit)))
		if err != nil {
			return err
		}
		answer = gen.ListGaps200JSONResponse{Open: open, Data: make([]gen.Gap, len(gaps))}
		for i := range gaps {
			answer.Data[i] = gapOf(&gaps[i])
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list lost hits: %w", err)
	}
	return answer, nil
}

func gapOf(g *dbsqlc.SequenceGap) gen.Gap {
	run := stream.Run{Epoch: g.Epoch, Shard: int(g.Shard), First: g.First, Last: g.Last}
	gap := gen.Gap{Receipts: run.String(), Count: run.Len(), State: "open", FoundAt: row.InstantOf(g.FoundAt), ClosedAt: row.MaybeInstant(g.ClosedAt)}
	switch {
	case g.WrittenOffAt != nil:
		gap.State, gap.ClosedAt = "written_off", row.MaybeInstant(g.WrittenOffAt)
		if g.WrittenOffBy != nil {
			gap.WrittenOffBy = *g.WrittenOffBy
		}
	case g.ClosedAt != nil:
		gap.State = "closed"
	}
	return gap
}
