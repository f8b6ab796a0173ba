package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// aliveEvery is how often the connection that stands for a living process is looked
// at; guessed.
const aliveEvery = time.Second

// KeepAlive holds the lock that says "this consumer lives" until ctx ends, and calls
// held when it has it for the first time. The lock is a session's: the server gives
// it back at once when the process dies, however it dies. When the connection breaks
// the lock is taken anew; others may meanwhile take the consumer for dead, which
// costs work and no truth.
func (p *Pool) KeepAlive(ctx context.Context, consumer uuid.UUID, held func()) {
	key := lockKey("consumer", consumer[:])
	for ctx.Err() == nil {
		_ = p.hold(ctx, key, held) // a broken connection: again, after a moment
		select {
		case <-ctx.Done():
		case <-time.After(aliveEvery):
		}
	}
}

// hold takes the lock on a connection of its own and returns when that breaks.
func (p *Pool) hold(ctx context.Context, key int64, held func()) error {
	conn, err := p.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer discard(conn)
	if _, err := conn.Exec(ctx, "select pg_advisory_lock("+schemaKey1+")", key); err != nil {
		return err
	}
	held()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(aliveEvery):
		}
		if err := conn.Ping(ctx); err != nil {
			return err
		}
	}
}

// Dead returns those of consumers whose process does not live any more.
func (p *Pool) Dead(ctx context.Context, consumers []uuid.UUID) ([]uuid.UUID, error) {
	var dead []uuid.UUID
	err := p.InTx(ctx, ReadCommitted, func(ctx context.Context, tx *Tx) error {
		dead = nil
		for _, c := range consumers {
			free, err := tx.LockTryShared(ctx, lockKey("consumer", c[:]))
			if err != nil {
				return fmt.Errorf("ask whether consumer %s lives: %w", c, err)
			}
			if free {
				dead = append(dead, c)
			}
		}
		return nil
	})
	return dead, err
}
