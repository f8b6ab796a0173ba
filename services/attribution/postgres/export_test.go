package postgres

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// FactsQuery is not among the generated queries.
const FactsQuery = factsQuery

// Beside begins a transaction that writes beside one under a lock, and ends it without a trace.
func (l *WorkspaceLock) Beside(ctx context.Context, tx *Tx, pool *Pool) (end func(), err error) {
	b, err := deriveWrite{deriveTx: deriveTx{tx: tx.tx, store: NewDeriveStore(pool, nil).WithPatience(time.Minute), keys: l.keys}}.beside(ctx)
	return func() { b.end(ctx) }, err
}

// Session is the server's process for a transaction.
func (t *Tx) Session(ctx context.Context) (pid int32, err error) {
	err = t.tx.QueryRow(ctx, "select pg_backend_pid()").Scan(&pid)
	return pid, err
}

// WaitedFor says whether somebody waits for what is written beside a workspace's lock.
func (p *Pool) WaitedFor(ctx context.Context, workspace uuid.UUID) (waits bool, err error) {
	err = p.pool.QueryRow(ctx, `select exists (select from pg_locks where locktype = 'advisory' and not granted and objsubid = 1
		and (classid::bigint << 32) | objid::bigint = `+schemaKey1+`)`, workspaceKeys(workspace).beside).Scan(&waits)
	return waits, err
}
