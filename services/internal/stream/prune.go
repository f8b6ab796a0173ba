package stream

import (
	"context"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
)

// Idle returns the consumers of a shard that settled nothing since the given time. What
// never said when it did counts as having done so now.
func (p *Probe) Idle(ctx context.Context, books ShardBooks, since, now time.Time) ([]uuid.UUID, error) {
	key := p.cfg.settledKey(books.Shard)
	members := make([]redis.Z, 0, len(books.Settled))
	for consumer := range books.Settled {
		members = append(members, redis.Z{Score: float64(now.Unix()), Member: consumer.String()})
	}
	if len(members) == 0 {
		return nil, nil
	}
	if err := p.client.ZAddNX(ctx, key, members...).Err(); err != nil {
		return nil, wrap(err, "note the consumers of shard %d", books.Shard)
	}
	names, err := p.client.ZRangeByScore(ctx, key, &redis.ZRangeBy{Min: "-inf", Max: strconv.FormatInt(since.Unix(), 10)}).Result()
	if err != nil {
		return nil, wrap(err, "list the idle consumers of shard %d", books.Shard)
	}
	var idle []uuid.UUID
	for _, name := range names {
		if id, err := uuid.Parse(name); err == nil {
			idle = append(idle, id)
		}
	}
	return idle, nil
}

// Prune removes marks from the books of a shard: those of epochs that will append nothing
// more and of consumers that will settle nothing more. A mark that says something else
// now than in books stays. It returns how many were removed.
func (p *Probe) Prune(ctx context.Context, books ShardBooks, epochs, consumers []uuid.UUID) (int, error) {
	var args []any
	for _, epoch := range epochs {
		if n, there := books.Appended[epoch]; there && books.Announced[epoch] == 0 {
			args = append(args, "epoch:"+epoch.String(), n)
		}
	}
	for _, consumer := range consumers {
		if n, there := books.Settled[consumer]; there {
			args = append(args, "settled:"+consumer.String(), n)
		}
	}
	if len(args) == 0 {
		return 0, nil
	}
	n, err := p.scripts.prune.Run(ctx, p.client, []string{p.cfg.booksKey(books.Shard), p.cfg.settledKey(books.Shard)}, args...).Int()
	return n, wrap(err, "prune the books of shard %d", books.Shard)
}
