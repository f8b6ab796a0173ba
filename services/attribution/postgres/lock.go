package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// WorkspaceLock says that its holder is the only writer of a workspace. It keeps
// one connection of the pool until it is released; when that connection breaks
// the lock is lost and every further call on it fails. Not safe for concurrent use.
type WorkspaceLock struct {
	conn *pgxpool.Conn
	key  int64
}

// LockWorkspace tries to become the writer of workspace and does not wait: ok is
// false when another process is. The lock is the session's, taken outside any
// transaction: one taken inside REPEATABLE READ would see the state before its
// predecessor's commit.
func (p *Pool) LockWorkspace(ctx context.Context, workspace uuid.UUID) (lock *WorkspaceLock, ok bool, err error) {
	conn, err := p.pool.Acquire(ctx)
	if err != nil {
		return nil, false, fmt.Errorf("lock workspace %s: %w", workspace, interpret(err))
	}
	key := lockKey("workspace", workspace[:])
	if err := conn.QueryRow(ctx, "select pg_try_advisory_lock($1)", key).Scan(&ok); err != nil {
		discard(conn) // it may hold the lock
		return nil, false, fmt.Errorf("lock workspace %s: %w", workspace, interpret(err))
	}
	if !ok {
		conn.Release()
		return nil, false, nil
	}
	return &WorkspaceLock{conn: conn, key: key}, true, nil
}

// InTx is [Pool.InTx] on the connection that holds the lock.
func (l *WorkspaceLock) InTx(ctx context.Context, level Isolation, work func(ctx context.Context, tx *Tx) error) error {
	return retry(ctx, func() error {
		return runTx(ctx, l.conn, pgx.TxOptions{IsoLevel: pgx.TxIsoLevel(level)}, work)
	})
}

// Release gives the lock back, also when ctx has ended.
func (l *WorkspaceLock) Release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	var held bool
	err := l.conn.QueryRow(ctx, "select pg_advisory_unlock($1)", l.key).Scan(&held)
	if err != nil || !held {
		discard(l.conn)
		return
	}
	l.conn.Release()
}

// LockWorkspace waits until no session holds the workspace's lock and keeps it to
// the end of the transaction: for what must not meet a derivation, like publishing
// a policy. Take it first, in a read committed transaction.
func (t *Tx) LockWorkspace(ctx context.Context, workspace uuid.UUID) error {
	if err := t.LockWait(ctx, lockKey("workspace", workspace[:])); err != nil {
		return fmt.Errorf("lock workspace %s: %w", workspace, err)
	}
	return nil
}

// TryLock takes the lock of that name to the end of the transaction and does not
// wait: for chores that one process at a time does for all.
func (t *Tx) TryLock(ctx context.Context, name string) (bool, error) {
	held, err := t.LockTry(ctx, lockKey("chore", []byte(name)))
	if err != nil {
		return false, fmt.Errorf("lock %s: %w", name, err)
	}
	return held, nil
}

// discard closes a connection whose state is not known; its session locks end with it.
func discard(conn *pgxpool.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Hijack().Close(ctx)
}

// lockKey hashes to the 64 bits that an advisory lock has.
func lockKey(kind string, name []byte) int64 {
	sum := sha256.Sum256(append([]byte("touchline "+kind+"\x00"), name...))
	return int64(binary.BigEndian.Uint64(sum[:]))
}
