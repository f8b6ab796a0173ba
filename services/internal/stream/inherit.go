package stream

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
)

// Holders returns the other consumers of a shard that have entries not settled.
// Whether one of them still lives only the caller can find out.
func (r *Reader) Holders(ctx context.Context, shard int) ([]uuid.UUID, error) {
	if err := r.cfg.checkShard(shard); err != nil {
		return nil, err
	}
	consumers, err := r.client.XInfoConsumers(ctx, r.cfg.hitsKey(shard), r.group).Result()
	if isNoGroup(err) || isNoKey(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list consumers of shard %d: %w", shard, err)
	}
	var holders []uuid.UUID
	for _, c := range consumers {
		if name, err := uuid.Parse(c.Name); err == nil && c.Pending > 0 && name != r.consumer {
			holders = append(holders, name)
		}
	}
	return holders, nil
}

// Inherit takes over up to limit entries of a shard that a dead consumer had not
// settled, at once: unlike [Reader.Claim] it does not wait for them to grow old. What
// the dead one had stored already are known receipts to the caller. Entries that
// were deleted meanwhile are passed over without a word: XCLAIM does not tell them
// from those that somebody else has just settled.
func (r *Reader) Inherit(ctx context.Context, shard int, dead uuid.UUID, limit int64) ([]Entry, error) {
	if err := r.cfg.checkShard(shard); err != nil {
		return nil, err
	}
	key := r.cfg.hitsKey(shard)
	pending, err := r.client.XPendingExt(ctx, &redis.XPendingExtArgs{
		Stream: key, Group: r.group, Start: "-", End: "+", Count: limit, Consumer: dead.String(),
	}).Result()
	if isNoGroup(err) {
		return nil, nil
	}
	if err != nil || len(pending) == 0 {
		return nil, wrap(err, "list what consumer %s of shard %d held", dead, shard)
	}
	ids := make([]string, len(pending))
	for i, p := range pending {
		ids[i] = p.ID
	}
	messages, err := r.client.XClaim(ctx, &redis.XClaimArgs{
		Stream: key, Group: r.group, Consumer: r.consumer.String(), Messages: ids,
	}).Result()
	if err != nil {
		return nil, fmt.Errorf("inherit from consumer %s of shard %d: %w", dead, shard, err)
	}
	entries, gone := r.entries(shard, messages)
	if err := r.bury(ctx, shard, gone); err != nil {
		return nil, err
	}
	return entries, r.count(ctx, shard, entries)
}

func wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf(format+": %w", append(args, err)...)
}
