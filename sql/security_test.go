package sql_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/touchline/touchline/sql"
	"github.com/touchline/touchline/sql/sqltest"
)

const (
	mine   = "11111111-1111-1111-1111-111111111111"
	theirs = "22222222-2222-2222-2222-222222222222"
)

// A query that forgets its WHERE shows nothing of another workspace, and nothing at
// all when no workspace was named.
func TestRowLevelSecurity_queryWithoutWhere(t *testing.T) {
	t.Parallel()
	schema := sqltest.NewSchema(t, sql.Newest)
	seed(t, schema.Pool(t, "touchline_worker"))
	api := schema.Pool(t, "touchline_api")
	for _, table := range []string{"workspace", "fact", "touched", "ledger"} {
		for named, want := range map[string]int{"": 0, mine: 1, theirs: 1} {
			if got := visible(t, api, table, named); got != want {
				t.Errorf("%s: workspace %q sees %d rows, want %d", table, named, got, want)
			}
		}
	}
	if got := visible(t, schema.Pool(t, "touchline_worker"), "fact", ""); got != 2 {
		t.Errorf("the worker sees %d facts, want both", got)
	}
}

// A table that is added later must not be left open by forgetting its policy.
func TestRowLevelSecurity_everyTableOfAWorkspace(t *testing.T) {
	t.Parallel()
	pool := sqltest.New(t)
	rows, err := pool.Query(t.Context(), `select c.relname::text from pg_class c join pg_attribute a on a.attrelid = c.oid
		where c.relnamespace = current_schema()::regnamespace and c.relkind = 'r' and a.attname = 'workspace_id' and not c.relrowsecurity`)
	if err != nil {
		t.Fatal(err)
	}
	open, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	if len(open) != 0 {
		t.Errorf("without row-level security: %v", open)
	}
}

// The API may not reach the tables that hold rows of all workspaces, nor add facts.
func TestRowLevelSecurity_apiIsRefused(t *testing.T) {
	t.Parallel()
	api := sqltest.NewSchema(t, sql.Newest).Pool(t, "touchline_api")
	for _, statement := range []string{
		"select * from receipt",
		"select * from batch",
		"insert into fact (workspace_id) values ('" + mine + "')",
		"create table t ()",
	} {
		tx, err := api.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(t.Context(), statement); err == nil {
			t.Errorf("allowed: %s", statement)
		}
		_ = tx.Rollback(t.Context())
	}
}

func seed(t *testing.T, worker *pgxpool.Pool) {
	t.Helper()
	for _, workspace := range []string{mine, theirs} {
		for _, statement := range []string{
			"insert into workspace (workspace_id, name, currency, timezone, created_at) values ($1, 'n', 'NOK', 'UTC', now())",
			"insert into fact (workspace_id, fact_id, kind, source_id, trust, occurred_at, whole_second, received_at, content, body) values ($1, $1, 'event', $1, 1, now(), false, now(), $1, '')",
			"insert into touched (workspace_id, fact_id, old_refs, new_refs, source_id, hour, term, consumer, shard, batch) values ($1, $1, '{}', '{}', $1, now(), 'stored', $1, 0, 1)",
			"insert into ledger (workspace_id, source_id, hour, shard) values ($1, $1, now(), 0)",
		} {
			if _, err := worker.Exec(t.Context(), statement, workspace); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// visible counts the rows of a table, naming a workspace first unless it is empty.
func visible(t *testing.T, pool *pgxpool.Pool, table, workspace string) int {
	t.Helper()
	var count int
	err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
		if workspace != "" {
			if _, err := tx.Exec(t.Context(), "select set_config('touchline.workspace_id', $1, true)", workspace); err != nil {
				return err
			}
		}
		return tx.QueryRow(context.WithoutCancel(t.Context()), "select count(*) from "+table).Scan(&count)
	})
	if err != nil {
		t.Fatal(err)
	}
	return count
}
