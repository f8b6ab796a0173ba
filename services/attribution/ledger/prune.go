package ledger

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/postgres"
	"github.com/touchline/touchline/services/attribution/postgres/dbsqlc"
)

// When marks in Redis' books are taken to be of the past. An edge that is down may keep a
// flush on its disk that Redis has already, for as long as its spool allows: only the mark
// tells. A consumer goes on under a new name when it was idle for half as long.
const (
	epochGone    = 30 * 24 * time.Hour
	consumerGone = 24 * time.Hour
)

// Prune removes from Redis' books, at the time now, the marks of edges whose hits are all
// stored and that sent none for a month, and of consumers that settled nothing for a day
// and whose batches are all folded. Each start of a process leaves one of either. It
// returns how many; 0 also when another process is at the books.
func (s Sides) Prune(ctx context.Context, now time.Time) (pruned int, err error) {
	err = s.Pool.InTx(ctx, postgres.ReadCommitted, func(ctx context.Context, tx *postgres.Tx) error {
		pruned = 0
		mine, err := tx.TryLock(ctx, "sequence")
		if err != nil || !mine {
			return err
		}
		if err := tx.SequenceComplete(ctx, now.Add(-epochGone)); err != nil {
			return fmt.Errorf("note what is complete: %w", err)
		}
		books, err := s.Probe.Books(ctx)
		if err != nil {
			return err
		}
		for _, b := range books {
			var asked dbsqlc.SequenceCompletedParams
			for epoch, number := range b.Appended {
				asked.Epochs = append(asked.Epochs, epoch)
				asked.Shards = append(asked.Shards, int32(b.Shard))
				asked.Appended = append(asked.Appended, number)
			}
			complete, err := tx.SequenceCompleted(ctx, asked)
			if err != nil {
				return fmt.Errorf("list what is complete: %w", err)
			}
			var epochs []uuid.UUID
			for _, row := range complete {
				epochs = append(epochs, row.Epoch)
			}
			idle, err := s.Probe.Idle(ctx, b, now.Add(-consumerGone), now)
			if err != nil {
				return err
			}
			named, err := tx.LedgerNamed(ctx, idle)
			if err != nil {
				return fmt.Errorf("list the consumers whose batches count still: %w", err)
			}
			idle = slices.DeleteFunc(idle, func(id uuid.UUID) bool { return slices.Contains(named, id) })
			n, err := s.Probe.Prune(ctx, b, epochs, idle)
			if err != nil {
				return err
			}
			pruned += n
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("prune the books: %w", err)
	}
	return pruned, nil
}
