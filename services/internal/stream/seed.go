package stream

import (
	"context"
	"fmt"

	"github.com/google/uuid"
)

// Seed is what the ledger knows of a shard: enough to begin its books again when
// Redis has lost them.
type Seed struct {
	Accepted map[string]int64    // by "workspace/source": hits that were stored or refused
	Settled  map[uuid.UUID]int64 // by consumer: its last committed batch
}

// Recover hands apply what the ledger knows of a shard and returns its error. No
// batch of any shard may be committed between the reading and the end of apply, or
// its hits would be missing from the books.
type Recover func(ctx context.Context, shard int, apply func(Seed) error) error

// begin starts the books of a shard that has no group yet: a new one, or one whose
// data Redis lost. It comes before the group exists and so before anything of the
// shard can be read; of several readers that meet here the first one's seed counts.
// Hits that were lost with the data are in no book any more; the gap in their
// receipts still tells of them.
func (r *Reader) begin(ctx context.Context, shard int) error {
	if r.cfg.Recover == nil {
		return nil
	}
	key := r.cfg.booksKey(shard)
	begun, err := r.client.HExists(ctx, key, "begun").Result()
	if err != nil || begun {
		return wrap(err, "look at the books of shard %d", shard)
	}
	return r.cfg.Recover(ctx, shard, func(s Seed) error {
		args := []any{len(s.Accepted)}
		for field, hits := range s.Accepted {
			args = append(args, field, hits)
		}
		for consumer, batch := range s.Settled {
			args = append(args, consumer.String(), batch)
		}
		began, err := r.scripts.seed.Run(ctx, r.client, []string{key}, args...).Int()
		if err != nil {
			return fmt.Errorf("begin the books of shard %d: %w", shard, err)
		}
		if began == 1 && len(s.Accepted) > 0 {
			r.log.Warn("began the books anew from the ledger: Redis had lost them", "shard", shard)
		}
		return nil
	})
}
