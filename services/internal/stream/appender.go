package stream

import (
	"context"
	"errors"
	"strconv"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
)

// Appender is where a writer's hits go: Redis, or a stream in memory. After an error of
// any method what was asked for may have been done or not, or be done later. Safe for
// concurrent use.
type Appender interface {
	// Append stores a run of hits, each with its account "workspace/source/hour" and payload,
	// and counts them in the books, exactly once however often and however late it is
	// asked: what is at or below the largest number of the run's epoch and shard is
	// there already.
	Append(ctx context.Context, run Run, fields, payloads []string) error
	// Appended returns the largest number that was appended; 0 when none was.
	Appended(ctx context.Context, epoch uuid.UUID, shard int) (int64, error)
	// Announce tells the books of hits, counted by field, that will be appended later.
	// told is false, and nothing was changed, when the run does not follow what was
	// appended or announced before.
	Announce(ctx context.Context, run Run, counts map[string]int64) (told bool, err error)
}

// redisAppender is the [Appender] of a client.
type redisAppender struct {
	client  redis.UniversalClient
	scripts scripts
	cfg     Config
}

// NewAppender returns the appender of a Redis. The client should come from
// [NewWriterClient].
func NewAppender(client redis.UniversalClient, cfg Config) Appender {
	return redisAppender{client: client, scripts: newScripts(), cfg: cfg.withDefaults()}
}

// Append implements [Appender].
func (a redisAppender) Append(ctx context.Context, run Run, fields, payloads []string) error {
	args := make([]any, 0, 2+2*len(payloads))
	args = append(args, run.Epoch.String(), strconv.FormatInt(run.First, 10))
	for i := range payloads {
		field := fields[i]
		if i > 0 && field == fields[i-1] { // as a rule
			field = ""
		}
		args = append(args, field, payloads[i])
	}
	keys := []string{a.cfg.hitsKey(run.Shard), a.cfg.booksKey(run.Shard), a.cfg.hoursKey(run.Shard)}
	return a.scripts.appendHits.Run(ctx, a.client, keys, args...).Err()
}

// Appended implements [Appender].
func (a redisAppender) Appended(ctx context.Context, epoch uuid.UUID, shard int) (int64, error) {
	n, err := a.client.HGet(ctx, a.cfg.booksKey(shard), "epoch:"+epoch.String()).Int64()
	if errors.Is(err, redis.Nil) {
		return 0, nil
	}
	return n, err
}

// Announce implements [Appender].
func (a redisAppender) Announce(ctx context.Context, run Run, counts map[string]int64) (told bool, err error) {
	args := make([]any, 0, 3+2*len(counts))
	args = append(args, run.Epoch.String(), strconv.FormatInt(run.First, 10), strconv.FormatInt(run.Last, 10))
	for field, n := range counts {
		args = append(args, field, n)
	}
	answer, err := a.scripts.announce.Run(ctx, a.client, []string{a.cfg.booksKey(run.Shard), a.cfg.hoursKey(run.Shard)}, args...).Int()
	return answer == 1, err
}
