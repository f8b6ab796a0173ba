package consume

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/postgres"
	"github.com/touchline/touchline/services/attribution/postgres/dbsqlc"
	"github.com/touchline/touchline/services/internal/stream"
)

// Reader is the streams as a consumer sees them; [stream.Reader] is one, whose comments
// say what each method promises.
type Reader interface {
	Entries
	Estate
	Backlog
}

// Entries hands out entries and takes them back.
type Entries interface {
	// Consumer is the name of the reader in its group.
	Consumer() uuid.UUID
	Read(ctx context.Context, shard int, limit int64, block time.Duration) ([]stream.Entry, error)
	Recount(ctx context.Context, shard int, deliveries int64, ids ...string) error
	Settle(ctx context.Context, b stream.Batch) error
}

// Estate is what other consumers hold.
type Estate interface {
	Holders(ctx context.Context, shard int) ([]uuid.UUID, error)
	Inherit(ctx context.Context, shard int, dead uuid.UUID, limit int64) ([]stream.Entry, error)
	Claim(ctx context.Context, shard int, minIdle time.Duration, limit int64) ([]stream.Entry, error)
	Forget(ctx context.Context, shard int, idle time.Duration) (int, error)
}

// Backlog measures what waits.
type Backlog interface {
	Oldest(ctx context.Context, shard int) (stream.Lag, error)
	Lost() int64
}

// Store is the database as consume sees it; [NewStore] makes one of a pool.
type Store interface {
	// InTx runs work in one READ COMMITTED transaction and commits when it returns nil.
	// It may run work again, so work leaves no traces outside the transaction. After
	// [postgres.ErrUnavailable] the transaction may have taken place or not.
	InTx(ctx context.Context, work func(ctx context.Context, tx Tx) error) error
	// KeepAlive says that a consumer lives until ctx ends, or its process does, and
	// calls held when it is known for the first time.
	KeepAlive(ctx context.Context, consumer uuid.UUID, held func())
	// Dead returns those of consumers that do not live.
	Dead(ctx context.Context, consumers []uuid.UUID) ([]uuid.UUID, error)
	// Sweep removes up to about most rows that nobody can read any more, and says
	// whether there may be more.
	Sweep(ctx context.Context, most int, at time.Time) (more bool, err error)
}

// Tx is one transaction. Its statements are those of the files in postgres/queries,
// which say what each does.
type Tx interface {
	Receipts
	Batches
	Facts
	Conflicts
	References
	Ledger
	Quarantine
	Adoption
}

// Receipts is what was stored already.
type Receipts interface {
	ReceiptInsertMissing(ctx context.Context, epochs []uuid.UUID, shards []int32) error
	ReceiptLock(ctx context.Context, epochs []uuid.UUID, shards []int32) error
	ReceiptKnown(ctx context.Context, arg dbsqlc.ReceiptKnownParams) ([]dbsqlc.ReceiptKnownRow, error)
	ReceiptAdd(ctx context.Context, arg dbsqlc.ReceiptAddParams) error
}

// Batches are committed and not settled.
type Batches interface {
	BatchInsert(ctx context.Context, arg dbsqlc.BatchInsertParams) (int64, error)
	BatchHeld(ctx context.Context, shard int32, entries []string) ([]string, error)
	BatchUnsettled(ctx context.Context, olderSeconds float64, upTo int32) ([]dbsqlc.Batch, error)
	BatchLock(ctx context.Context, arg dbsqlc.BatchLockParams) (int64, error)
	BatchDelete(ctx context.Context, arg dbsqlc.BatchDeleteParams) error
}

// Facts are the copies in force.
type Facts interface {
	WorkspaceHold(ctx context.Context, workspaces []uuid.UUID) ([]uuid.UUID, error)
	FactInsert(ctx context.Context, arg dbsqlc.FactInsertParams) ([]dbsqlc.FactInsertRow, error)
	FactLock(ctx context.Context, workspaces, facts []uuid.UUID) ([]dbsqlc.Fact, error)
	FactUpdate(ctx context.Context, arg dbsqlc.FactUpdateParams) error
}

// Conflicts are the copies that are not.
type Conflicts interface {
	FactConflictList(ctx context.Context, workspaces, facts []uuid.UUID) ([]dbsqlc.FactConflictListRow, error)
	FactConflictDelete(ctx context.Context, arg dbsqlc.FactConflictDeleteParams) error
	FactConflictUpsert(ctx context.Context, arg dbsqlc.FactConflictUpsertParams) error
}

// References are what facts carry, and who has to look at them again.
type References interface {
	FactRefDelete(ctx context.Context, workspaces, facts []uuid.UUID) ([]dbsqlc.FactRefDeleteRow, error)
	FactRefInsert(ctx context.Context, arg []dbsqlc.FactRefInsertParams) (int64, error)
	IdentifierInsert(ctx context.Context, arg dbsqlc.IdentifierInsertParams) error
	TouchedInsert(ctx context.Context, arg []dbsqlc.TouchedInsertParams) (int64, error)
}

// Ledger is what hits count as.
type Ledger interface {
	LedgerBatchAdd(ctx context.Context, arg dbsqlc.LedgerBatchAddParams) error
	LedgerFold(ctx context.Context, arg dbsqlc.LedgerFoldParams) (int64, error)
	// TryLock takes the lock of that name to the end of the transaction; it does not wait.
	TryLock(ctx context.Context, name string) (bool, error)
}

// Quarantine is what was refused, and its way back.
type Quarantine interface {
	QuarantineInsert(ctx context.Context, arg dbsqlc.QuarantineInsertParams) error
	Replays
}

// Replays are what was asked for of it.
type Replays interface {
	QuarantineDue(ctx context.Context, most int32) ([]dbsqlc.QuarantineDueRow, error)
	QuarantineLock(ctx context.Context, workspaces, ids []uuid.UUID) ([]dbsqlc.QuarantineLockRow, error)
	QuarantineFailed(ctx context.Context, arg dbsqlc.QuarantineFailedParams) (int64, error)
	QuarantineReplayed(ctx context.Context, arg dbsqlc.QuarantineReplayedParams) error
}

// Adoption gives batches another name.
type Adoption interface {
	BatchAdopt(ctx context.Context, arg dbsqlc.BatchAdoptParams) (int64, error)
	LedgerBatchAdopt(ctx context.Context, arg dbsqlc.LedgerBatchAdoptParams) error
	TouchedAdopt(ctx context.Context, arg dbsqlc.TouchedAdoptParams) error
}

// NewStore returns the store of a pool with [postgres.RoleWorker].
func NewStore(pool *postgres.Pool) Store { return pooled{pool} }

type pooled struct{ *postgres.Pool }

// InTx implements [Store].
func (p pooled) InTx(ctx context.Context, work func(ctx context.Context, tx Tx) error) error {
	return p.Pool.InTx(ctx, postgres.ReadCommitted, func(ctx context.Context, tx *postgres.Tx) error { return work(ctx, tx) })
}
