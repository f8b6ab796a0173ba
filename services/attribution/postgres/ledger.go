package postgres

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/internal/stream"
)

// RecoverBooks implements [stream.Recover] over the ledger. While it runs no batch
// is committed: they wait.
func (p *Pool) RecoverBooks(ctx context.Context, shard int, apply func(stream.Seed) error) error {
	return p.InTx(ctx, ReadCommitted, func(ctx context.Context, tx *Tx) error {
		if err := tx.LedgerHold(ctx); err != nil {
			return fmt.Errorf("hold the ledger: %w", err)
		}
		hits, err := tx.LedgerSeen(ctx, int32(shard))
		if err != nil {
			return fmt.Errorf("count the hits of shard %d: %w", shard, err)
		}
		committed, err := tx.LedgerCommitted(ctx, int32(shard))
		if err != nil {
			return fmt.Errorf("list the batches of shard %d: %w", shard, err)
		}
		seed := stream.Seed{Accepted: make(map[string]int64, len(hits)), Settled: make(map[uuid.UUID]int64, len(committed))}
		for _, row := range hits {
			seed.Accepted[row.WorkspaceID.String()+"/"+row.SourceID.String()] = row.Hits
		}
		for _, row := range committed {
			seed.Settled[row.Consumer] = row.Batch
		}
		return apply(seed)
	})
}
