package storetest

import (
	"bytes"
	"context"
	"maps"
	"slices"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/ledger"
	"github.com/touchline/touchline/services/attribution/postgres/dbsqlc"
	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/internal/stream"
)

// Recover is [stream.Recover], as [postgres.Pool.RecoverBooks].
func (c Conn) Recover(ctx context.Context, shard int, apply func(stream.Seed) error) error {
	return c.hold(ctx, shard, func(_ *tx, seed stream.Seed) error { return apply(seed) })
}

// Rebuild is [postgres.Pool.RebuildBooks].
func (c Conn) Rebuild(ctx context.Context, shard int, apply func(seed stream.Seed, known stream.Known) error) error {
	return c.hold(ctx, shard, func(x *tx, seed stream.Seed) error {
		if err := x.statement(ctx, "forget the marks", func() error { return x.unmark(ctx, int32(shard)) }); err != nil {
			return err
		}
		return apply(seed, consumeTx{x}.known)
	})
}

// hold reads the seed of a shard while no batch is committed.
func (c Conn) hold(ctx context.Context, shard int, work func(x *tx, seed stream.Seed) error) error {
	return c.run(ctx, false, func(x *tx) error {
		seed := stream.Seed{Accepted: map[string]int64{}, Settled: map[uuid.UUID]int64{}, Stored: map[uuid.UUID]int64{}}
		if err := x.statement(ctx, "hold the ledger", func() error { return x.holdBatches(ctx) }); err != nil {
			return err
		}
		if err := x.statement(ctx, "read the ledger", func() error { x.seed(int32(shard), seed); return nil }); err != nil {
			return err
		}
		return work(x, seed)
	})
}

// known is [stream.Known].
func (t consumeTx) known(ctx context.Context, receipts []hit.Receipt) (map[hit.Receipt]bool, error) {
	var asked dbsqlc.ReceiptKnownParams
	for _, r := range receipts {
		asked.Epochs, asked.Shards, asked.Numbers = append(asked.Epochs, r.Epoch), append(asked.Shards, int32(r.Shard)), append(asked.Numbers, r.Number)
	}
	rows, err := t.ReceiptKnown(ctx, asked)
	known := make(map[hit.Receipt]bool, len(rows))
	for _, r := range rows {
		known[hit.Receipt{Epoch: r.Epoch, Shard: int(r.Shard), Number: r.Number}] = true
	}
	return known, err
}

// Behind is what of a search for lost hits decides whether books are made anew: it lists
// the shards of which Redis says less than it did, and notes what it says. It lists none
// when another process is at it.
func (c Conn) Behind(ctx context.Context, read func(context.Context) ([]stream.ShardBooks, error)) (shards []int, err error) {
	err = c.run(ctx, false, func(x *tx) error {
		shards = nil
		mine, err := consumeTx{x}.TryLock(ctx, "sequence")
		if err != nil || !mine {
			return err
		}
		var before []dbsqlc.SequenceMarksRow
		var settled []dbsqlc.LedgerSettledRow
		err = x.statement(ctx, "read the marks", func() error {
			before, settled = x.marks(), x.settled()
			return nil
		})
		if err != nil {
			return err
		}
		books, err := read(ctx)
		if err != nil {
			return err
		}
		shards = ledger.Behind(books, before, settled)
		return x.statement(ctx, "note the marks", func() error { return x.mark(ctx, books) })
	})
	return shards, err
}

// Behind lists the shards whose books are to be made anew.
func (m *Memory) Behind(books []stream.ShardBooks) []int {
	m.mu.Lock()
	defer m.mu.Unlock()
	x := &tx{m: m}
	return ledger.Behind(books, x.marks(), x.settled())
}

// marks is the query SequenceMarks, behind SequenceRaise.
func (x *tx) marks() (rows []dbsqlc.SequenceMarksRow) {
	stored := x.stored()
	for k, marked := range x.m.marked.base(x) {
		rows = append(rows, dbsqlc.SequenceMarksRow{Epoch: k.epoch, Shard: k.shard, Marked: *marked, Stored: stored[receiptKey(k)]})
		delete(stored, receiptKey(k))
	}
	for k, n := range stored {
		rows = append(rows, dbsqlc.SequenceMarksRow{Epoch: k.epoch, Shard: k.shard, Stored: n})
	}
	return rows
}

// settled is the query LedgerSettled.
func (x *tx) settled() (rows []dbsqlc.LedgerSettledRow) {
	for k := range x.m.ledgerBatches.base(x) {
		if x.m.batches.base(x)[k.batch] == nil {
			rows = append(rows, dbsqlc.LedgerSettledRow{Consumer: k.batch.consumer, Shard: k.batch.shard, Batch: k.batch.batch})
		}
	}
	return rows
}

// stored is how far the numbers are stored.
func (x *tx) stored() map[receiptKey]int64 {
	stored := map[receiptKey]int64{}
	for k, numbers := range x.m.receipts.base(x) {
		for n := range *numbers {
			stored[k] = max(stored[k], n)
		}
	}
	return stored
}

// mark is SequenceMark.
func (x *tx) mark(ctx context.Context, books []stream.ShardBooks) error {
	for _, b := range books {
		for _, epoch := range slices.SortedFunc(maps.Keys(b.Appended), func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) }) {
			number := b.Appended[epoch]
			key := markKey{epoch, int32(b.Shard)}
			if row := x.m.marked.get(x, key); row != nil && *row >= number {
				continue
			}
			if err := write(ctx, x, x.m.marked, key, &number); err != nil {
				return err
			}
		}
	}
	return nil
}

// unmark is SequenceUnmark.
func (x *tx) unmark(ctx context.Context, shard int32) error {
	keys, err := lockAll(ctx, x, x.m.marked, func(k markKey, marked *int64) bool { return k.shard == shard && *marked > 0 })
	for _, key := range keys {
		x.m.marked.put(x, key, new(int64))
	}
	return err
}
