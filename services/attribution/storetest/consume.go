package storetest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/consume"
	"github.com/touchline/touchline/services/attribution/postgres/dbsqlc"
)

// errReplay says that the quarantine can not be replayed here.
var errReplay = errors.New("replays are not in memory")

// aliveEvery is how often a consumer makes sure that it counts as living.
const aliveEvery = 10 * time.Second

// InTx implements [consume.Store].
func (c Conn) InTx(ctx context.Context, work func(ctx context.Context, tx consume.Tx) error) error {
	return c.run(ctx, false, func(x *tx) error { return work(ctx, consumeTx{x}) })
}

// KeepAlive implements [consume.Store].
func (c Conn) KeepAlive(ctx context.Context, consumer uuid.UUID, held func()) {
	is := func(alive bool) {
		c.Memory.mu.Lock()
		defer c.Memory.mu.Unlock()
		c.Memory.alive[consumer] = alive
	}
	defer is(false)
	for ctx.Err() == nil {
		err := c.pass(ctx, "live", nil)
		is(err == nil)
		if err == nil {
			held()
		}
		select {
		case <-ctx.Done():
		case <-time.After(aliveEvery):
		}
	}
}

// Dead implements [consume.Store].
func (c Conn) Dead(ctx context.Context, consumers []uuid.UUID) (dead []uuid.UUID, err error) {
	err = c.pass(ctx, "ask who is dead", nil)
	c.Memory.mu.Lock()
	defer c.Memory.mu.Unlock()
	for _, name := range consumers {
		if err == nil && !c.Memory.alive[name] {
			dead = append(dead, name)
		}
	}
	return dead, err
}

// Sweep implements [consume.Store]: there are no versions to give up.
func (c Conn) Sweep(context.Context, int, time.Time) (bool, error) { return false, nil }

// consumeTx is a transaction of consume.
type consumeTx struct{ *tx }

func receiptKeys(epochs []uuid.UUID, shards []int32) (keys []receiptKey) {
	for i := range epochs {
		keys = append(keys, receiptKey{epochs[i], shards[i]})
	}
	return keys
}

func (t consumeTx) ReceiptInsertMissing(ctx context.Context, epochs []uuid.UUID, shards []int32) error {
	return t.statement(ctx, "begin receipts", func() error {
		for _, key := range receiptKeys(epochs, shards) {
			if t.m.receipts.get(t.tx, key) != nil {
				continue
			}
			if err := lock(ctx, t.tx, key); err != nil {
				return err
			}
			if t.m.receipts.get(t.tx, key) == nil {
				t.m.receipts.put(t.tx, key, &map[int64]bool{})
			}
		}
		return nil
	})
}

func (t consumeTx) ReceiptLock(ctx context.Context, epochs []uuid.UUID, shards []int32) error {
	return t.statement(ctx, "lock receipts", func() error { return lock(ctx, t.tx, receiptKeys(epochs, shards)...) })
}

func (t consumeTx) ReceiptKnown(ctx context.Context, arg dbsqlc.ReceiptKnownParams) (known []dbsqlc.ReceiptKnownRow, err error) {
	err = t.statement(ctx, "known receipts", func() error {
		for i, key := range receiptKeys(arg.Epochs, arg.Shards) {
			if row := t.m.receipts.get(t.tx, key); row != nil && (*row)[arg.Numbers[i]] {
				known = append(known, dbsqlc.ReceiptKnownRow{Epoch: key.epoch, Shard: key.shard, Number: arg.Numbers[i]})
			}
		}
		return nil
	})
	return known, err
}

func (t consumeTx) ReceiptAdd(ctx context.Context, arg dbsqlc.ReceiptAddParams) error {
	return t.statement(ctx, "add receipts", func() error {
		keys := receiptKeys(arg.Epochs, arg.Shards)
		if err := lock(ctx, t.tx, slices.Clone(keys)...); err != nil {
			return err
		}
		for i, key := range keys {
			if row := t.m.receipts.get(t.tx, key); row != nil {
				grown := maps.Clone(*row)
				grown[arg.Numbers[i]] = true
				t.m.receipts.put(t.tx, key, &grown)
			}
		}
		return nil
	})
}

