package postgres

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/touchline/touchline/services/attribution/derive"
	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/attribution/postgres/dbsqlc"
	"github.com/touchline/touchline/services/attribution/timeline"
	"github.com/touchline/touchline/services/internal/hit"
)

// Folder computes the digest under which the case-folded form of an identifier is
// stored. Package digest has it.
type Folder interface {
	Folded(workspace uuid.UUID, kind hit.IdentifierKind, value string) uuid.UUID
}

// DeriveStore is the database as package derive sees it.
type DeriveStore struct {
	pool   *Pool
	folder Folder
}

// NewDeriveStore returns the store of a pool with [RoleWorker].
func NewDeriveStore(pool *Pool, folder Folder) *DeriveStore {
	return &DeriveStore{pool: pool, folder: folder}
}

// Workspaces implements [derive.Store].
func (s *DeriveStore) Workspaces(ctx context.Context) ([]uuid.UUID, error) {
	workspaces, err := dbsqlc.New(s.pool.pool).DeriveWorkspaces(ctx)
	return workspaces, interpret(err)
}

// Exclusive implements [derive.Store].
func (s *DeriveStore) Exclusive(ctx context.Context, workspace uuid.UUID, fn func(derive.Session) error) (bool, error) {
	lock, ok, err := s.pool.LockWorkspace(ctx, workspace)
	if err != nil || !ok {
		return false, err
	}
	defer lock.Release(ctx)
	return true, fn(deriveSession{lock: lock, workspace: workspace, folder: s.folder})
}

// spare is how long [DeriveStore.Load] waits for a connection: whoever waits for it holds
// one already.
const spare = 20 * time.Millisecond

// Load implements [derive.Store].
func (s *DeriveStore) Load(ctx context.Context, workspace uuid.UUID, facts []uuid.UUID) (list []hit.Fact, err error) {
	waiting, cancel := context.WithTimeout(ctx, spare)
	defer cancel()
	conn, err := s.pool.pool.Acquire(waiting)
	if err != nil {
		return nil, fmt.Errorf("%w: no connection to spare: %w", ErrUnavailable, err)
	}
	defer conn.Release()
	err = runTx(ctx, conn, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(ctx context.Context, tx *Tx) error {
		if err := tx.DerivePlan(ctx); err != nil {
			return err
		}
		list, err = deriveTx{workspace: workspace, queries: tx.Queries}.Load(ctx, facts)
		return err
	})
	return list, err
}

// deriveSession is the time of one lock.
type deriveSession struct {
	lock      *WorkspaceLock
	workspace uuid.UUID
	folder    Folder
}

// Snapshot implements [derive.Session].
func (s deriveSession) Snapshot(ctx context.Context, fn func(derive.Tx) error) error {
	return s.lock.InTx(ctx, RepeatableRead, func(ctx context.Context, tx *Tx) error {
		if err := tx.DerivePlan(ctx); err != nil {
			return err
		}
		return fn(deriveTx{workspace: s.workspace, queries: tx.Queries, tx: tx.tx, folder: s.folder})
	})
}

// deriveTx is one derivation's transaction.
type deriveTx struct {
	workspace uuid.UUID
	queries   *dbsqlc.Queries
	tx        pgx.Tx // for COPY; nil where nothing is written
	folder    Folder
}

// Workspace implements [derive.Queue].
func (t deriveTx) Workspace(ctx context.Context) (derive.Workspace, error) {
	rows, err := t.queries.DerivePolicies(ctx, t.workspace)
	if err != nil || len(rows) == 0 {
		return derive.Workspace{}, interpret(err)
	}
	currency, err := t.queries.DeriveWorkspace(ctx, t.workspace)
	if err != nil {
		return derive.Workspace{}, interpret(err)
	}
	info := derive.Workspace{Currency: currency}
	for _, row := range rows {
		version, err := t.version(ctx, row)
		if err != nil {
			return derive.Workspace{}, fmt.Errorf("policy version %d: %w", row.Version, err)
		}
		info.Versions = append(info.Versions, version)
	}
	return info, nil
}

