package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/touchline/touchline/sql"
)

// Migrate brings the schema of databaseURL to version target; see [sql.Migrate].
// The login must be one that may create roles or to which they were granted.
func Migrate(ctx context.Context, databaseURL string, target int32) error {
	conn, err := pgx.Connect(ctx, databaseURL)
	if err != nil {
		return fmt.Errorf("open the database: %w", interpret(err))
	}
	err = sql.Migrate(ctx, conn, target)
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	_ = conn.Close(closing) // the outcome of the migration is known by now
	return err
}
