package stream

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
)

// ShardBooks is what the books of one shard said at one instant.
type ShardBooks struct {
	Shard    int
	Accepted map[string]int64    // by "workspace/source": ever acknowledged, as far as Redis was told
	InFlight map[string]int64    // by "workspace/source": in the stream
	Spooled  map[string]int64    // by "workspace/source": acknowledged and still on the disk of an edge
	Settled  map[uuid.UUID]int64 // by consumer: its last settled batch

	Appended  map[uuid.UUID]int64 // by epoch: the largest number that was appended
	Announced map[uuid.UUID]int64 // by epoch: the largest number that its edge told of before appending it

	// Jumped is how often what an edge appended did not follow on what it had appended
	// before: Redis lost data and the books are wrong, or a mark was pruned too early.
	Jumped int64
}

// ReadBooks returns the books of all shards, in their order. Each shard's are of one
// instant; those of two shards may not be. The maps are never nil.
func ReadBooks(ctx context.Context, client redis.UniversalClient, cfg Config) ([]ShardBooks, error) {
	cfg = cfg.withDefaults()
	pipe := client.Pipeline()
	answers := make([]*redis.MapStringStringCmd, cfg.Shards)
	for i := range answers {
		answers[i] = pipe.HGetAll(ctx, cfg.booksKey(i))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, fmt.Errorf("read the books: %w", err)
	}
	books := make([]ShardBooks, cfg.Shards)
	for i, a := range answers {
		one, err := newShardBooks(i, a.Val())
		if err != nil {
			return nil, fmt.Errorf("read the books of shard %d: %w", i, err)
		}
		books[i] = one
	}
	return books, nil
}

func newShardBooks(shard int, fields map[string]string) (ShardBooks, error) {
	b := ShardBooks{
		Shard: shard, Accepted: map[string]int64{}, InFlight: map[string]int64{}, Spooled: map[string]int64{}, Settled: map[uuid.UUID]int64{},
		Appended: map[uuid.UUID]int64{}, Announced: map[uuid.UUID]int64{},
	}
	marks := map[string]map[uuid.UUID]int64{"settled": b.Settled, "epoch": b.Appended, "announced": b.Announced}
	for name, text := range fields {
		kind, rest, _ := strings.Cut(name, ":")
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return b, fmt.Errorf("field %s: %w", name, err)
		}
		switch kind {
		case "accepted":
			b.Accepted[rest] = n
		case "inflight":
			b.InFlight[rest] = n
		case "spooled":
			b.Spooled[rest] = n
		case "jumped":
			b.Jumped = n
		case "settled", "epoch", "announced":
			id, err := uuid.Parse(rest)
			if err != nil {
				return b, fmt.Errorf("field %s: %w", name, err)
			}
			marks[kind][id] = n
		}
	}
	return b, nil
}

// Lag says how far the workers are behind in one shard.
type Lag struct {
	Oldest time.Duration // age of the oldest entry that is not settled; 0 when there is none
	Length int64         // entries that are not settled
}

// Oldest measures the lag of a shard. XINFO's own figure is wrong after deletions;
// this one counts what is there, by the clock of the Redis server alone. A server
// whose clock was set back reports ages that are too small, never negative ones.
func (r *Reader) Oldest(ctx context.Context, shard int) (Lag, error) {
	if err := r.cfg.checkShard(shard); err != nil {
		return Lag{}, err
	}
	answer, err := r.scripts.lag.Run(ctx, r.client, []string{r.cfg.hitsKey(shard)}).Slice()
	if err != nil {
		return Lag{}, fmt.Errorf("measure the lag of shard %d: %w", shard, err)
	}
	if len(answer) != 3 {
		return Lag{}, fmt.Errorf("measure the lag of shard %d: %d values", shard, len(answer))
	}
	length, _ := answer[0].(int64)
	id, _ := answer[1].(string)
	now, _ := answer[2].(string)
	return Lag{Oldest: age(id, now), Length: length}, nil
}

// age is the time between a stream id and a time of the server, both milliseconds.
func age(id, now string) time.Duration {
	stamp, _, _ := strings.Cut(id, "-")
	from, err := strconv.ParseInt(stamp, 10, 64)
	until, err2 := strconv.ParseInt(now, 10, 64)
	if err != nil || err2 != nil || until < from {
		return 0
	}
	return time.Duration(until-from) * time.Millisecond
}
