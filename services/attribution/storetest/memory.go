// Package storetest has the database of consume and derive in memory, for simulations,
// and the tests that it and Postgres have to pass alike.
//
// It keeps what concurrency can show: READ COMMITTED sees what was committed before each
// statement, REPEATABLE READ what was before its begin and fails where it would overwrite
// something newer, rows that a transaction writes or locks make others wait, deadlocks
// end one of the two, sequences run ahead of commits. It does not plan, index or cut off.
// Of derive's interface it has what deriving whole takes (Config.Small at its default);
// what only reach asks for, policies that are built, and replays of the quarantine, it
// refuses.
package storetest

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/derive"
	"github.com/touchline/touchline/services/attribution/postgres"
	"github.com/touchline/touchline/services/attribution/postgres/dbsqlc"
	"github.com/touchline/touchline/services/attribution/touch"
)

// Memory is one database: some workspaces, each with one policy in force. Safe for
// concurrent use.
type Memory struct {
	now func() time.Time

	mu         sync.Mutex
	workspaces map[uuid.UUID]derive.Workspace
	folder     postgres.Folder
	alive      map[uuid.UUID]bool
	writer     map[uuid.UUID]bool // workspaces whose lock somebody has
	sequence   int64              // of touched
	locks      map[any]*queue

	receipts      *table[receiptKey, map[int64]bool]
	marked        *table[markKey, int64] // how far Redis was seen to say that the numbers reach
	batches       *table[batchKey, dbsqlc.Batch]
	facts         *table[factKey, dbsqlc.Fact]
	conflicts     *table[conflictKey, dbsqlc.FactConflictListRow]
	refs          *table[refKey, dbsqlc.FactRefInsertParams]
	identifiers   *table[identifierKey, dbsqlc.IdentifierInsertParams]
	touched       *table[touchedKey, touchedRow]
	ledgerBatches *table[termKey, terms]
	ledger        *table[accountKey, terms]
	quarantine    *table[quarantineKey, Refused]
	conversions   *table[conversionKey, conversionRow]
	messages      *table[messageKey, touch.Message]
	persons       *table[personKey, person]
	links         *table[linkKey, link]
	claims        *table[claimKey, claim]
	all           []anyTable
}

// The keys of the tables. Each is a type of its own, so that it can name a lock.
type (
	receiptKey struct {
		epoch uuid.UUID
		shard int32
	}
	markKey  receiptKey
	batchKey struct {
		consumer uuid.UUID
		shard    int32
		batch    int64
	}
	factKey     struct{ workspace, fact uuid.UUID }
	conflictKey struct{ workspace, fact, content uuid.UUID }
	refKey      struct {
		workspace, fact, value uuid.UUID
		kind                   int16
	}
	identifierKey struct{ workspace, digest uuid.UUID }
	touchedKey    struct{ seq int64 }
	termKey       struct {
		workspace uuid.UUID
		batch     batchKey
		source    uuid.UUID
		hour      time.Time
	}
	accountKey struct {
		workspace, source uuid.UUID
		hour              time.Time
		shard             int32
	}
	quarantineKey struct {
		workspace, epoch uuid.UUID
		shard            int32
		number           int64
	}
	choreKey struct{ name string }
)

// terms are the sums of a row of the ledger.
type terms struct{ stored, duplicate, conflict, rejected int64 }

func (t terms) plus(o terms) terms {
	return terms{t.stored + o.stored, t.duplicate + o.duplicate, t.conflict + o.conflict, t.rejected + o.rejected}
}

// touchedRow is a row of the queue.
type touchedRow struct{ dbsqlc.TouchedInsertParams }

// Refused is what the quarantine keeps of a hit.
type Refused struct {
	Source uuid.UUID
	Reason string
	Hit    bool
}

