package stream

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/touchline/touchline/services/internal/hit"
)

// Seed is what the ledger knows of a shard: enough to begin its books again when
// Redis has lost them.
type Seed struct {
	Accepted map[string]int64    // by "workspace/source": hits that were stored or refused
	Settled  map[uuid.UUID]int64 // by consumer: its last committed batch
	Stored   map[uuid.UUID]int64 // by epoch: its largest number that is stored

	looked string // not empty: the books are thrown away first, and nothing is stored of what is in the stream up to this id
}

// Recover hands apply what the ledger knows of a shard and returns its error. No
// batch of any shard may be committed between the reading and the end of apply, or
// its hits would be missing from the books.
type Recover func(ctx context.Context, shard int, apply func(Seed) error) error

// Known says which of some receipts are stored. Those without a number are not.
type Known func(ctx context.Context, receipts []hit.Receipt) (map[hit.Receipt]bool, error)

// begin starts the books of a shard that has no group yet: a new one, or one whose
// data Redis lost. It comes before the group exists and so before anything of the
// shard can be read; of several readers that meet here the first one's seed counts.
// Hits that were lost with the data are in no book any more; the gap in their
// receipts still tells of them.
func (r *Reader) begin(ctx context.Context, shard int) error {
	if r.cfg.Recover == nil {
		return nil
	}
	begun, err := r.client.HExists(ctx, r.cfg.booksKey(shard), "begun").Result()
	if err != nil || begun {
		return wrap(err, "look at the books of shard %d", shard)
	}
	return r.cfg.Recover(ctx, shard, func(s Seed) error {
		did, err := r.scripts.sow(ctx, r.client, r.cfg, shard, s)
		if err != nil {
			return fmt.Errorf("begin the books of shard %d: %w", shard, err)
		}
		if did == 1 && len(s.Accepted) > 0 {
			r.log.Warn("began the books anew from the ledger: Redis had lost them", "shard", shard)
		}
		return nil
	})
}

// sow runs seed.lua.
func (s scripts) sow(ctx context.Context, client redis.UniversalClient, cfg Config, shard int, seed Seed) (did int, err error) {
	args := []any{seed.looked, len(seed.Accepted)}
	for field, hits := range seed.Accepted {
		args = append(args, field, hits)
	}
	args = append(args, len(seed.Settled))
	for consumer, batch := range seed.Settled {
		args = append(args, consumer.String(), batch)
	}
	for epoch, number := range seed.Stored {
		args = append(args, epoch.String(), number)
	}
	return s.seed.Run(ctx, client, []string{cfg.hitsKey(shard), cfg.booksKey(shard), cfg.hoursKey(shard)}, args...).Int()
}

// Restarted reports whether the Redis that has a shard is another one, or in another run,
// than when the shard's books were begun or made anew: they may be of a state that is
// older than what was known. It is false where Redis hides which run it is in.
func (p *Probe) Restarted(ctx context.Context, shard int) (bool, error) {
	if err := p.cfg.checkShard(shard); err != nil {
		return false, err
	}
	is, err := p.scripts.restarted.Run(ctx, p.client, []string{p.cfg.booksKey(shard)}).Int()
	return is == 1, wrap(err, "ask for the run of Redis that has shard %d", shard)
}

// Rebuild makes the books of a shard anew from a seed and from what is in its stream:
// Redis came back with older data than it had. known says of some receipts which are
// stored; their entries, which were there once more, are removed first. As with
// [Recover] no batch may be committed meanwhile. Hits may be appended.
//
// At the end Redis counts the stream in one go, about 2 s for a million entries.
func (p *Probe) Rebuild(ctx context.Context, shard int, seed Seed, known Known) error {
	if err := p.cfg.checkShard(shard); err != nil {
		return err
	}
	seed.looked = "0-0"
	for {
		messages, err := p.client.XRangeN(ctx, p.cfg.hitsKey(shard), "("+seed.looked, "+", heldStep).Result()
		if err != nil {
			return fmt.Errorf("read shard %d again: %w", shard, err)
		}
		if len(messages) > 0 {
			seed.looked = messages[len(messages)-1].ID
			if err := p.discard(ctx, shard, messages, known); err != nil {
				return fmt.Errorf("remove what is stored from shard %d: %w", shard, err)
			}
			continue
		}
		// An edge may send just now what is stored, until the marks are set right.
		did, err := p.scripts.sow(ctx, p.client, p.cfg, shard, seed)
		if err != nil || did != -1 {
			return wrap(err, "rebuild the books of shard %d", shard)
		}
	}
}

// discard removes those entries that are stored, for all consumers.
func (p *Probe) discard(ctx context.Context, shard int, messages []redis.XMessage, known Known) error {
	receipts := make([]hit.Receipt, len(messages))
	for n, m := range messages {
		receipts[n] = newEntry(shard, m).Receipt
	}
	stored, err := known(ctx, receipts)
	if err != nil {
		return err
	}
	var ids []string
	for n, m := range messages {
		if receipts[n].Number > 0 && stored[receipts[n]] {
			ids = append(ids, m.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	key := p.cfg.hitsKey(shard)
	groups, err := p.client.XInfoGroups(ctx, key).Result()
	if err != nil {
		return err
	}
	for _, g := range groups {
		if err := p.client.XAck(ctx, key, g.Name, ids...).Err(); err != nil {
			return err
		}
	}
	return p.client.XDel(ctx, key, ids...).Err()
}