func (t consumeTx) BatchInsert(ctx context.Context, arg dbsqlc.BatchInsertParams) (inserted int64, err error) {
	err = t.statement(ctx, "insert batch", func() error {
		key := batchKey{arg.Consumer, arg.Shard, arg.Batch}
		if err := errors.Join(t.write(ctx), lock(ctx, t.tx, key)); err != nil {
			return err
		}
		if t.m.batches.get(t.tx, key) == nil {
			t.m.batches.put(t.tx, key, &dbsqlc.Batch{
				Consumer: arg.Consumer, Shard: arg.Shard, Batch: arg.Batch, Entries: arg.Entries, Fields: arg.Fields, CommittedAt: t.m.now(),
			})
			inserted = 1
		}
		return nil
	})
	return inserted, err
}

func (t consumeTx) BatchHeld(ctx context.Context, shard int32, entries []string) (held []string, err error) {
	err = t.statement(ctx, "held entries", func() error {
		for _, key := range t.m.batches.keys(t.tx, func(k batchKey, _ *dbsqlc.Batch) bool { return k.shard == shard }) {
			for _, entry := range t.m.batches.get(t.tx, key).Entries {
				if slices.Contains(entries, entry) {
					held = append(held, entry)
				}
			}
		}
		return nil
	})
	return held, err
}

func (t consumeTx) BatchUnsettled(ctx context.Context, olderSeconds float64, upTo int32) (list []dbsqlc.Batch, err error) {
	err = t.statement(ctx, "unsettled batches", func() error {
		old := t.m.now().Add(-time.Duration(olderSeconds * float64(time.Second)))
		for _, key := range t.m.batches.keys(t.tx, func(_ batchKey, b *dbsqlc.Batch) bool { return !b.CommittedAt.After(old) }) {
			list = append(list, *t.m.batches.get(t.tx, key))
		}
		slices.SortFunc(list, func(a, b dbsqlc.Batch) int {
			return cmp.Or(bytes.Compare(a.Consumer[:], b.Consumer[:]), cmp.Compare(a.Shard, b.Shard), cmp.Compare(a.Batch, b.Batch))
		})
		list = list[:min(len(list), int(upTo))]
		return nil
	})
	return list, err
}

func (t consumeTx) BatchLock(ctx context.Context, arg dbsqlc.BatchLockParams) (found int64, err error) {
	err = t.statement(ctx, "lock batch", func() error {
		keys, err := lockAll(ctx, t.tx, t.m.batches, func(k batchKey, _ *dbsqlc.Batch) bool {
			return k == batchKey{arg.Consumer, arg.Shard, arg.Batch}
		})
		found = int64(len(keys))
		return err
	})
	return found, err
}

func (t consumeTx) BatchDelete(ctx context.Context, arg dbsqlc.BatchDeleteParams) error {
	return t.statement(ctx, "delete batch", func() error {
		key := batchKey{arg.Consumer, arg.Shard, arg.Batch}
		if err := errors.Join(t.write(ctx), lock(ctx, t.tx, key)); err != nil {
			return err
		}
		t.m.batches.put(t.tx, key, nil)
		return nil
	})
}

func (t consumeTx) WorkspaceHold(ctx context.Context, workspaces []uuid.UUID) (known []uuid.UUID, err error) {
	err = t.statement(ctx, "hold workspaces", func() error {
		for _, id := range workspaces {
			if _, there := t.m.workspaces[id]; there {
				known = append(known, id)
			}
		}
		return nil
	})
	return known, err
}