// NewMemory returns a database with these workspaces, whose versions need not say what
// they block. now is the server's clock; folder knows block lists from digests.
func NewMemory(now func() time.Time, folder postgres.Folder, workspaces map[uuid.UUID]derive.Workspace) *Memory {
	m := &Memory{
		now: now, folder: folder, workspaces: workspaces, alive: map[uuid.UUID]bool{}, writer: map[uuid.UUID]bool{},
		locks: map[any]*queue{},
	}
	m.receipts, m.batches, m.facts = newTable[receiptKey, map[int64]bool](m), newTable[batchKey, dbsqlc.Batch](m), newTable[factKey, dbsqlc.Fact](m)
	m.marked = newTable[markKey, int64](m)
	m.conflicts, m.refs = newTable[conflictKey, dbsqlc.FactConflictListRow](m), newTable[refKey, dbsqlc.FactRefInsertParams](m)
	m.identifiers, m.touched = newTable[identifierKey, dbsqlc.IdentifierInsertParams](m), newTable[touchedKey, touchedRow](m)
	m.ledgerBatches, m.ledger = newTable[termKey, terms](m), newTable[accountKey, terms](m)
	m.quarantine, m.conversions = newTable[quarantineKey, Refused](m), newTable[conversionKey, conversionRow](m)
	m.messages, m.persons = newTable[messageKey, touch.Message](m), newTable[personKey, person](m)
	m.links, m.claims = newTable[linkKey, link](m), newTable[claimKey, claim](m)
	return m
}

// table is committed rows. Rows are never changed in place, so that a row that is
// another pointer is a newer one.
type table[K comparable, V any] struct{ rows map[K]*V }

// anyTable is a table of whatever.
type anyTable interface {
	snapshot() any
	conflicts(x *tx) bool
	apply(x *tx)
}

func newTable[K comparable, V any](m *Memory) *table[K, V] {
	t := &table[K, V]{rows: map[K]*V{}}
	m.all = append(m.all, t)
	return t
}

func (t *table[K, V]) snapshot() any { return maps.Clone(t.rows) }

// base is what a transaction sees besides its own writes.
func (t *table[K, V]) base(x *tx) map[K]*V {
	if seen, ok := x.seen[t].(map[K]*V); ok {
		return seen
	}
	return t.rows
}

// written is what a transaction wrote; nil rows are deleted ones.
func (t *table[K, V]) written(x *tx) map[K]*V {
	rows, _ := x.wrote[t].(map[K]*V)
	return rows
}

func (t *table[K, V]) get(x *tx, k K) *V {
	if row, ok := t.written(x)[k]; ok {
		return row
	}
	return t.base(x)[k]
}

// put writes a row; nil deletes it. The transaction holds the row's lock.
func (t *table[K, V]) put(x *tx, k K, row *V) {
	rows := t.written(x)
	if rows == nil {
		rows = map[K]*V{}
		x.wrote[t] = rows
	}
	rows[k] = row
}

// keys returns, in no order, those of the rows that a transaction sees and that match.
func (t *table[K, V]) keys(x *tx, match func(K, *V) bool) (list []K) {
	written := t.written(x)
	for k, row := range t.base(x) {
		if _, own := written[k]; !own && match(k, row) {
			list = append(list, k)
		}
	}
	for k, row := range written {
		if row != nil && match(k, row) {
			list = append(list, k)
		}
	}
	return list
}

// conflicts says whether a snapshot's transaction would overwrite what it did not see.
func (t *table[K, V]) conflicts(x *tx) bool {
	seen, ok := x.seen[t].(map[K]*V)
	if !ok {
		return false
	}
	for k := range t.written(x) {
		if seen[k] != t.rows[k] {
			return true
		}
	}
	return false
}

func (t *table[K, V]) apply(x *tx) {
	for k, row := range t.written(x) {
		if row == nil {
			delete(t.rows, k)
			continue
		}
		t.rows[k] = row
	}
}

// Conn is one client's way to a Memory.
type Conn struct {
	Memory *Memory
	// Through is asked before each statement, and does each commit, or lets it be; nil
	// lets all pass. Of its errors the client sees [postgres.ErrUnavailable]. The name is
	// for people; do is nil unless it is a commit.
	Through func(ctx context.Context, name string, do func()) error
}

func (c Conn) pass(ctx context.Context, name string, do func()) error {
	err := ctx.Err()
	switch {
	case err == nil && c.Through != nil:
		err = c.Through(ctx, name, do)
	case err == nil && do != nil:
		do()
	}
	if err != nil {
		return fmt.Errorf("%s: %w: %w", name, postgres.ErrUnavailable, err)
	}
	return nil
}