func (t deriveTx) version(ctx context.Context, row dbsqlc.DerivePoliciesRow) (derive.Version, error) {
	p, faults, err := policy.Parse(row.Document)
	if err != nil {
		return derive.Version{}, err
	}
	if len(faults) > 0 {
		return derive.Version{}, fmt.Errorf("stored document: %s: %s", faults[0].Pointer, faults[0].Detail)
	}
	v := derive.Version{
		Number: int(row.Version), Identity: int(row.IdentityVersion), Policy: &p, Rules: timeline.Compile(&p), Blocked: make(map[uuid.UUID]bool),
		Building: row.State == "building", Started: row.BuildTotal > 0 || row.BuildCursor != nil,
	}
	if row.BuildCursor != nil {
		v.Cursor = *row.BuildCursor
	}
	v.Leader, v.Idle = orZero(row.BuildLeader), time.Duration(row.BuildIdleMs)*time.Millisecond
	var folded []uuid.UUID
	for _, term := range p.Blocked() {
		for _, kind := range []hit.IdentifierKind{hit.UserID, hit.Phone, hit.BSUID, hit.Email, hit.Device} {
			folded = append(folded, t.folder.Folded(t.workspace, kind, term))
		}
	}
	digests, err := t.queries.DeriveBlocked(ctx, t.workspace, folded)
	for _, digest := range digests {
		v.Blocked[digest] = true
	}
	return v, interpret(err)
}

// Touched implements [derive.Queue].
func (t deriveTx) Touched(ctx context.Context, most int) ([]derive.Touched, error) {
	rows, err := t.queries.DeriveTouchedList(ctx, t.workspace, int32(most))
	touched := make([]derive.Touched, len(rows))
	for i, row := range rows {
		touched[i] = derive.Touched{
			Seq: row.Seq, Fact: row.FactID, OldRefs: row.OldRefs, NewRefs: row.NewRefs, Source: row.SourceID, Hour: row.Hour, Term: row.Term,
			Consumer: row.Consumer, Shard: row.Shard, Batch: row.Batch,
		}
	}
	return touched, interpret(err)
}

// termKey is a row of ledger_batch within its workspace.
type termKey struct {
	consumer uuid.UUID
	shard    int32
	batch    int64
	source   uuid.UUID
	hour     time.Time
}

// Finish implements [derive.Queue].
func (t deriveTx) Finish(ctx context.Context, rows []derive.Touched) error {
	seqs := make([]int64, len(rows))
	terms := make(map[termKey]*[3]int64)
	for i, row := range rows {
		seqs[i] = row.Seq
		key := termKey{row.Consumer, row.Shard, row.Batch, row.Source, row.Hour}
		if terms[key] == nil {
			terms[key] = new([3]int64)
		}
		switch row.Term {
		case "stored":
			terms[key][0]++
		case "duplicate":
			terms[key][1]++
		case "conflict":
			terms[key][2]++
		}
	}
	add := dbsqlc.DeriveTermAddParams{WorkspaceID: t.workspace}
	for key, n := range terms {
		add.Consumers = append(add.Consumers, key.consumer)
		add.Shards = append(add.Shards, key.shard)
		add.Batches = append(add.Batches, key.batch)
		add.SourceIds = append(add.SourceIds, key.source)
		add.Hours = append(add.Hours, key.hour)
		add.Stored = append(add.Stored, n[0])
		add.Duplicate = append(add.Duplicate, n[1])
		add.Conflict = append(add.Conflict, n[2])
	}
	if err := t.queries.DeriveTermAdd(ctx, add); err != nil {
		return fmt.Errorf("move terms into the ledger: %w", interpret(err))
	}
	deleted, err := t.queries.DeriveTouchedDelete(ctx, t.workspace, seqs)
	if err == nil && deleted != int64(len(rows)) {
		err = fmt.Errorf("%d of %d touched rows are gone: a second writer is at work", int64(len(rows))-deleted, len(rows))
	}
	return interpret(err)
}

// Lead implements [derive.Queue].
func (t deriveTx) Lead(ctx context.Context, version int, leader uuid.UUID) error {
	return interpret(t.queries.DeriveBuildLead(ctx, dbsqlc.DeriveBuildLeadParams{Leader: &leader, WorkspaceID: t.workspace, Version: int32(version)}))
}