func (t consumeTx) FactInsert(ctx context.Context, arg dbsqlc.FactInsertParams) (added []dbsqlc.FactInsertRow, err error) {
	err = t.statement(ctx, "insert facts", func() error {
		for i := range arg.FactIds {
			key := factKey{arg.WorkspaceIds[i], arg.FactIds[i]}
			if t.m.facts.get(t.tx, key) != nil {
				continue
			}
			if err := lock(ctx, t.tx, key); err != nil {
				return err
			}
			if t.m.facts.get(t.tx, key) != nil {
				continue
			}
			t.m.facts.put(t.tx, key, &dbsqlc.Fact{
				WorkspaceID: key.workspace, FactID: key.fact, Kind: arg.Kinds[i], SourceID: arg.SourceIds[i], Trust: arg.Trusts[i],
				OccurredAt: arg.OccurredAts[i], WholeSecond: arg.WholeSeconds[i], ReceivedAt: arg.ReceivedAts[i],
				Flags: words(arg.Flags[i]), Content: arg.Contents[i], Body: arg.Bodies[i],
			})
			added = append(added, dbsqlc.FactInsertRow{WorkspaceID: key.workspace, FactID: key.fact})
		}
		return nil
	})
	return added, err
}

// words is string_to_array.
func words(text string) []string {
	if text == "" {
		return []string{}
	}
	return strings.Split(text, ",")
}

func factKeys(workspaces, facts []uuid.UUID) (keys []factKey) {
	for i := range facts {
		keys = append(keys, factKey{workspaces[i], facts[i]})
	}
	return keys
}

func (t consumeTx) FactLock(ctx context.Context, workspaces, facts []uuid.UUID) (list []dbsqlc.Fact, err error) {
	err = t.statement(ctx, "lock facts", func() error {
		keys := factKeys(workspaces, facts)
		if err := lock(ctx, t.tx, keys...); err != nil {
			return err
		}
		for _, key := range keys {
			if row := t.m.facts.get(t.tx, key); row != nil {
				list = append(list, *row)
			}
		}
		return nil
	})
	return list, err
}

func (t consumeTx) FactUpdate(ctx context.Context, arg dbsqlc.FactUpdateParams) error {
	return t.statement(ctx, "update facts", func() error {
		for i, key := range factKeys(arg.WorkspaceIds, arg.FactIds) {
			if err := lock(ctx, t.tx, key); err != nil {
				return err
			}
			row := t.m.facts.get(t.tx, key)
			if row == nil {
				continue
			}
			changed := *row
			changed.SourceID, changed.Trust, changed.OccurredAt, changed.WholeSecond = arg.SourceIds[i], arg.Trusts[i], arg.OccurredAts[i], arg.WholeSeconds[i]
			changed.ReceivedAt, changed.Flags, changed.Content, changed.Body = arg.ReceivedAts[i], words(arg.Flags[i]), arg.Contents[i], arg.Bodies[i]
			t.m.facts.put(t.tx, key, &changed)
		}
		return nil
	})
}

func (t consumeTx) FactConflictList(ctx context.Context, workspaces, facts []uuid.UUID) (list []dbsqlc.FactConflictListRow, err error) {
	err = t.statement(ctx, "list conflicts", func() error {
		asked := factKeys(workspaces, facts)
		for _, key := range t.m.conflicts.keys(t.tx, func(k conflictKey, _ *dbsqlc.FactConflictListRow) bool {
			return slices.Contains(asked, factKey{k.workspace, k.fact})
		}) {
			list = append(list, *t.m.conflicts.get(t.tx, key))
		}
		return nil
	})
	return list, err
}

func (t consumeTx) FactConflictDelete(ctx context.Context, arg dbsqlc.FactConflictDeleteParams) error {
	return t.statement(ctx, "delete conflicts", func() error {
		for i := range arg.FactIds {
			key := conflictKey{arg.WorkspaceIds[i], arg.FactIds[i], arg.Contents[i]}
			if err := lock(ctx, t.tx, key); err != nil {
				return err
			}
			t.m.conflicts.put(t.tx, key, nil)
		}
		return nil
	})
}

func (t consumeTx) FactConflictUpsert(ctx context.Context, arg dbsqlc.FactConflictUpsertParams) error {
	return t.statement(ctx, "write conflicts", func() error {
		for i := range arg.FactIds {
			key := conflictKey{arg.WorkspaceIds[i], arg.FactIds[i], arg.Contents[i]}
			if err := lock(ctx, t.tx, key); err != nil {
				return err
			}
			t.m.conflicts.put(t.tx, key, &dbsqlc.FactConflictListRow{
				WorkspaceID: key.workspace, FactID: key.fact, Content: key.content, SourceID: arg.SourceIds[i], Trust: arg.Trusts[i],
				OccurredAt: arg.OccurredAts[i], WholeSecond: arg.WholeSeconds[i], ReceivedAt: arg.ReceivedAts[i],
			})
		}
		return nil
	})
}

