// Package stream carries hits from the tracking edge to the attribution worker:
// sharded Redis streams with one consumer group, and the books that count what
// is in them.
//
// A [Writer] appends hits and returns when Redis has acknowledged them. A
// [Reader] hands entries to a worker, which stores them and then calls
// [Reader.Settle]; only that removes them. Nothing here ever trims a stream: an
// entry leaves it when a batch that contains it has been settled, never before.
//
// The keys of a shard share a hash tag so that scripts may touch all of them on a
// Redis Cluster:
//
//	{prefix:shard}:hits   the stream; fields n number, e epoch, w "workspace/source",
//	                      t hour of receipt (hours since 1970, UTC), h payload
//	{prefix:shard}:books  a hash:
//	    epoch:<epoch>         largest number appended by that epoch
//	    accepted:<ws>/<src>   hits ever appended
//	    inflight:<ws>/<src>   hits in the stream
//	    announced:<epoch>     largest number that epoch told of before appending it
//	    spooled:<ws>/<src>    hits told of and not appended yet: they are on an edge's disk
//	    settled:<consumer>    number of that consumer's last settled batch
//	    begun                 1: they were begun from the ledger
//	    run:<run_id>          1: of Redis, when they were begun or made anew
//	    life                  time in milliseconds; entries of before are not counted here:
//	                          Redis lost its data since
//	    jumped                how often an epoch's numbers left some out, since they were begun
//	    hours                 first hour of which all hits are counted by hour
//	{prefix:shard}:hours  the set of the workspaces that have the next:
//	{prefix:shard}:hours:<ws>  a hash, what the books count by hour of receipt:
//	    accepted:<src>/<hour> hits ever appended or told of; of the last two days
//	    inflight:<src>/<hour> hits in the stream
//	    spooled:<src>/<hour>  hits told of and not appended yet
//	{prefix:shard}:settled     a sorted set: consumer, when it settled last (s since 1970)
//
// Only commands of Redis 7.0 are used, and only those that miniredis has too.
package stream

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/touchline/touchline/services/internal/failpoint"
	"github.com/touchline/touchline/services/internal/spool"
)

// The errors that callers branch on.
var (
	// ErrUnavailable says that Redis did not acknowledge in time. The hits of the
	// call may be stored or not; the sender should send them again.
	ErrUnavailable = errors.New("stream unavailable")
	// ErrOrder says that a batch cannot be settled because the one before it is not,
	// which happens when Redis lost its data. A worker goes on as a new consumer.
	ErrOrder = errors.New("batch out of order")
	// ErrNoConfig says that Redis does not answer CONFIG GET, as an embedded or
	// a managed one, so that [Check] can say nothing.
	ErrNoConfig = errors.New("redis refuses CONFIG GET")
	// ErrEvicts says that Redis may drop entries by itself.
	ErrEvicts = errors.New("redis throws hits away")
)

// Config says where the streams are and how patient a writer is. Zero values
// mean the defaults.
type Config struct {
	Prefix string // of the keys; default "touchline"
	Shards int    // number of streams; default 4; never less than it has been

	// Timeout is how long one Append waits for Redis; default 1 s. With a Spool it is
	// how long a flush waits for Redis before it goes to disk.
	Timeout time.Duration
	// Spool keeps what Redis does not acknowledge in time; default nil, which refuses
	// it. What former processes left in it is appended first of all. It stays the
	// caller's to close, after the writer.
	Spool *spool.Spool
	// MaxEntries and MaxBytes bound one flush; default 500 and 1 MiB. A single
	// call that is larger is flushed alone.
	MaxEntries, MaxBytes int
	// MaxQueued bounds the bytes that wait in one shard for the next flush;
	// default 16 MiB. Over it Append returns ErrUnavailable at once.
	MaxQueued int

	// Recover lets a reader begin books that Redis has lost; default nil, which
	// leaves them empty.
	Recover Recover

	// Jitter says how much of a pause is waited; default a random half of it to all of it.
	Jitter func(pause time.Duration) time.Duration

	Failpoints *failpoint.Points     // of a writer; default none
	Logger     *slog.Logger          // default slog.Default
	Registerer prometheus.Registerer // default none

	attempt time.Duration // limit of a flush's first attempt; tests shorten it
	turn    time.Duration // how long a flush keeps others waiting; tests lengthen it
	disk    time.Duration // how long a disk may take for one flush; tests lengthen it
}

// withDefaults fills what is zero. The flush bounds were guessed from Redis'
// speed (about 1 ms for 500 entries), not tuned.
func (c Config) withDefaults() Config {
	c.Prefix = cmp.Or(c.Prefix, "touchline")
	c.Shards = cmp.Or(c.Shards, 4)
	c.Timeout = cmp.Or(c.Timeout, time.Second)
	c.MaxEntries = cmp.Or(c.MaxEntries, 500)
	c.MaxBytes = cmp.Or(c.MaxBytes, 1<<20)
	c.MaxQueued = cmp.Or(c.MaxQueued, 16<<20)
	c.attempt = cmp.Or(c.attempt, attemptFirst)
	c.turn = cmp.Or(c.turn, turnTime)
	c.disk = cmp.Or(c.disk, diskTime)
	if c.Jitter == nil {
		c.Jitter = jitter
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c
}

// hitsKey is the stream of a shard.
func (c Config) hitsKey(shard int) string {
	return "{" + c.Prefix + ":" + strconv.Itoa(shard) + "}:hits"
}

// booksKey is the books of a shard.
func (c Config) booksKey(shard int) string {
	return "{" + c.Prefix + ":" + strconv.Itoa(shard) + "}:books"
}

// hoursKey is the set of workspaces that count by hour, and the beginning of their keys.
func (c Config) hoursKey(shard int) string {
	return "{" + c.Prefix + ":" + strconv.Itoa(shard) + "}:hours"
}

// settledKey says when the consumers of a shard settled last.
func (c Config) settledKey(shard int) string {
	return "{" + c.Prefix + ":" + strconv.Itoa(shard) + "}:settled"
}

// checkShard reports a shard that does not exist.
func (c Config) checkShard(shard int) error {
	if shard < 0 || shard >= c.Shards {
		return fmt.Errorf("shard %d of %d", shard, c.Shards)
	}
	return nil
}
