package postgres

import (
	"context"
	"encoding/hex"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/touchline/touchline/services/attribution/derive"
	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/attribution/postgres/dbsqlc"
	"github.com/touchline/touchline/services/attribution/stock"
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
	pool     *Pool
	folder   Folder
	room     *stock.Room
	policies policies
	// How long it waits for a connection: for a short look beside a transaction, where whoever
	// waits holds one already, and for the reading of all facts of a build, which is asked for once
	// and has time while the plan is drawn.
	spare, stockSpare time.Duration
}

// NewDeriveStore returns the store of a pool with [RoleWorker]. What builds read together is
// kept in memory alone.
func NewDeriveStore(pool *Pool, folder Folder) *DeriveStore {
	return &DeriveStore{pool: pool, folder: folder, room: stock.NewRoom(stock.Config{}), spare: 20 * time.Millisecond, stockSpare: time.Second}
}

// WithPatience returns the store, before anybody uses it, with another time to wait for a
// connection beside the one that the caller holds: where 20 ms, or a second for all facts of a build,
// are over sooner than one can be opened.
func (s *DeriveStore) WithPatience(wait time.Duration) *DeriveStore {
	s.spare, s.stockSpare = wait, wait
	return s
}

// WithRoom returns the store, before anybody uses it, with room of its own for what builds read
// together.
func (s *DeriveStore) WithRoom(room stock.Config) *DeriveStore {
	s.room = stock.NewRoom(room)
	return s
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
	return true, fn(deriveSession{lock: lock, workspace: workspace, store: s})
}

// beside is how long [DeriveStore.Load] may take: whoever waits for it holds the lock of a
// workspace, and can read by himself.
const beside = 10 * time.Second

// Load implements [derive.Store].
func (s *DeriveStore) Load(ctx context.Context, workspace uuid.UUID, facts []uuid.UUID) (list []hit.Fact, err error) {
	err = s.besideOthers(ctx, func(ctx context.Context, tx *Tx) error {
		if err := tx.DerivePlan(ctx); err != nil {
			return err
		}
		list, err = deriveTx{workspace: workspace, queries: tx.Queries, tx: tx.tx}.Load(ctx, facts)
		return err
	})
	return list, err
}

// Names implements [derive.Store].
func (s *DeriveStore) Names(ctx context.Context, workspace uuid.UUID, v derive.Version, digests, devices []uuid.UUID) (held derive.Current, err error) {
	err = s.besideOthers(ctx, func(ctx context.Context, tx *Tx) (err error) {
		if err := tx.DerivePlan(ctx); err != nil {
			return err
		}
		t := deriveTx{workspace: workspace, queries: tx.Queries, tx: tx.tx}
		if held.Persons, err = t.Persons(ctx, v, digests); err != nil {
			return fmt.Errorf("read persons: %w", err)
		}
		if held.Links, err = t.Links(ctx, v, digests); err != nil {
			return fmt.Errorf("read links: %w", err)
		}
		held.Claims, err = t.Claims(ctx, v, devices)
		return err
	})
	return held, err
}

// deriveSession is the time of one lock.
type deriveSession struct {
	lock      *WorkspaceLock
	workspace uuid.UUID
	store     *DeriveStore
}

// Snapshot implements [derive.Session].
func (s deriveSession) Snapshot(ctx context.Context, fn func(derive.Tx) error) error {
	return s.lock.InTx(ctx, RepeatableRead, func(ctx context.Context, tx *Tx) error {
		if err := tx.DerivePlan(ctx); err != nil {
			return err
		}
		return fn(deriveTx{
			workspace: s.workspace, queries: tx.Queries, tx: tx.tx, store: s.store, keys: s.lock.keys, folder: s.store.folder, policies: &s.store.policies,
		})
	})
}

// deriveTx is one derivation's transaction.
type deriveTx struct {
	workspace uuid.UUID
	queries   *dbsqlc.Queries
	tx        pgx.Tx       // for what package dbsqlc has no query for
	store     *DeriveStore // nil: it only reads
	keys      lockKeys     // of the workspace's locks
	folder    Folder
	policies  *policies // nil: none are remembered
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
	p, err := t.policies.read(row.Document)
	if err != nil {
		return derive.Version{}, err
	}
	v := derive.Version{
		Number: int(row.Version), Identity: int(row.IdentityVersion), Policy: p.policy, Rules: p.rules, Blocked: make(map[uuid.UUID]bool),
		Building: row.State == "building", Started: row.BuildTotal > 0 || row.BuildCursor != nil,
	}
	if row.BuildCursor != nil {
		v.Cursor = *row.BuildCursor
	}
	v.Leader, v.Idle = orZero(row.BuildLeader), time.Duration(row.BuildIdleMs)*time.Millisecond
	var folded []uuid.UUID
	for _, term := range p.policy.Blocked() {
		for _, kind := range []hit.IdentifierKind{hit.UserID, hit.Phone, hit.BSUID, hit.Email, hit.Device} {
			folded = append(folded, t.folder.Folded(t.workspace, kind, term))
		}
	}
	if len(folded) == 0 {
		return v, nil
	}
	digests, err := t.queries.DeriveBlocked(ctx, folded, t.workspace)
	for _, digest := range digests {
		v.Blocked[digest] = true
	}
	return v, interpret(err)
}

