package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/touchline/touchline/services/attribution/postgres/dbsqlc"
)

// attempts bounds how often a transaction is run again; guessed.
const attempts = 8

// Isolation is the isolation level of a transaction.
type Isolation string

// The levels in use.
const (
	ReadCommitted  Isolation = "read committed"
	RepeatableRead Isolation = "repeatable read"
)

// Tx is one transaction: the queries of package dbsqlc, bound to it. Not safe for
// concurrent use, and gone when the function that got it returns.
type Tx struct {
	*dbsqlc.Queries
	tx pgx.Tx
}

// beginner is a pool or one connection.
type beginner interface {
	BeginTx(ctx context.Context, options pgx.TxOptions) (pgx.Tx, error)
}

// InTx runs work in a transaction and commits when it returns nil. After a
// serialization failure or a deadlock it runs work again, up to 8 times, so work
// must not leave traces outside the transaction. Errors are of this package
// (see [ErrNotFound] and others). An [ErrUnavailable] leaves open whether the
// transaction took place. Never call it inside another transaction: both would
// hold a connection.
func (p *Pool) InTx(ctx context.Context, level Isolation, work func(ctx context.Context, tx *Tx) error) error {
	return retry(ctx, func() error {
		return runTx(ctx, p.pool, pgx.TxOptions{IsoLevel: pgx.TxIsoLevel(level)}, work)
	})
}

// InWorkspace is [Pool.InTx] (read committed) that sees one workspace: what
// [RoleAPI] uses, whose row-level security shows nothing outside of it.
func (p *Pool) InWorkspace(ctx context.Context, workspace uuid.UUID, work func(ctx context.Context, tx *Tx) error) error {
	return p.inWorkspace(ctx, workspace, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, work)
}

// InSnapshot is [Pool.InWorkspace] for reading: all statements see one instant.
func (p *Pool) InSnapshot(ctx context.Context, workspace uuid.UUID, work func(ctx context.Context, tx *Tx) error) error {
	return p.inWorkspace(ctx, workspace, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, work)
}

func (p *Pool) inWorkspace(ctx context.Context, workspace uuid.UUID, options pgx.TxOptions, work func(ctx context.Context, tx *Tx) error) error {
	return retry(ctx, func() error {
		return runTx(ctx, p.pool, options, func(ctx context.Context, tx *Tx) error {
			// Local: the setting goes with the transaction, never on to the next user of
			// the connection.
			if _, err := tx.tx.Exec(ctx, "select set_config('touchline.workspace_id', $1, true)", workspace.String()); err != nil {
				return fmt.Errorf("name the workspace: %w", err)
			}
			return work(ctx, tx)
		})
	})
}

func runTx(ctx context.Context, from beginner, options pgx.TxOptions, work func(ctx context.Context, tx *Tx) error) error {
	tx, err := from.BeginTx(ctx, options)
	if err != nil {
		return interpret(err)
	}
	if err := work(ctx, &Tx{Queries: dbsqlc.New(tx), tx: tx}); err != nil {
		rollback(ctx, tx)
		return interpret(err)
	}
	return interpret(tx.Commit(ctx))
}

// rollback also when ctx has ended: the connection goes back to the pool.
func rollback(ctx context.Context, tx pgx.Tx) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	_ = tx.Rollback(ctx) // nothing to do about it: a broken connection is thrown away
}

// retry runs work again while concurrent transactions are in its way.
func retry(ctx context.Context, work func() error) error {
	var err error
	for attempt := range attempts {
		if err = work(); !errors.Is(err, ErrConflict) {
			return err
		}
		// Jitter, so that the two that met do not meet again: up to 5, 10, 20 … ms.
		wait := time.Duration(rand.Int64N(int64(5*time.Millisecond) << attempt))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
	return err
}
