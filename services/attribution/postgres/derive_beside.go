package postgres

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/touchline/touchline/services/attribution/derive"
	"github.com/touchline/touchline/services/attribution/postgres/dbsqlc"
)

// besideTx is a transaction on another connection that writes for who has a workspace's lock.
type besideTx struct {
	conn *pgxpool.Conn
	tx   pgx.Tx
}

// beside begins one, or says [ErrUnavailable] when there is no connection to spare.
func (w deriveWrite) beside(ctx context.Context) (*besideTx, error) {
	conn, err := w.store.acquireSpare(ctx)
	if err != nil {
		return nil, err
	}
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted})
	if err != nil {
		conn.Release()
		return nil, interpret(err)
	}
	b := &besideTx{conn: conn, tx: tx}
	if err := b.prepare(ctx, w.tx, w.keys); err != nil {
		b.end(ctx)
		return nil, interpret(err)
	}
	return b, nil
}

// prepare takes the second lock and then makes sure that the session of the first one is there.
// Whoever comes from now on finds the second taken; nobody came before, as that session has held
// the first all along.
func (b *besideTx) prepare(ctx context.Context, first pgx.Tx, keys lockKeys) error {
	// It need not outlive the server before the other transaction does, which commits later. The
	// bound is for what must not be, a wait for that one, which waits for this one, and for changes
	// of the schema.
	const begin = `select set_config('synchronous_commit', 'off', true), set_config('lock_timeout', '2s', true),
		pg_try_advisory_xact_lock(` + schemaKey1 + `), pg_postmaster_start_time()`
	var held bool
	var here, there time.Time
	if err := b.tx.QueryRow(ctx, begin, keys.beside).Scan(nil, nil, &held, &here); err != nil {
		return fmt.Errorf("lock the workspace beside: %w", err)
	}
	if err := first.QueryRow(ctx, "select pg_postmaster_start_time()").Scan(&there); err != nil {
		return fmt.Errorf("see whether the workspace is locked: %w", err)
	}
	if !held || !here.Equal(there) { // locks of another server are no locks
		return fmt.Errorf("%w: another process has the workspace", ErrUnavailable)
	}
	return nil
}

// end undoes what is not committed.
func (b *besideTx) end(ctx context.Context) {
	rollback(ctx, b.tx)
	b.conn.Release()
}

// writeSplit writes messages in another transaction and all else in that of w. It has committed
// the messages when it returns nil.
func (w deriveWrite) writeSplit(ctx context.Context, c *derive.Changes, other *besideTx, messages *derive.Changes) (err error) {
	aside := w
	aside.queries, aside.tx = dbsqlc.New(other.tx), other.tx
	written := make(chan error, 1)
	go func() {
		err := aside.writeAlone(ctx, messages)
		other.end(ctx)
		written <- err
	}()
	// Also when this one panics: until the other has ended nobody may go on. It is not cut short,
	// so that its connection stays whole and it is known whether it took place.
	defer func() {
		switch other := <-written; {
		case other == nil:
		case err == nil || errors.Is(other, ErrConflict):
			err = errors.Join(err, other)
		default: // it may yet take place: only who takes both locks anew may try again
			err = fmt.Errorf("%w (and %v)", other, err) //nolint:errorlint // a conflict would be tried again at once
		}
	}()
	return w.write(ctx, c)
}

// writeAlone writes changes and commits.
func (w deriveWrite) writeAlone(ctx context.Context, c *derive.Changes) (err error) {
	defer func() {
		if fault := recover(); fault != nil { // in a goroutine of its own it would end the process
			err = fmt.Errorf("writing messages broke: %v\n%s", fault, debug.Stack())
		}
	}()
	if err := w.write(ctx, c); err != nil {
		return err
	}
	return interpret(w.tx.Commit(ctx))
}
