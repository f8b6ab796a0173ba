// Package sqltest gives a test a migrated schema of its own on a real Postgres.
package sqltest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/touchline/touchline/sql"
)

// Variable names the server that tests use, as a URL of a login that may create
// roles and schemas.
const Variable = "TOUCHLINE_TEST_DATABASE_URL"

// Schema is a schema of one test, dropped when the test ends.
type Schema struct {
	Name string
	// URL leads to the schema: its search_path is set. The login is the server's own,
	// who sees through row-level security; take a role.
	URL string
}

// New returns connections to a fresh, migrated schema, in the role of the worker.
// It skips the test when no server is given.
func New(t testing.TB) *pgxpool.Pool {
	t.Helper()
	return NewSchema(t, sql.Newest).Pool(t, "touchline_worker")
}

// NewSchema makes a fresh schema at version target ([sql.Newest], 0 for empty).
// It skips the test when no server is given.
func NewSchema(t testing.TB, target int32) *Schema {
	t.Helper()
	server := os.Getenv(Variable)
	if server == "" {
		t.Skip("needs Postgres: set " + Variable)
	}
	name := "test_" + random(t)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	address := within(t, server, name)
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		t.Fatalf("connect to the test server: %v", err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, "create schema "+name); err != nil {
		t.Fatalf("create schema: %v", err)
	}
	t.Cleanup(func() { drop(t, server, name) })
	if err := sql.Migrate(ctx, conn, target); err != nil {
		t.Fatalf("migrate: %v", err)
	}
	return &Schema{Name: name, URL: address}
}

// Pool returns connections to s in a role; empty means the server's own login.
// Closed when the test ends.
func (s *Schema) Pool(t testing.TB, role string) *pgxpool.Pool {
	t.Helper()
	cfg, err := pgxpool.ParseConfig(s.URL)
	if err != nil {
		t.Fatalf("read %s: %v", Variable, err)
	}
	cfg.MaxConns = 8
	cfg.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		if role == "" {
			return nil
		}
		_, err := conn.Exec(ctx, "set role "+role)
		return err
	}
	pool, err := pgxpool.NewWithConfig(context.Background(), cfg)
	if err != nil {
		t.Fatalf("connect as %q: %v", role, err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// within adds the search_path to a server's URL, and the patience that a busy machine needs.
func within(t testing.TB, server, schema string) string {
	t.Helper()
	address, err := url.Parse(server)
	if err != nil {
		t.Fatalf("%s is no URL", Variable)
	}
	query := address.Query()
	query.Set("search_path", schema)
	query.Set("connect_timeout", "60")
	address.RawQuery = query.Encode()
	return address.String()
}

func drop(t testing.TB, server, schema string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		t.Errorf("connect to drop %s: %v", schema, err)
		return
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, "drop schema "+schema+" cascade"); err != nil {
		t.Errorf("drop %s: %v", schema, err)
	}
}

func random(t testing.TB) string {
	t.Helper()
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		t.Fatalf("make a name: %v", err)
	}
	return hex.EncodeToString(b[:])
}
