package storetest

import (
	"bytes"
	"context"
	"slices"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/postgres/dbsqlc"
	"github.com/touchline/touchline/services/internal/stream"
)

// addTerms adds to a row of a batch.
func (x *tx) addTerms(ctx context.Context, key termKey, by terms) error {
	if err := lock(ctx, x, key); err != nil {
		return err
	}
	if row := x.m.ledgerBatches.get(x, key); row != nil {
		by = by.plus(*row)
	}
	x.m.ledgerBatches.put(x, key, &by)
	return nil
}

func (t consumeTx) LedgerBatchAdd(ctx context.Context, arg dbsqlc.LedgerBatchAddParams) error {
	return t.statement(ctx, "add terms", func() error {
		for i := range arg.WorkspaceIds {
			key := termKey{arg.WorkspaceIds[i], batchKey{arg.Consumers[i], arg.Shards[i], arg.Batches[i]}, arg.SourceIds[i], arg.Hours[i].UTC()}
			if err := t.addTerms(ctx, key, terms{arg.Stored[i], arg.Duplicate[i], arg.Conflict[i], arg.Rejected[i]}); err != nil {
				return err
			}
		}
		return nil
	})
}

// settledBy says up to which batch each consumer and shard is settled.
func settledBy(consumers []uuid.UUID, shards []int32, batches []int64) map[receiptKey]int64 {
	settled := map[receiptKey]int64{}
	for i := range consumers {
		settled[receiptKey{consumers[i], shards[i]}] = batches[i]
	}
	return settled
}

func (t consumeTx) LedgerFold(ctx context.Context, arg dbsqlc.LedgerFoldParams) (folded int64, err error) {
	err = t.statement(ctx, "fold", func() error {
		settled := settledBy(arg.Consumers, arg.Shards, arg.Batches)
		keys, err := lockAll(ctx, t.tx, t.m.ledgerBatches, func(k termKey, _ *terms) bool {
			return k.batch.batch <= settled[receiptKey{k.batch.consumer, k.batch.shard}]
		})
		if err != nil {
			return err
		}
		for _, key := range keys {
			into := accountKey{key.workspace, key.source, key.hour, key.batch.shard}
			if err := lock(ctx, t.tx, into); err != nil {
				return err
			}
			sum := *t.m.ledgerBatches.get(t.tx, key)
			if row := t.m.ledger.get(t.tx, into); row != nil {
				sum = sum.plus(*row)
			}
			t.m.ledger.put(t.tx, into, &sum)
			t.m.ledgerBatches.put(t.tx, key, nil)
			folded++
		}
		return nil
	})
	return folded, err
}

func (t consumeTx) TryLock(ctx context.Context, name string) (held bool, err error) {
	err = t.statement(ctx, "try lock", func() error {
		q := t.m.locks[choreKey{name}]
		if held = q == nil || q.alone == nil || q.alone == t.tx; held {
			return lock(ctx, t.tx, choreKey{name})
		}
		return nil
	})
	return held, err
}

// adopts says whether a batch gets another name, and which.
func adopts(arg dbsqlc.BatchAdoptParams, b batchKey) (batchKey, bool) {
	return batchKey{arg.Fresh, b.shard, b.batch - arg.Gone}, b.consumer == arg.Consumer && b.shard == arg.Shard && b.batch > arg.Gone
}

func (t consumeTx) BatchAdopt(ctx context.Context, arg dbsqlc.BatchAdoptParams) (adopted int64, err error) {
	err = t.statement(ctx, "adopt batches", func() error {
		if err := t.write(ctx); err != nil {
			return err
		}
		keys, err := lockAll(ctx, t.tx, t.m.batches, func(k batchKey, _ *dbsqlc.Batch) bool { _, is := adopts(arg, k); return is })
		for _, key := range keys {
			row := *t.m.batches.get(t.tx, key)
			fresh, _ := adopts(arg, key)
			row.Consumer, row.Batch = fresh.consumer, fresh.batch
			t.m.batches.put(t.tx, key, nil)
			t.m.batches.put(t.tx, fresh, &row)
		}
		adopted = int64(len(keys))
		return err
	})
	return adopted, err
}

func (t consumeTx) LedgerBatchAdopt(ctx context.Context, arg dbsqlc.LedgerBatchAdoptParams) error {
	return t.statement(ctx, "adopt terms", func() error {
		adopt := dbsqlc.BatchAdoptParams(arg)
		keys, err := lockAll(ctx, t.tx, t.m.ledgerBatches, func(k termKey, _ *terms) bool { _, is := adopts(adopt, k.batch); return is })
		for _, key := range keys {
			row, fresh := t.m.ledgerBatches.get(t.tx, key), key
			fresh.batch, _ = adopts(adopt, key.batch)
			t.m.ledgerBatches.put(t.tx, key, nil)
			t.m.ledgerBatches.put(t.tx, fresh, row)
		}
		return err
	})
}

func (t consumeTx) TouchedAdopt(ctx context.Context, arg dbsqlc.TouchedAdoptParams) error {
	return t.statement(ctx, "adopt touched", func() error {
		adopt := dbsqlc.BatchAdoptParams(arg)
		of := func(r *touchedRow) batchKey { return batchKey{r.Consumer, r.Shard, r.Batch} }
		keys, err := lockAll(ctx, t.tx, t.m.touched, func(_ touchedKey, r *touchedRow) bool { _, is := adopts(adopt, of(r)); return is })
		for _, key := range keys {
			row := *t.m.touched.get(t.tx, key)
			fresh, _ := adopts(adopt, of(&row))
			row.Consumer, row.Batch = fresh.consumer, fresh.batch
			t.m.touched.put(t.tx, key, &row)
		}
		return err
	})
}

