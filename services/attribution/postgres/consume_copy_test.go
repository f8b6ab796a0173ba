package postgres

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/touchline/touchline/services/attribution/postgres/dbsqlc"
	"github.com/touchline/touchline/sql"
	"github.com/touchline/touchline/sql/sqltest"
)

// Our COPY leaves the rows that the generated one leaves.
func TestTx_copiesAsPgx(t *testing.T) {
	t.Parallel()
	pool, err := Open(t.Context(), sqltest.NewSchema(t, sql.Newest).URL, RoleWorker)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	hour := time.Date(2026, 3, 29, 1, 0, 0, 0, time.UTC)
	var refs []dbsqlc.FactRefInsertParams
	var touched []dbsqlc.TouchedInsertParams
	for n := range 3000 { // more than one piece of 64 KB
		refs = append(refs, dbsqlc.FactRefInsertParams{
			WorkspaceID: uuid.New(), Value: uuid.New(), FactID: uuid.New(), Kind: int16(n - 100), At: hour.Add(time.Duration(n) * time.Microsecond),
		})
		touched = append(touched, dbsqlc.TouchedInsertParams{
			WorkspaceID: uuid.New(), FactID: uuid.New(), OldRefs: []uuid.UUID{}, NewRefs: []uuid.UUID{uuid.New(), uuid.New()}[:n%3],
			SourceID: uuid.New(), Hour: hour, Term: []string{"stored", "duplicate", "conflict"}[n%3], Consumer: uuid.New(), Shard: int32(n), Batch: int64(n) << 40,
		})
	}
	touched[7].OldRefs = []uuid.UUID{uuid.New()}
	written := func(write func(tx *Tx) error) (rows []string) {
		t.Helper()
		err := pool.InTx(t.Context(), ReadCommitted, func(ctx context.Context, tx *Tx) error {
			if _, err := tx.tx.Exec(ctx, "truncate fact_ref, touched"); err != nil {
				return err
			}
			if err := write(tx); err != nil {
				return err
			}
			got, err := tx.tx.Query(ctx, "select to_jsonb(r)::text from fact_ref r union all select (to_jsonb(t) - 'seq')::text from touched t")
			if err != nil {
				return err
			}
			rows, err = pgx.CollectRows(got, pgx.RowTo[string])
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(rows)
		return rows
	}
	want := written(func(tx *Tx) error {
		_, err := tx.Queries.FactRefInsert(t.Context(), refs)
		if err != nil {
			return err
		}
		_, err = tx.Queries.TouchedInsert(t.Context(), touched)
		return err
	})
	got := written(func(tx *Tx) error {
		n, err := tx.FactRefInsert(t.Context(), refs)
		if err != nil || n != 3000 {
			t.Errorf("%d references: %v", n, err)
			return err
		}
		if n, err = tx.TouchedInsert(t.Context(), touched); n != 3000 {
			t.Errorf("%d touched rows: %v", n, err)
		}
		return err
	})
	if diff := cmp.Diff(want, got); diff != "" || len(got) != 6000 {
		t.Errorf("%d rows (-want +got):\n%s", len(got), diff)
	}
}
