package stream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// Claim takes over up to limit entries of a shard that were handed out at least
// minIdle ago and not settled since: their consumer is dead, or slower than
// minIdle, which should be three times the worst time of a batch. Each call goes on
// where the last one ended. Claimed entries may have been stored by their former
// consumer; to the caller they are known receipts then.
func (r *Reader) Claim(ctx context.Context, shard int, minIdle time.Duration, limit int64) ([]Entry, error) {
	if err := r.cfg.checkShard(shard); err != nil {
		return nil, err
	}
	args := &redis.XAutoClaimArgs{
		Stream: r.cfg.hitsKey(shard), Group: r.group, Consumer: r.consumer.String(),
		MinIdle: minIdle, Start: r.cursor(shard).claim, Count: limit,
	}
	messages, next, deleted, err := r.client.XAutoClaimWithDeleted(ctx, args).Result()
	if isNoGroup(err) {
		return nil, r.createGroup(ctx, shard)
	}
	if err != nil {
		return nil, fmt.Errorf("claim from shard %d: %w", shard, err)
	}
	r.move(shard, func(c *cursor) { c.claim = next })
	entries, gone := r.entries(shard, messages)
	if err := r.bury(ctx, shard, append(gone, deleted...)); err != nil {
		return nil, err
	}
	if err := r.count(ctx, shard, entries); err != nil {
		return nil, err
	}
	return entries, nil
}

// count sets how often entries were delivered, which neither XREADGROUP nor
// XAUTOCLAIM say. Only claimed and own pending ones need it, which are few.
func (r *Reader) count(ctx context.Context, shard int, entries []Entry) error {
	if len(entries) == 0 {
		return nil
	}
	pipe := r.client.Pipeline()
	answers := make([]*redis.XPendingExtCmd, len(entries))
	for i, e := range entries {
		answers[i] = pipe.XPendingExt(ctx, &redis.XPendingExtArgs{
			Stream: r.cfg.hitsKey(shard), Group: r.group, Start: e.ID, End: e.ID, Count: 1,
		})
	}
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return fmt.Errorf("count deliveries in shard %d: %w", shard, err)
	}
	for i, a := range answers {
		if rows := a.Val(); len(rows) > 0 {
			entries[i].Deliveries = rows[0].RetryCount
		}
	}
	return nil
}

// Recount sets how often entries that this consumer holds count as delivered, so that
// those that were handed out beside one that kills its worker are not taken for it.
func (r *Reader) Recount(ctx context.Context, shard int, deliveries int64, ids ...string) error {
	if err := r.cfg.checkShard(shard); err != nil || len(ids) == 0 {
		return err
	}
	args := []any{"XCLAIM", r.cfg.hitsKey(shard), r.group, r.consumer.String(), 0}
	for _, id := range ids {
		args = append(args, id)
	}
	args = append(args, "RETRYCOUNT", deliveries, "JUSTID")
	return wrap(r.client.Do(ctx, args...).Err(), "count deliveries in shard %d", shard)
}

// bury counts entries that were deleted before they were settled, and takes them off
// the pending list. Their inflight count stays in the books: the loss remains seen.
func (r *Reader) bury(ctx context.Context, shard int, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	r.lost.Add(int64(len(ids)))
	r.log.Error("entries were deleted before they were stored", "shard", shard, "count", len(ids), "first", ids[0])
	if err := r.client.XAck(ctx, r.cfg.hitsKey(shard), r.group, ids...).Err(); err != nil {
		return fmt.Errorf("acknowledge lost entries of shard %d: %w", shard, err)
	}
	return nil
}

// Forget removes consumers of a shard that are not this one, have nothing pending
// and asked for nothing during idle, and returns how many. A living one that is
// removed by mistake comes back with its next read.
func (r *Reader) Forget(ctx context.Context, shard int, idle time.Duration) (int, error) {
	if err := r.cfg.checkShard(shard); err != nil {
		return 0, err
	}
	key := r.cfg.hitsKey(shard)
	consumers, err := r.client.XInfoConsumers(ctx, key, r.group).Result()
	if isNoGroup(err) || isNoKey(err) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("list consumers of shard %d: %w", shard, err)
	}
	removed := 0
	for _, c := range consumers {
		if c.Name == r.consumer.String() || c.Idle < idle {
			continue
		}
		n, err := r.scripts.forget.Run(ctx, r.client, []string{key}, r.group, c.Name).Int()
		if err != nil {
			return removed, fmt.Errorf("remove consumer %s of shard %d: %w", c.Name, shard, err)
		}
		removed += n
	}
	return removed, nil
}

func isNoKey(err error) bool {
	return err != nil && err.Error() == "ERR no such key"
}
