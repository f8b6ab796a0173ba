package sql_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/touchline/touchline/sql"
	"github.com/touchline/touchline/sql/sqltest"
)

func TestMigrate_upDownAndUpAgain(t *testing.T) {
	t.Parallel()
	schema := sqltest.NewSchema(t, 0)
	conn := connect(t, schema)
	empty := objects(t, conn)

	for range 2 {
		if err := sql.Migrate(t.Context(), conn, sql.Newest); err != nil {
			t.Fatalf("up: %v", err)
		}
		if tables := objects(t, conn); !slices.Contains(tables, "conversion") {
			t.Fatalf("after up there are only %v", tables)
		}
		if err := sql.Migrate(t.Context(), conn, 0); err != nil {
			t.Fatalf("down: %v", err)
		}
		if left := objects(t, conn); !slices.Equal(left, empty) {
			t.Fatalf("down leaves %v, want %v", left, empty)
		}
	}
	if version, err := sql.Version(t.Context(), conn); err != nil || version != 0 {
		t.Fatalf("version %d, %v; want 0", version, err)
	}
}

func TestMigrate_oneStepAtATime(t *testing.T) {
	t.Parallel()
	conn := connect(t, sqltest.NewSchema(t, sql.Newest))
	newest, err := sql.Version(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	for version := newest - 1; version >= 0; version-- {
		for _, target := range []int32{version, version + 1, version} {
			if err := sql.Migrate(t.Context(), conn, target); err != nil {
				t.Fatalf("to %d: %v", target, err)
			}
		}
	}
}

func TestMigrate_manyMigratorsAtOnce(t *testing.T) {
	t.Parallel()
	schema := sqltest.NewSchema(t, 0)
	const migrators = 6
	failed := make(chan error, migrators)
	for range migrators {
		conn := connect(t, schema)
		go func() { failed <- sql.Migrate(t.Context(), conn, sql.Newest) }()
	}
	for range migrators {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
}

func TestMigrate_namesTheFile(t *testing.T) {
	t.Parallel()
	conn := connect(t, sqltest.NewSchema(t, 1))
	if _, err := conn.Exec(t.Context(), "create table policy ()"); err != nil {
		t.Fatal(err)
	}
	err := sql.Migrate(t.Context(), conn, sql.Newest)
	var refused *sql.MigrationError
	if !errors.As(err, &refused) || refused.File != "002_workspace.sql" {
		t.Fatalf("got %v, want a MigrationError of 002_workspace.sql", err)
	}
	var server *pgconn.PgError
	if !errors.As(err, &server) || server.Code != "42P07" {
		t.Errorf("got %v inside, want the server's 42P07", server)
	}
	if version, err := sql.Version(t.Context(), conn); err != nil || version != 1 {
		t.Errorf("version %d, %v; want 1: the migration is one transaction", version, err)
	}
}

func connect(t *testing.T, schema *sqltest.Schema) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), schema.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// objects lists what is in the schema, sorted.
func objects(t *testing.T, conn *pgx.Conn) []string {
	t.Helper()
	rows, err := conn.Query(t.Context(), `select relname::text from pg_class where relnamespace = current_schema()::regnamespace
		union all select proname::text from pg_proc where pronamespace = current_schema()::regnamespace order by 1`)
	if err != nil {
		t.Fatal(err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return names
}
