package consume

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/digest"
	"github.com/touchline/touchline/services/attribution/postgres/dbsqlc"
	"github.com/touchline/touchline/services/internal/hit"
)

const keyID = digest.KeyID

// This file turns rows into the columns that the statements take, in order of the
// tables' keys.

// books are the terms of a batch.
type books map[account]map[term]int64

func (b books) add(a account, t term, hits int64) {
	if b[a] == nil {
		b[a] = make(map[term]int64)
	}
	b[a][t] += hits
}

func (b books) columns(n name) dbsqlc.LedgerBatchAddParams {
	accounts := make([]account, 0, len(b))
	for a := range b {
		accounts = append(accounts, a)
	}
	slices.SortFunc(accounts, func(x, y account) int {
		return cmp.Or(compareKeys(x.workspace, x.source, y.workspace, y.source), x.hour.Compare(y.hour))
	})
	var rows dbsqlc.LedgerBatchAddParams
	for _, a := range accounts {
		rows.WorkspaceIds = append(rows.WorkspaceIds, a.workspace)
		rows.Consumers = append(rows.Consumers, n.consumer)
		rows.Shards = append(rows.Shards, int32(n.shard))
		rows.Batches = append(rows.Batches, n.number)
		rows.SourceIds = append(rows.SourceIds, a.source)
		rows.Hours = append(rows.Hours, a.hour)
		rows.Stored = append(rows.Stored, b[a][termStored])
		rows.Duplicate = append(rows.Duplicate, b[a][termDuplicate])
		rows.Conflict = append(rows.Conflict, b[a][termConflict])
		rows.Rejected = append(rows.Rejected, b[a][termRejected])
	}
	return rows
}

// receiptKey lists epochs and shards in parallel.
type receiptKey struct {
	epochs []uuid.UUID
	shards []int32
}

// receiptKeys returns the rows of receipt that items are in, sorted.
func receiptKeys(items []*item) receiptKey {
	var receipts []hit.Receipt
	for _, i := range items {
		receipts = append(receipts, hit.Receipt{Epoch: i.entry.Receipt.Epoch, Shard: i.entry.Receipt.Shard})
	}
	slices.SortFunc(receipts, func(a, b hit.Receipt) int {
		return cmp.Or(bytes.Compare(a.Epoch[:], b.Epoch[:]), cmp.Compare(a.Shard, b.Shard))
	})
	var keys receiptKey
	for _, r := range slices.Compact(receipts) {
		keys.epochs = append(keys.epochs, r.Epoch)
		keys.shards = append(keys.shards, int32(r.Shard))
	}
	return keys
}

// receiptColumns lists the receipts of items.
func receiptColumns(items []*item) dbsqlc.ReceiptAddParams {
	var rows dbsqlc.ReceiptAddParams
	for _, i := range items {
		rows.Epochs = append(rows.Epochs, i.entry.Receipt.Epoch)
		rows.Shards = append(rows.Shards, int32(i.entry.Receipt.Shard))
		rows.Numbers = append(rows.Numbers, i.entry.Receipt.Number)
	}
	return rows
}

// compareKeys orders pairs of uuids as Postgres does.
func compareKeys(a1, a2, b1, b2 uuid.UUID) int {
	return cmp.Or(bytes.Compare(a1[:], b1[:]), bytes.Compare(a2[:], b2[:]))
}
