package stream

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/touchline/touchline/services/internal/broken"
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
	line    line
	keeper  *keeper // nil: there is no spool
	cfg     Config
	metrics *writerMetrics
	log     *slog.Logger
	shard   int
	turns   *turns // of all shards of the writer

	wake    chan struct{} // something was queued; holds one signal
	full    chan struct{} // a flush could not be larger; holds one signal
	closing chan struct{} // closed by close

	mu      sync.Mutex
	queue   []*call
	queued  int  // bytes in queue
	entries int  // hits in queue
	closed  bool // no more calls
	busy    bool // a flush is under way
	doubt   bool // a flush has been failing for longer than a call waits
	refused bool // the last flush found no place, neither in Redis nor on disk

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
	c.entries += len(one.payloads)
	c.tell()
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
		c.entries -= len(one.payloads)
	}
	one.ended = true
	close(one.done)
}

func (c *committer) available() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.closed && !c.doubt
}

// gathers reports whether a call would go with the next flush of all.
func (c *committer) gathers() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.closed && !c.doubt && !c.busy && c.entries < c.cfg.MaxEntries && c.queued < c.cfg.MaxBytes
}

func (c *committer) ready() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.closed && !c.doubt && !c.refused
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
		if !c.empty() {
			if c.flush(ctx) != nil {
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

// flush commits what is queued when it is this shard's turn. Its error is commit's.
func (c *committer) flush(ctx context.Context) error {
	end := c.turns.take(c.full)
	calls := c.take()
	defer end(len(calls))
	if len(calls) == 0 { // they were abandoned
		return nil
	}
	c.turns.gathering.Store(uint64(c.shard) + 1)
	err := c.commit(ctx, calls)
	c.mu.Lock()
	c.busy = false
	c.mu.Unlock()
	return err
}

func (c *committer) empty() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.queue) == 0
}

// tell says so when what is queued is as much as a flush may have. The lock is held.
func (c *committer) tell() {
	if c.entries < c.cfg.MaxEntries && c.queued < c.cfg.MaxBytes {
		return
	}
	select {
	case c.full <- struct{}{}:
	default:
	}
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
		c.entries -= len(one.payloads)
		n++
	}
	c.busy = n > 0
	select {
	case <-c.full: // it is on its way
	default:
	}
	calls := slices.Clone(c.queue[:n])
	c.queue = slices.Delete(c.queue, 0, n)
	c.tell()
	return calls
}

// commit numbers one flush and places it. It returns an error only when ctx ended
// first; then the outcome stays unknown, and the committer must not send anything
// else under its epoch.
func (c *committer) commit(ctx context.Context, calls []*call) error {
	f := newFlush(c.last+1, calls)
	started := time.Now()
	if broken.Is(broken.AcknowledgeFirst) {
		c.finish(calls, f.first)
	}
	c.cfg.Failpoints.Pass("before_append")
	err := c.place(ctx, f)
	c.mark(errors.Is(err, errRefused))
	switch {
	case errors.Is(err, errRefused): // nothing was sent: the numbers are the next flush's
		c.finish(calls, 0)
		return nil
	case err != nil:
		c.finish(calls, 0)
		c.log.Error("gave up an unacknowledged flush", "first", f.first, "entries", len(f.payloads), "error", err)
		return err
	}
	c.last = f.last()
	c.metrics.observe(len(f.payloads), time.Since(started))
	c.finish(calls, f.first)
	return nil
}

// place makes a flush durable: in Redis, or on disk while Redis is away or has not
// taken yet what is there. errRefused says that it is in neither.
func (c *committer) place(ctx context.Context, f flush) error {
	if c.keeper == nil {
		return c.send(ctx, f)
	}
	if kept, err := c.keeper.add(f); kept || err != nil {
		return err
	}
	err := c.line.append(ctx, f, c.cfg.Timeout)
	if err == nil {
		c.cfg.Failpoints.Pass("after_append")
		return nil
	}
	c.metrics.retries.Inc()
	if full := c.keeper.begin(f, err); full == nil {
		return nil
	}
	// Redis may have it, and the disk does not take it: the numbers are spent, so
	// nothing else can be sent before this is.
	return c.send(ctx, f)
}

// send repeats one flush until it is answered.
func (c *committer) send(ctx context.Context, f flush) error {
	started, attempt, pause := time.Now(), c.cfg.attempt, backoffFirst
	for tries := 1; ; tries++ {
		err := c.line.append(ctx, f, attempt)
		if err == nil {
			c.resolved(tries, time.Since(started))
			return nil
		}
		c.metrics.retries.Inc()
		if time.Since(started) >= c.cfg.Timeout {
			c.doubtful(err)
		}
		if !c.cfg.rest(ctx, pause) {
			return ctx.Err()
		}
		attempt, pause = min(2*attempt, attemptMost), min(2*pause, backoffMost)
	}
}

// jitter is the half of a pause and a random part of the other, so that shards and edges
// do not come back in step.
func jitter(pause time.Duration) time.Duration { return pause/2 + rand.N(pause/2) }

// rest waits as much of a pause as jitter says. It returns false when ctx ended first.
func (c Config) rest(ctx context.Context, pause time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(c.Jitter(pause)):
		return true
	}
}

// mark notes whether the last flush found a place.
func (c *committer) mark(refused bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refused = refused
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
	c.queue, c.queued, c.entries = nil, 0, 0
	c.mu.Unlock()
	c.finish(calls, 0)
}