// Advance implements [derive.Queue].
func (t deriveTx) Advance(ctx context.Context, b derive.Build) (*derive.Swap, error) {
	if b.Start {
		total, err := t.queries.DeriveFactCount(ctx, t.workspace)
		if err != nil {
			return nil, interpret(err)
		}
		err = t.queries.DeriveBuildStart(ctx, dbsqlc.DeriveBuildStartParams{BuildTotal: total, WorkspaceID: t.workspace, Version: int32(b.Version)})
		if err != nil {
			return nil, interpret(err)
		}
	}
	err := t.queries.DeriveBuildProgress(ctx, dbsqlc.DeriveBuildProgressParams{
		Walked: int64(b.Walked), BuildCursor: &b.Cursor, WorkspaceID: t.workspace, Version: int32(b.Version),
	})
	if err != nil || !b.Publish {
		return nil, interpret(err)
	}
	return t.swap(ctx, b)
}

// ByRef implements [derive.Facts].
func (t deriveTx) ByRef(ctx context.Context, refs []uuid.UUID) ([]uuid.UUID, error) {
	keys, err := t.queries.DeriveFactsByRef(ctx, t.workspace, refs)
	return keys, interpret(err)
}

// Refs implements [derive.Facts].
func (t deriveTx) Refs(ctx context.Context, facts []uuid.UUID) ([]uuid.UUID, error) {
	refs, err := t.queries.DeriveRefsByFact(ctx, t.workspace, facts)
	return refs, interpret(err)
}

// Walk implements [derive.Facts].
func (t deriveTx) Walk(ctx context.Context, after uuid.UUID, most int) ([]uuid.UUID, error) {
	keys, err := t.queries.DeriveFactWalk(ctx, dbsqlc.DeriveFactWalkParams{WorkspaceID: t.workspace, After: after, Most: int32(most)})
	return keys, interpret(err)
}

// Moments implements [derive.Facts].
func (t deriveTx) Moments(ctx context.Context, after derive.Moment, most int) ([]derive.Moment, error) {
	rows, err := t.queries.DeriveMoments(ctx, dbsqlc.DeriveMomentsParams{
		WorkspaceID: t.workspace, Value: after.Ref, At: after.At.Time(), FactID: after.Fact, Most: int32(most),
	})
	list := make([]derive.Moment, len(rows))
	for i := range rows {
		list[i] = derive.Moment{Ref: rows[i].Value, Fact: rows[i].FactID, At: hit.InstantOf(rows[i].At)}
	}
	return list, interpret(err)
}

// Load implements [derive.Facts].
func (t deriveTx) Load(ctx context.Context, facts []uuid.UUID) ([]hit.Fact, error) {
	rows, err := t.queries.DeriveFactList(ctx, t.workspace, facts)
	if err != nil {
		return nil, interpret(err)
	}
	place := make(map[uuid.UUID]int, len(rows))
	for i := range rows {
		place[rows[i].FactID] = i
	}
	list := make([]hit.Fact, 0, len(rows))
	var faults []error
	for _, key := range facts {
		i, there := place[key]
		if !there {
			continue
		}
		f, err := storedFact(&rows[i])
		list, faults = append(list, f), append(faults, err)
	}
	return list, errors.Join(faults...)
}

// storedFact puts a fact together again from its body and its columns.
func storedFact(row *dbsqlc.DeriveFactListRow) (hit.Fact, error) {
	f, err := hit.FromContent(row.Body)
	if err != nil {
		return f, fmt.Errorf("read stored fact %s: %w", row.FactID, err)
	}
	f.Source, f.Trust = row.SourceID, hit.Trust(row.Trust)
	f.At, f.ReceivedAt = hit.InstantOf(row.OccurredAt), hit.InstantOf(row.ReceivedAt)
	f.Flags = row.Flags
	f.Precision = hit.PrecisionExact
	if row.WholeSecond {
		f.Precision = hit.PrecisionSecond
	}
	return f, nil
}

// stored is an identifier as facts hold it, known by its digest. The kind is empty
// where it is not stored.
func stored(digest uuid.UUID, kind string) hit.Identifier {
	return hit.Identifier{Kind: hit.IdentifierKind(kind), Value: hex.EncodeToString(digest[:])}
}
