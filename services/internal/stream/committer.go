package stream

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// How a flush is tried again. The first attempt's limit leaves a call with the
// default timeout time for a second one; limits grow, so that a slow line gets
// through in the end. Guessed, not tuned.
const (
	attemptFirst = 400 * time.Millisecond
	attemptMost  = 10 * time.Second
	backoffFirst = 10 * time.Millisecond
	backoffMost  = 250 * time.Millisecond
)

// committer owns one shard: its queue and its numbers.
type committer struct {
	client  redis.UniversalClient
	script  *redis.Script
	cfg     Config
	metrics *writerMetrics
	log     *slog.Logger
	shard   int
	epoch   string

	wake    chan struct{} // something was queued; holds one signal
	closing chan struct{} // closed by close

	mu     sync.Mutex
	queue  []*call
	queued int  // bytes in queue
	closed bool // no more calls
	doubt  bool // a flush has been failing for longer than a call waits

	last int64 // last number given out; only run and what it calls touch it
}

// enqueue gives the committer a call, or refuses it.
func (c *committer) enqueue(one *call) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.doubt || (len(c.queue) > 0 && c.queued+one.bytes > c.cfg.MaxQueued) {
		return false
	}
	c.queue = append(c.queue, one)
	c.queued += one.bytes
	select {
	case c.wake <- struct{}{}:
	default:
	}
	return true
}

// abandon ends a call whose caller waits no longer. One that is still queued is
// never sent; one on its way may be stored all the same.
func (c *committer) abandon(one *call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if one.ended {
		return
	}
	if i := slices.Index(c.queue, one); i >= 0 {
		c.queue = slices.Delete(c.queue, i, i+1)
		c.queued -= one.bytes
	}
	one.ended = true
	close(one.done)
}

func (c *committer) available() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.closed && !c.doubt
}

func (c *committer) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.closed = true
		close(c.closing)
	}
}

// run sends flush after flush until the committer is closed and its queue empty,
// or ctx ends.
func (c *committer) run(ctx context.Context) {
	for {
		calls := c.take()
		if len(calls) > 0 {
			if c.commit(ctx, calls) != nil {
				c.refuseQueued()
				return
			}
			continue
		}
		select {
		case <-c.wake:
		case <-c.closing:
			if c.empty() {
				return
			}
		}
	}
}

func (c *committer) empty() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.queue) == 0
}

// take removes the calls of the next flush from the queue: at least one, if there
// is any, and no more than fit.
func (c *committer) take() []*call {
	c.mu.Lock()
	defer c.mu.Unlock()
	entries, bytes, n := 0, 0, 0
	for _, one := range c.queue {
		entries, bytes = entries+len(one.payloads), bytes+one.bytes
		if n > 0 && (entries > c.cfg.MaxEntries || bytes > c.cfg.MaxBytes) {
			break
		}
		c.queued -= one.bytes
		n++
	}
	calls := slices.Clone(c.queue[:n])
	c.queue = slices.Delete(c.queue, 0, n)
	return calls
}

// commit numbers one flush and sends it until Redis has it. It returns an error
// only when ctx ended first; then the outcome stays unknown, and the committer must
// not send anything else under its epoch.
func (c *committer) commit(ctx context.Context, calls []*call) error {
	first := c.last + 1
	args := []any{c.epoch, strconv.FormatInt(first, 10)}
	for _, one := range calls {
		for i := range one.payloads {
			args = append(args, one.fields[i], one.payloads[i])
		}
	}
	entries := (len(args) - 2) / 2
	started := time.Now()
	if err := c.send(ctx, args); err != nil {
		c.finish(calls, 0)
		c.log.Error("gave up an unacknowledged flush", "first", first, "entries", entries, "error", err)
		return err
	}
	c.last += int64(entries)
	c.metrics.observe(entries, time.Since(started))
	c.finish(calls, first)
	return nil
}

// send repeats one script call until it is answered.
func (c *committer) send(ctx context.Context, args []any) error {
	keys := []string{c.cfg.hitsKey(c.shard), c.cfg.booksKey(c.shard)}
	started, attempt, pause := time.Now(), c.cfg.attempt, backoffFirst
	for tries := 1; ; tries++ {
		limited, cancel := context.WithTimeout(ctx, attempt)
		err := c.script.Run(limited, c.client, keys, args...).Err()
		cancel()
		if err == nil {
			c.resolved(tries, time.Since(started))
			return nil
		}
		c.metrics.retries.Inc()
		if time.Since(started) >= c.cfg.Timeout {
			c.doubtful(err)
		}
		// Half of the pause is random, so that shards and edges do not come back in step.
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause/2 + rand.N(pause/2)):
		}
		attempt, pause = min(2*attempt, attemptMost), min(2*pause, backoffMost)
	}
}

// doubtful turns the shard away from callers: the flush has outlasted its own.
func (c *committer) doubtful(cause error) {
	c.mu.Lock()
	news := !c.doubt
	c.doubt = true
	c.mu.Unlock()
	if news {
		c.metrics.doubt.Inc()
		c.log.Error("redis does not acknowledge, hits are refused", "error", cause)
	}
}

// resolved opens the shard again.
func (c *committer) resolved(tries int, took time.Duration) {
	c.mu.Lock()
	news := c.doubt
	c.doubt = false
	c.mu.Unlock()
	if news {
		c.metrics.doubt.Dec()
		c.log.Info("redis acknowledges again", "tries", tries, "took", took)
	}
}

// finish answers the calls of a flush; first 0 means that it was not acknowledged.
func (c *committer) finish(calls []*call, first int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, one := range calls {
		number := first
		if first > 0 {
			first += int64(len(one.payloads))
		}
		if one.ended {
			continue
		}
		one.first, one.ended = number, true
		close(one.done)
	}
}

// refuseQueued ends what never got into a flush.
func (c *committer) refuseQueued() {
	c.mu.Lock()
	calls := c.queue
	c.queue, c.queued = nil, 0
	c.mu.Unlock()
	c.finish(calls, 0)
}
