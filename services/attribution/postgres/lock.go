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
//
// There are two locks behind it. Who takes the first and finds the second free may write. The
// second is that of a transaction on another connection that writes for the same holder
// ([besideTx]): it may still commit when the first connection, and with it the first lock, is
// lost, and until it has ended nobody else begins.
type WorkspaceLock struct {
	conn *pgxpool.Conn
	keys lockKeys
}

// lockKeys are those of the two locks.
type lockKeys struct{ first, beside int64 }

func workspaceKeys(workspace uuid.UUID) lockKeys {
	return lockKeys{lockKey("workspace", workspace[:]), lockKey("workspace, beside", workspace[:])}
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
	lock = &WorkspaceLock{conn: conn, keys: workspaceKeys(workspace)}
	var locked bool // the first one
	err = conn.QueryRow(ctx, `select locked, case when locked and pg_try_advisory_lock(beside) then pg_advisory_unlock(beside) else false end
		from (select pg_try_advisory_lock(`+schemaKey1+`) as locked, `+schemaKey2+` as beside offset 0) as first`, lock.keys.first, lock.keys.beside).Scan(&locked, &ok)
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
	err := l.conn.QueryRow(ctx, "select pg_advisory_unlock("+schemaKey1+")", l.keys.first).Scan(&held)
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
	keys := workspaceKeys(workspace)
	for _, key := range []int64{keys.first, keys.beside} {
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

// schemaKey1 and schemaKey2 are, of the first and the second parameter of a statement, the keys of
// this schema's locks: installations that share a database do not wait for each other.
const (
	schemaKey1 = "hashtextextended(current_schema(), $1)"
	schemaKey2 = "hashtextextended(current_schema(), $2)"
)

// lockKey hashes to the 64 bits that an advisory lock has; see [schemaKey1].
func lockKey(kind string, name []byte) int64 {
	sum := sha256.Sum256(append([]byte("touchline "+kind+"\x00"), name...))
	return int64(binary.BigEndian.Uint64(sum[:]))
}
