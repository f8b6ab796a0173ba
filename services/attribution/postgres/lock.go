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
// one connection of the pool until it is released, two once something
// is written beside it; when the first breaks the lock is lost and every further call on it
// fails. Not safe for concurrent use.
//
// There are two locks behind it. Who takes the first and finds the second free may write.
// The second is held by the other connection for as long as something may be written
// there: a process that lost its first connection, and with it the first lock, may still
// commit on the other one, and until that one has ended too nobody else begins.
type WorkspaceLock struct {
	conn      *pgxpool.Conn
	workspace uuid.UUID
	other     *pgxpool.Conn // nil: none is needed so far, or there is none to spare
}

func (l *WorkspaceLock) key() int64       { return lockKey("workspace", l.workspace[:]) }
func (l *WorkspaceLock) besideKey() int64 { return lockKey("workspace, beside", l.workspace[:]) }

// LockWorkspace tries to become the writer of workspace and does not wait: ok is
// false when another process is. The lock is the session's, taken outside any
// transaction: one taken inside REPEATABLE READ would see the state before its
// predecessor's commit.
func (p *Pool) LockWorkspace(ctx context.Context, workspace uuid.UUID) (lock *WorkspaceLock, ok bool, err error) {
	conn, err := p.pool.Acquire(ctx)
	if err != nil {
		return nil, false, fmt.Errorf("lock workspace %s: %w", workspace, interpret(err))
	}
	lock = &WorkspaceLock{conn: conn, workspace: workspace}
	var locked bool // the first one
	err = conn.QueryRow(ctx, `select locked, case when locked and pg_try_advisory_lock($2) then pg_advisory_unlock($2) else false end
		from (select pg_try_advisory_lock($1) as locked offset 0) as first`, lock.key(), lock.besideKey()).Scan(&locked, &ok)
	switch {
	case err != nil:
		discard(conn) // it may hold a lock
		return nil, false, fmt.Errorf("lock workspace %s: %w", workspace, interpret(err))
	case ok:
		return lock, true, nil
	case locked:
		lock.Release(ctx)
	default:
		conn.Release()
	}
	return nil, false, nil
}

// beside returns a second connection on which nothing is committed either once another
// process has the lock. The transaction is one of [WorkspaceLock.InTx] that is under way;
// acquire gives a connection, if there is one to spare. The lock keeps it.
func (l *WorkspaceLock) beside(ctx context.Context, tx pgx.Tx, acquire func(context.Context) (*pgxpool.Conn, error)) (*pgxpool.Conn, error) {
	if l.other != nil {
		return l.other, nil
	}
	other, err := acquire(ctx)
	if err != nil {
		return nil, err
	}
	var held bool
	if err := other.QueryRow(ctx, "select pg_try_advisory_lock($1)", l.besideKey()).Scan(&held); err != nil {
		discard(other) // it may hold the lock
		return nil, fmt.Errorf("lock workspace %s beside: %w", l.workspace, interpret(err))
	}
	if !held {
		other.Release()
		return nil, fmt.Errorf("lock workspace %s beside: %w: another process has it", l.workspace, ErrUnavailable)
	}
	l.other = other
	// Whoever comes from now on finds the second lock taken. Nobody came before: the session of
	// the first one, if it is still there, has held that all along.
	if _, err := tx.Exec(ctx, "select"); err != nil {
		return nil, fmt.Errorf("lock workspace %s beside: %w", l.workspace, interpret(err))
	}
	return other, nil
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
	if l.other != nil {
		unlock(ctx, l.other, l.besideKey())
		l.other = nil
	}
	unlock(ctx, l.conn, l.key())
}

func unlock(ctx context.Context, conn *pgxpool.Conn, key int64) {
	var held bool
	err := conn.QueryRow(ctx, "select pg_advisory_unlock($1)", key).Scan(&held)
	if err != nil || !held {
		discard(conn)
		return
	}
	conn.Release()
}

// LockWorkspace waits until no session holds the workspace's lock and keeps it to
// the end of the transaction: for what must not meet a derivation, like publishing
// a policy. Take it first, in a read committed transaction.
func (t *Tx) LockWorkspace(ctx context.Context, workspace uuid.UUID) error {
	l := WorkspaceLock{workspace: workspace}
	for _, key := range []int64{l.key(), l.besideKey()} {
		if err := t.LockWait(ctx, key); err != nil {
			return fmt.Errorf("lock workspace %s: %w", workspace, err)
		}
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
