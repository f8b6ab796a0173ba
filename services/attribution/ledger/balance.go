package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/postgres"
	"github.com/touchline/touchline/services/attribution/postgres/dbsqlc"
	"github.com/touchline/touchline/services/internal/stream"
)

// BooksGoodFor is how long after reading Redis' side of the books the other side may be
// read: a worker folds the terms of batches that were settled since, and then nobody can
// tell them apart. Half of the 10 s after which it does.
const BooksGoodFor = 5 * time.Second

// errSlow says that the two sides were read too far apart to be compared.
var errSlow = errors.New("reading the books took too long")

// Terms are the terms of the books: Accepted is the sum of the others.
type Terms struct {
	Accepted  int64 `json:"accepted"`
	Stored    int64 `json:"stored"`
	Duplicate int64 `json:"duplicate"`
	Conflict  int64 `json:"conflict"`
	Rejected  int64 `json:"rejected"`
	Pending   int64 `json:"pending"`
}

// Imbalance is by how much more was accepted than all other terms tell of; 0 is right.
func (t Terms) Imbalance() int64 {
	return t.Accepted - t.Stored - t.Duplicate - t.Conflict - t.Rejected - t.Pending
}

func (t Terms) plus(o Terms) Terms {
	return Terms{
		t.Accepted + o.Accepted, t.Stored + o.Stored, t.Duplicate + o.Duplicate,
		t.Conflict + o.Conflict, t.Rejected + o.Rejected, t.Pending + o.Pending,
	}
}

// terms reads the books of all sources, by "workspace/source": Redis first, then
// exactly the batches of Postgres that Redis had settled by then. Workspaces that were
// erased are left out: Redis still counts what they accepted.
func (s Sides) terms(ctx context.Context) (map[string]Terms, error) {
	begun := time.Now()
	books, err := s.Probe.Books(ctx)
	if err != nil {
		return nil, err
	}
	all := fromRedis(books)
	var rows []dbsqlc.AuditTermsRow
	var erased []uuid.UUID
	err = s.Pool.InTx(ctx, postgres.RepeatableRead, func(ctx context.Context, tx *postgres.Tx) (err error) {
		if rows, err = tx.AuditTerms(ctx, dbsqlc.AuditTermsParams(stream.SettledMarks(books))); err != nil {
			return err
		}
		erased, err = tx.AuditUnknown(ctx, workspaces(all))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the terms of the books: %w", err)
	}
	if time.Since(begun) > BooksGoodFor {
		return nil, errSlow
	}
	for _, row := range rows {
		field := row.WorkspaceID.String() + "/" + row.SourceID.String()
		all[field] = all[field].plus(Terms{
			Stored: row.Stored, Duplicate: row.Duplicate, Conflict: row.Conflict, Rejected: row.Rejected, Pending: row.Waiting,
		})
	}
	for field := range all {
		if workspace, ok := workspaceOf(field); ok && slices.Contains(erased, workspace) {
			delete(all, field)
		}
	}
	return all, nil
}

// imbalance is by how much the books do not balance, by source; empty is right.
func (s Sides) imbalance(ctx context.Context) (map[string]int64, error) {
	all, err := s.terms(ctx)
	if err != nil {
		return nil, err
	}
	differs := map[string]int64{}
	for source, t := range all {
		if by := t.Imbalance(); by != 0 {
			differs[source] = by
		}
	}
	return differs, nil
}

// fromRedis adds up what the shards say.
func fromRedis(books []stream.ShardBooks) map[string]Terms {
	all := map[string]Terms{}
	for _, b := range books {
		for field, n := range b.Accepted {
			all[field] = all[field].plus(Terms{Accepted: n})
		}
		for _, waiting := range []map[string]int64{b.InFlight, b.Spooled} {
			for field, n := range waiting {
				all[field] = all[field].plus(Terms{Pending: n})
			}
		}
	}
	return all
}

// workspaces lists those that fields name, each once.
func workspaces(all map[string]Terms) []uuid.UUID {
	var ids []uuid.UUID
	for field := range all {
		if id, ok := workspaceOf(field); ok && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// workspaceOf reads a field of the books, "workspace/source".
func workspaceOf(field string) (uuid.UUID, bool) {
	text, _, _ := strings.Cut(field, "/")
	id, err := uuid.Parse(text)
	return id, err == nil
}
