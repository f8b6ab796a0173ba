// Package sql holds the database schema and nothing else: numbered migrations,
// [Migrate], which applies them, and schema.sql, the result for reading. Package
// sqltest gives each test a schema of its own.
package sql

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"regexp"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/tern/v2/migrate"
)

//go:embed migrations/*.sql
var files embed.FS

// Newest as a target of [Migrate] means all migrations.
const Newest int32 = -1

// plainName is what tern can quote, which is nothing.
var plainName = regexp.MustCompile(`^[a-z_][a-z0-9_]*$`)

// MigrationError says in which file the database refused. It unwraps to the
// server's [pgconn.PgError].
type MigrationError struct {
	File string
	Err  *pgconn.PgError
}

// Error names the file and what the server said.
func (e *MigrationError) Error() string {
	return fmt.Sprintf("migration %s: %s", e.File, e.Err.Error())
}

// Unwrap returns the server's error.
func (e *MigrationError) Unwrap() error { return e.Err }

// Migrate brings the first schema of conn's search_path to version target, up or
// down; [Newest] is the newest, 0 is nothing at all. Each migration is one
// transaction. Any number of processes may call it at once: an advisory lock of
// the database lets one after the other in. The login of conn must be able to
// create roles the first time, and be a member of them or a superuser.
func Migrate(ctx context.Context, conn *pgx.Conn, target int32) error {
	migrator, err := newMigrator(ctx, conn)
	if err != nil {
		return err
	}
	if target == Newest {
		target = int32(len(migrator.Migrations))
	}
	err = migrator.MigrateTo(ctx, target)
	var refused migrate.MigrationPgError
	if errors.As(err, &refused) {
		return &MigrationError{File: refused.MigrationName, Err: refused.PgError}
	}
	if err != nil {
		return fmt.Errorf("migrate to version %d: %w", target, err)
	}
	return nil
}

// Version returns how many migrations the first schema of conn's search_path has
// seen, 0 for none.
func Version(ctx context.Context, conn *pgx.Conn) (int32, error) {
	migrator, err := newMigrator(ctx, conn)
	if err != nil {
		return 0, err
	}
	version, err := migrator.GetCurrentVersion(ctx)
	if err != nil {
		return 0, fmt.Errorf("read the schema's version: %w", err)
	}
	return version, nil
}

func newMigrator(ctx context.Context, conn *pgx.Conn) (*migrate.Migrator, error) {
	var schema string
	if err := conn.QueryRow(ctx, "select coalesce(current_schema(), '')").Scan(&schema); err != nil {
		return nil, fmt.Errorf("find the schema to migrate: %w", err)
	}
	if !plainName.MatchString(schema) {
		return nil, fmt.Errorf("schema %q to migrate: the name must be lower-case letters, digits and underscores", schema)
	}
	migrator, err := migrate.NewMigrator(ctx, conn, schema+".schema_version")
	if err != nil {
		return nil, fmt.Errorf("prepare the version table: %w", err)
	}
	folder, err := fs.Sub(files, "migrations")
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	if err := migrator.LoadMigrations(folder); err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	// Migrations make tables as the worker's role, so that it owns them; the version
	// is written by the login, in the same transaction.
	for _, m := range migrator.Migrations {
		m.UpSQL += "\n;reset role;"
		m.DownSQL += "\n;reset role;"
	}
	return migrator, nil
}
