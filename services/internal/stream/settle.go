package stream

import (
	"context"
	"fmt"

	"github.com/google/uuid"
)

// Lost stands in [Batch.Entries] for an entry that somebody deleted before it was
// stored: settling it takes it off the books, where it is in flight still.
const Lost = "lost"

// Batch is a set of entries of one shard that were stored in one transaction.
type Batch struct {
	Consumer uuid.UUID
	Shard    int
	Number   int64    // from 1, without gaps per consumer and shard
	Entries  []string // ids, or [Lost]
	Fields   []string // of the same entries, [Entry.Account]
}

// Settle removes the entries of a stored batch and marks it in the books, in one
// step. Doing it again changes nothing, so that it may be repeated until it returns
// nil. [ErrOrder] means that the batch before it was not settled.
func (r *Reader) Settle(ctx context.Context, b Batch) error {
	if err := r.cfg.checkShard(b.Shard); err != nil {
		return err
	}
	if len(b.Entries) != len(b.Fields) {
		return fmt.Errorf("settle batch %d: %d entries with %d fields", b.Number, len(b.Entries), len(b.Fields))
	}
	args := make([]any, 0, 3+2*len(b.Entries))
	args = append(args, r.group, b.Consumer.String(), b.Number)
	for i, id := range b.Entries {
		args = append(args, id, b.Fields[i])
	}
	keys := []string{r.cfg.hitsKey(b.Shard), r.cfg.booksKey(b.Shard), r.cfg.hoursKey(b.Shard), r.cfg.settledKey(b.Shard)}
	answer, err := r.scripts.settle.Run(ctx, r.client, keys, args...).Int64Slice()
	if err != nil {
		return fmt.Errorf("settle batch %d of shard %d: %w", b.Number, b.Shard, err)
	}
	if len(answer) == 2 && answer[0] < 0 {
		return fmt.Errorf("settle batch %d of shard %d after %d: %w", b.Number, b.Shard, answer[1], ErrOrder)
	}
	return nil
}