// compiled is a policy as a derivation takes it. Nobody changes it.
type compiled struct {
	policy *policy.Policy
	rules  *timeline.Rules
}

// policiesMost is how many policies are remembered; a guess.
const policiesMost = 200

// policies remembers policies by their documents: each transaction asks for those of its
// workspace. The zero value is ready.
type policies struct {
	mu    sync.Mutex
	known map[string]compiled
}

// read returns the policy of a stored document.
func (c *policies) read(document []byte) (compiled, error) {
	if c == nil {
		return compile(document)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if p, known := c.known[string(document)]; known {
		return p, nil
	}
	p, err := compile(document)
	if err != nil {
		return p, err
	}
	if c.known == nil || len(c.known) >= policiesMost {
		c.known = make(map[string]compiled)
	}
	c.known[string(document)] = p
	return p, nil
}

func compile(document []byte) (compiled, error) {
	p, faults, err := policy.Parse(document)
	if err != nil {
		return compiled{}, err
	}
	if len(faults) > 0 {
		return compiled{}, fmt.Errorf("stored document: %s: %s", faults[0].Pointer, faults[0].Detail)
	}
	return compiled{policy: &p, rules: timeline.Compile(&p)}, nil
}

// Touched implements [derive.Queue].
func (t deriveTx) Touched(ctx context.Context, most int) ([]derive.Touched, error) {
	rows, err := t.queries.DeriveTouchedList(ctx, t.workspace, int32(most))
	touched := make([]derive.Touched, len(rows))
	for i, row := range rows {
		touched[i] = touchedRow(row)
	}
	return touched, interpret(err)
}

// Behind implements [derive.Queue].
func (t deriveTx) Behind(ctx context.Context, place int64, facts []uuid.UUID, most int) ([]derive.Touched, error) {
	rows, err := t.queries.DeriveTouchedBehind(ctx, dbsqlc.DeriveTouchedBehindParams{
		WorkspaceID: t.workspace, Place: place, Most: int32(most), FactIds: facts,
	})
	touched := make([]derive.Touched, len(rows))
	for i, row := range rows {
		touched[i] = touchedRow(dbsqlc.DeriveTouchedListRow(row))
	}
	return touched, interpret(err)
}

func touchedRow(row dbsqlc.DeriveTouchedListRow) derive.Touched {
	return derive.Touched{
		Seq: row.Seq, Fact: row.FactID, OldRefs: row.OldRefs, NewRefs: row.NewRefs, Source: row.SourceID, Hour: row.Hour, Term: row.Term,
		Consumer: row.Consumer, Shard: row.Shard, Batch: row.Batch,
	}
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
	if b.Alone && !b.Publish {
		if err := t.queries.DeriveLoose(ctx); err != nil {
			return nil, interpret(err)
		}
	}
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
	if err := t.queries.DeriveSwapPlan(ctx); err != nil {
		return nil, interpret(err)
	}
	return t.swap(ctx, b)
}

// ByRef implements [derive.Facts].
func (t deriveTx) ByRef(ctx context.Context, refs []uuid.UUID) ([]uuid.UUID, error) {
	keys, err := t.queries.DeriveFactsByRef(ctx, refs, t.workspace)
	return keys, interpret(err)
}

// Refs implements [derive.Facts].
func (t deriveTx) Refs(ctx context.Context, facts []uuid.UUID) ([]uuid.UUID, error) {
	refs, err := t.queries.DeriveRefsByFact(ctx, facts, t.workspace)
	return refs, interpret(err)
}

// Walk implements [derive.Facts].
func (t deriveTx) Walk(ctx context.Context, after uuid.UUID, most int) ([]uuid.UUID, error) {
	keys, err := t.queries.DeriveFactWalk(ctx, dbsqlc.DeriveFactWalkParams{WorkspaceID: t.workspace, After: after, Most: int32(most)})
	return keys, interpret(err)
}

// stored is an identifier as facts hold it, known by its digest. The kind is empty
// where it is not stored.
func stored(digest uuid.UUID, kind string) hit.Identifier {
	return hit.Identifier{Kind: hit.IdentifierKind(kind), Value: hex.EncodeToString(digest[:])}
}