// seed sums up what the ledger knows of a shard.
func (x *tx) seed(shard int32, into stream.Seed) {
	add := func(workspace, source uuid.UUID, n int64) { into.Accepted[workspace.String()+"/"+source.String()] += n }
	last := func(b batchKey) { into.Settled[b.consumer] = max(into.Settled[b.consumer], b.batch) }
	sum := func(t *terms) int64 { return t.stored + t.duplicate + t.conflict + t.rejected }
	for k, row := range x.m.ledger.base(x) {
		if k.shard == shard {
			add(k.workspace, k.source, sum(row))
		}
	}
	for k, row := range x.m.ledgerBatches.base(x) {
		if k.batch.shard == shard {
			add(k.workspace, k.source, sum(row))
			last(k.batch)
		}
	}
	for _, row := range x.m.touched.base(x) {
		if row.Shard == shard {
			add(row.WorkspaceID, row.SourceID, 1)
			last(batchKey{row.Consumer, row.Shard, row.Batch})
		}
	}
	for k := range x.m.batches.base(x) {
		if k.shard == shard {
			last(k)
		}
	}
	for k, n := range x.stored() {
		if k.shard == shard {
			into.Stored[k.epoch] = n
		}
	}
}

// Terms are the terms of the books as of the batches that are settled: the query
// IngestionTerms.
func (m *Memory) Terms(arg dbsqlc.IngestionTermsParams) []dbsqlc.IngestionTermsRow {
	m.mu.Lock()
	defer m.mu.Unlock()
	settled := settledBy(arg.Consumers, arg.Shards, arg.Batches)
	is := func(b batchKey) bool { return b.batch <= settled[receiptKey{b.consumer, b.shard}] }
	sums := map[uuid.UUID]*dbsqlc.IngestionTermsRow{}
	add := func(source uuid.UUID, t terms, waiting int64) {
		if sums[source] == nil {
			sums[source] = &dbsqlc.IngestionTermsRow{SourceID: source}
		}
		s := sums[source]
		s.Stored, s.Duplicate, s.Conflict, s.Rejected = s.Stored+t.stored, s.Duplicate+t.duplicate, s.Conflict+t.conflict, s.Rejected+t.rejected
		s.Waiting += waiting
	}
	for k, row := range m.ledger.rows {
		if k.workspace == arg.WorkspaceID {
			add(k.source, *row, 0)
		}
	}
	for k, row := range m.ledgerBatches.rows {
		if k.workspace == arg.WorkspaceID && is(k.batch) {
			add(k.source, *row, 0)
		}
	}
	for _, row := range m.touched.rows {
		if row.WorkspaceID == arg.WorkspaceID && is(batchKey{row.Consumer, row.Shard, row.Batch}) {
			add(row.SourceID, terms{}, 1)
		}
	}
	list := []dbsqlc.IngestionTermsRow{}
	for _, s := range sums {
		list = append(list, *s)
	}
	slices.SortFunc(list, func(a, b dbsqlc.IngestionTermsRow) int { return bytes.Compare(a.SourceID[:], b.SourceID[:]) })
	return list
}

// Stored says whether a receipt was stored.
func (m *Memory) Stored(epoch uuid.UUID, shard int32, number int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	row := m.receipts.rows[receiptKey{epoch, shard}]
	return row != nil && (*row)[number]
}

// Last is the largest number stored of each epoch and shard, as a Run without numbers.
func (m *Memory) Last() map[stream.Run]int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	last := map[stream.Run]int64{}
	for k, row := range m.receipts.rows {
		of := stream.Run{Epoch: k.epoch, Shard: int(k.shard)}
		for n := range *row {
			last[of] = max(last[of], n)
		}
	}
	return last
}

// Idle says that nothing waits: no batch to settle, no fact to conclude from.
func (m *Memory) Idle() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.batches.rows) == 0 && len(m.touched.rows) == 0
}

// Totals are all terms, settled or not, and how many facts and receipts there are.
type Totals struct{ Stored, Duplicate, Conflict, Rejected, Facts, Receipts, Refused int64 }

// Totals adds everything up at one instant.
func (m *Memory) Totals() Totals {
	m.mu.Lock()
	defer m.mu.Unlock()
	var sum terms
	for _, row := range m.ledger.rows {
		sum = sum.plus(*row)
	}
	for _, row := range m.ledgerBatches.rows {
		sum = sum.plus(*row)
	}
	for _, row := range m.touched.rows {
		sum = sum.plus(termOf(row.Term))
	}
	all := Totals{
		Stored: sum.stored, Duplicate: sum.duplicate, Conflict: sum.conflict, Rejected: sum.rejected,
		Facts: int64(len(m.facts.rows)), Refused: int64(len(m.quarantine.rows)),
	}
	for _, row := range m.receipts.rows {
		all.Receipts += int64(len(*row))
	}
	return all
}

// termOf is one hit of a term.
func termOf(term string) terms {
	switch term {
	case "stored":
		return terms{stored: 1}
	case "duplicate":
		return terms{duplicate: 1}
	default:
		return terms{conflict: 1}
	}
}
