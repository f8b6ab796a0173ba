package postgres

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/postgres/dbsqlc"
	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/internal/stream"
)

// RecoverBooks implements [stream.Recover] over the ledger. While it runs no batch
// is committed: they wait.
func (p *Pool) RecoverBooks(ctx context.Context, shard int, apply func(stream.Seed) error) error {
	return p.holdBooks(ctx, shard, func(_ context.Context, _ *Tx, seed stream.Seed) error { return apply(seed) })
}

// RebuildBooks is RecoverBooks for books that are there and wrong: what was noted of
// them is forgotten too. apply may ask which receipts are stored, on the connection that
// keeps the batches waiting: they may have all others.
func (p *Pool) RebuildBooks(ctx context.Context, shard int, apply func(seed stream.Seed, known stream.Known) error) error {
	return p.holdBooks(ctx, shard, func(ctx context.Context, tx *Tx, seed stream.Seed) error {
		if err := tx.SequenceUnmark(ctx, int32(shard)); err != nil {
			return err
		}
		return apply(seed, tx.Known)
	})
}

func (p *Pool) holdBooks(ctx context.Context, shard int, apply func(context.Context, *Tx, stream.Seed) error) error {
	return p.InTx(ctx, ReadCommitted, func(ctx context.Context, tx *Tx) error {
		if err := tx.LedgerHold(ctx); err != nil {
			return fmt.Errorf("hold the ledger: %w", err)
		}
		seed, err := tx.seed(ctx, int32(shard))
		if err != nil {
			return err
		}
		return apply(ctx, tx, seed)
	})
}

// seed reads what the ledger knows of a shard.
func (t *Tx) seed(ctx context.Context, shard int32) (stream.Seed, error) {
	seed := stream.Seed{Accepted: map[string]int64{}, Settled: map[uuid.UUID]int64{}, Stored: map[uuid.UUID]int64{}}
	hits, err := t.LedgerSeen(ctx, shard)
	if err != nil {
		return seed, fmt.Errorf("count the hits of shard %d: %w", shard, err)
	}
	for _, row := range hits {
		seed.Accepted[row.WorkspaceID.String()+"/"+row.SourceID.String()] = row.Hits
	}
	committed, err := t.LedgerCommitted(ctx, shard)
	if err != nil {
		return seed, fmt.Errorf("list the batches of shard %d: %w", shard, err)
	}
	for _, row := range committed {
		seed.Settled[row.Consumer] = row.Batch
	}
	stored, err := t.SequenceStored(ctx, shard)
	if err != nil {
		return seed, fmt.Errorf("list the receipts of shard %d: %w", shard, err)
	}
	for _, row := range stored {
		seed.Stored[row.Epoch] = row.Stored
	}
	return seed, nil
}

// Known implements [stream.Known].
func (t *Tx) Known(ctx context.Context, receipts []hit.Receipt) (map[hit.Receipt]bool, error) {
	known := make(map[hit.Receipt]bool)
	var asked dbsqlc.ReceiptKnownParams
	for _, r := range receipts {
		if r.Number > 0 {
			asked.Epochs = append(asked.Epochs, r.Epoch)
			asked.Shards = append(asked.Shards, int32(r.Shard))
			asked.Numbers = append(asked.Numbers, r.Number)
		}
	}
	rows, err := t.ReceiptKnown(ctx, asked)
	if err != nil {
		return nil, fmt.Errorf("ask which receipts are stored: %w", err)
	}
	for _, r := range rows {
		known[hit.Receipt{Epoch: r.Epoch, Shard: int(r.Shard), Number: r.Number}] = true
	}
	return known, nil
}