func (t consumeTx) FactRefDelete(ctx context.Context, workspaces, facts []uuid.UUID) (gone []dbsqlc.FactRefDeleteRow, err error) {
	err = t.statement(ctx, "delete references", func() error {
		asked := factKeys(workspaces, facts)
		keys, err := lockAll(ctx, t.tx, t.m.refs, func(k refKey, _ *dbsqlc.FactRefInsertParams) bool {
			return slices.Contains(asked, factKey{k.workspace, k.fact})
		})
		for _, key := range keys {
			t.m.refs.put(t.tx, key, nil)
			gone = append(gone, dbsqlc.FactRefDeleteRow{WorkspaceID: key.workspace, FactID: key.fact, Value: key.value})
		}
		return err
	})
	return gone, err
}

func (t consumeTx) FactRefInsert(ctx context.Context, arg []dbsqlc.FactRefInsertParams) (int64, error) {
	return int64(len(arg)), t.statement(ctx, "insert references", func() error {
		for _, row := range arg {
			key := refKey{row.WorkspaceID, row.FactID, row.Value, row.Kind}
			if err := lock(ctx, t.tx, key); err != nil {
				return err
			}
			t.m.refs.put(t.tx, key, &row)
		}
		return nil
	})
}

func (t consumeTx) IdentifierInsert(ctx context.Context, arg dbsqlc.IdentifierInsertParams) error {
	return t.statement(ctx, "insert identifiers", func() error {
		for i := range arg.Digests {
			key := identifierKey{arg.WorkspaceIds[i], arg.Digests[i]}
			if t.m.identifiers.get(t.tx, key) != nil {
				continue
			}
			if err := lock(ctx, t.tx, key); err != nil {
				return err
			}
			t.m.identifiers.put(t.tx, key, &dbsqlc.IdentifierInsertParams{Kinds: arg.Kinds[i : i+1], Foldeds: arg.Foldeds[i : i+1]})
		}
		return nil
	})
}

func (t consumeTx) TouchedInsert(ctx context.Context, arg []dbsqlc.TouchedInsertParams) (int64, error) {
	return int64(len(arg)), t.statement(ctx, "insert touched", func() error {
		for _, row := range arg {
			t.m.sequence++
			t.m.touched.put(t.tx, touchedKey{t.m.sequence}, &touchedRow{row})
		}
		return nil
	})
}

func (t consumeTx) QuarantineInsert(ctx context.Context, arg dbsqlc.QuarantineInsertParams) error {
	return t.statement(ctx, "insert into quarantine", func() error {
		for i := range arg.QuarantineIds {
			key := quarantineKey{arg.WorkspaceIds[i], arg.Epochs[i], arg.Shards[i], arg.Numbers[i]}
			if err := lock(ctx, t.tx, key); err != nil {
				return err
			}
			if t.m.quarantine.get(t.tx, key) == nil {
				t.m.quarantine.put(t.tx, key, &Refused{Source: arg.SourceIds[i], Reason: arg.Reasons[i], Hit: arg.Hits[i]})
			}
		}
		return nil
	})
}

// QuarantineDue returns none: nobody can ask.
func (t consumeTx) QuarantineDue(ctx context.Context, _ int32) ([]dbsqlc.QuarantineDueRow, error) {
	return nil, t.statement(ctx, "due replays", func() error { return nil })
}

func (t consumeTx) QuarantineLock(context.Context, []uuid.UUID, []uuid.UUID) ([]dbsqlc.QuarantineLockRow, error) {
	return nil, errReplay
}

func (t consumeTx) QuarantineFailed(context.Context, dbsqlc.QuarantineFailedParams) (int64, error) {
	return 0, errReplay
}

func (t consumeTx) QuarantineReplayed(context.Context, dbsqlc.QuarantineReplayedParams) error {
	return errReplay
}
