package stream

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/touchline/touchline/services/internal/hit"
)

// Writer appends hits to the streams. It is safe for concurrent use.
//
// Calls that arrive while a flush is under way are gathered by a shard that has none and
// sent as one script call, its flush; there is never more than one flush of a shard on its
// way, and while Redis answers in time one of all shards; see turns. Hits are numbered, per
// epoch and shard and without gaps, when their flush is formed.
//
// When the outcome of a flush is not known, because the answer came late or not at
// all, the flush is in doubt. With a spool it goes to disk, its callers are answered,
// and what comes after it goes behind it on disk, until Redis has taken all of that in
// order; see keeper. Without one the shard sends nothing else until it is resolved:
// the same flush, with the same numbers, is sent again until Redis says that it is
// applied, and the script sees to it that this happens once. Its callers do not wait
// so long: each gets [ErrUnavailable] when its own time is up, and later calls get it
// at once, or go to a shard that is not in doubt. So a hit that was acknowledged is
// stored exactly once under its number, one that was not acknowledged may be stored
// or not, and no number is ever skipped or used twice.
//
// An epoch is one run of one writer: two writers with one epoch would lose hits.
type Writer struct {
	cfg    Config
	epoch  uuid.UUID
	shards []*committer
	turns  *turns
	next   atomic.Uint64 // for calls that no shard gathers

	metrics *writerMetrics

	cancel context.CancelFunc // ends committers that are in doubt
	done   sync.WaitGroup     // the committers
	kept   sync.WaitGroup     // the keepers
	hurry  chan struct{}      // closed when the committers have ended
	last   sync.Once          // closes it
}

// NewWriter starts one goroutine per shard, and with a spool one more for it and for
// each log that a former process left; [Writer.Close] ends them. The client should
// come from [NewWriterClient] and stays the caller's to close, after the writer. The
// epoch must be new: uuid.NewV7 for every start.
func NewWriter(client redis.UniversalClient, cfg Config, epoch uuid.UUID) (*Writer, error) {
	return NewWriterTo(NewAppender(client, cfg), cfg, epoch)
}

// NewWriterTo is [NewWriter] with another place for the hits than Redis.
func NewWriterTo(to Appender, cfg Config, epoch uuid.UUID) (*Writer, error) {
	cfg = cfg.withDefaults()
	ctx, cancel := context.WithCancel(context.Background())
	w := &Writer{cfg: cfg, epoch: epoch, turns: newTurns(cfg.turn), cancel: cancel, hurry: make(chan struct{}), metrics: newWriterMetrics(cfg.Registerer)}
	if err := w.inherit(ctx, to); err != nil {
		return nil, errors.Join(err, w.Close(ctx))
	}
	for i := range cfg.Shards {
		c := &committer{
			line: w.line(to, i, epoch), cfg: cfg, metrics: w.metrics, turns: w.turns,
			shard: i, wake: make(chan struct{}, 1), full: make(chan struct{}, 1), closing: make(chan struct{}),
			log: cfg.Logger.With("shard", i, "epoch", epoch.String()),
		}
		if cfg.Spool != nil {
			log, err := cfg.Spool.Log(logName(c.line.epoch, i))
			if err != nil {
				return nil, errors.Join(fmt.Errorf("open the spool of shard %d: %w", i, err), w.Close(ctx))
			}
			c.keeper = newKeeper(c.line, log, w.metrics, w.hurry)
			w.drains(ctx, c.keeper)
		}
		w.shards = append(w.shards, c)
		w.done.Go(func() { c.run(ctx) })
	}
	return w, nil
}

func (w *Writer) line(to Appender, shard int, epoch uuid.UUID) line {
	return line{to: to, cfg: w.cfg, shard: shard, epoch: epoch}
}

// inherit drains what former processes left in the spool, beside the writer's own work.
func (w *Writer) inherit(ctx context.Context, to Appender) error {
	if w.cfg.Spool == nil {
		return nil
	}
	for _, log := range w.cfg.Spool.Logs() {
		epoch, shard, err := parseLogName(log.Name())
		if err != nil {
			return fmt.Errorf("the spool holds something else: %w", err)
		}
		if !log.Empty() {
			w.cfg.Logger.Info("found hits on disk", "epoch", epoch, "shard", shard)
		}
		w.drains(ctx, newKeeper(w.line(to, shard, epoch), log, w.metrics, w.hurry))
	}
	return nil
}

// drains runs a keeper, and removes its log when nobody will append to it again.
func (w *Writer) drains(ctx context.Context, k *keeper) {
	own := k.line.epoch == w.epoch
	w.kept.Go(func() {
		if own {
			k.run(ctx)
		} else {
			k.drain(ctx)
		}
		if k.log.Empty() {
			if err := w.cfg.Spool.Remove(k.log); err != nil {
				k.logger.Warn("remove a drained log", "error", err)
			}
		}
	})
}

// Epoch returns the epoch of the writer's receipts.
func (w *Writer) Epoch() uuid.UUID { return w.epoch }

// Append stores the hits of one call and returns the receipt of the first; the
// others follow it on the same shard with consecutive numbers. It returns nil only
// after Redis has acknowledged all of them or they are on disk, and [ErrUnavailable] when that did not
// happen in time, or ctx ended first; the hits may then be stored all or none.
//
// The receipts are not written into the payload: [Entry.Receipt] has them. Without
// hits nothing happens and the receipt is zero.
func (w *Writer) Append(ctx context.Context, hits []hit.Hit) (hit.Receipt, error) {
	if len(hits) == 0 {
		return hit.Receipt{}, nil
	}
	c, err := newCall(hits)
	if err != nil {
		return hit.Receipt{}, err
	}
	shard := w.pick()
	if !shard.enqueue(c) {
		shard.metrics.unavailable.Add(float64(len(hits)))
		return hit.Receipt{}, fmt.Errorf("append to shard %d: %w", shard.shard, ErrUnavailable)
	}
	late := time.NewTimer(w.patience()) // a context with a deadline takes five times as much
	defer late.Stop()
	select {
	case <-c.done:
	case <-late.C:
		shard.abandon(c)
	case <-ctx.Done():
		shard.abandon(c)
	}
	<-c.done
	if c.first == 0 {
		shard.metrics.unavailable.Add(float64(len(hits)))
		return hit.Receipt{}, fmt.Errorf("append to shard %d: %w", shard.shard, ErrUnavailable)
	}
	return hit.Receipt{Epoch: w.epoch, Shard: shard.shard, Number: c.first}, nil
}

// patience is how long a call waits. A disk has longer: that is where Redis' time has
// already been spent.
func (w *Writer) patience() time.Duration {
	if w.cfg.Spool == nil {
		return w.cfg.Timeout
	}
	return 2*w.cfg.Timeout + w.cfg.disk
}

// diskTime is the default of Config.disk. A guess.
const diskTime = 2 * time.Second

// Ready returns nil when at least one shard takes hits, else [ErrUnavailable].
func (w *Writer) Ready() error {
	for _, c := range w.shards {
		if c.ready() {
			return nil
		}
	}
	return fmt.Errorf("all %d shards wait for redis: %w", len(w.shards), ErrUnavailable)
}

// pick returns the shard that gathers calls for the next flush. Where all are busy or
// full it goes round them, past those in doubt while there are others.
func (w *Writer) pick() *committer {
	n := uint64(len(w.shards))
	start := w.turns.gathering.Load()
	for i := range n {
		if c := w.shards[(start+i)%n]; c.gathers() {
			return c
		}
	}
	start = w.next.Add(1)
	for i := range n {
		if c := w.shards[(start+i)%n]; c.available() {
			return c
		}
	}
	return w.shards[start%n]
}

// Close refuses further calls, waits until everything that was queued is written,
// brings what is on disk to Redis if it answers, and stops; what stays on disk is the
// next start's. When ctx ends first, what is still in doubt is given up: its callers
// get [ErrUnavailable], and so does Close.
func (w *Writer) Close(ctx context.Context) error {
	for _, c := range w.shards {
		c.close()
	}
	drained := make(chan struct{})
	go func() {
		w.done.Wait()
		w.last.Do(func() { close(w.hurry) })
		w.kept.Wait()
		close(drained)
	}()
	defer w.cancel()
	select {
	case <-drained:
		return nil
	case <-ctx.Done():
		w.cancel()
		<-drained
		return fmt.Errorf("close the writer: %w", ErrUnavailable)
	}
}

// call is the hits of one Append on their way.
type call struct {
	fields   []string // account of each hit, "workspace/source/hour"
	payloads []string
	bytes    int

	// Room for the hit of a call that has one, as most have.
	field, payload [1]string

	done  chan struct{} // closed when the outcome stands or nobody waits for it
	first int64         // number of the first hit, 0 when it was not acknowledged; set before done is closed
	ended bool          // done is closed; guarded by the committer's lock
}

// maxEncoder bounds what is kept to encode hits in, in bytes. Most have some hundreds.
const maxEncoder = 32 << 10

// encoders has rooms to encode hits in.
var encoders = sync.Pool{New: func() any { room := make([]byte, 0, 1024); return &room }}

// newCall encodes hits outside of the committer, so that it happens on as many
// cores as there are callers.
func newCall(hits []hit.Hit) (*call, error) {
	c := &call{done: make(chan struct{})}
	c.fields, c.payloads = c.field[:], c.payload[:]
	if len(hits) != 1 {
		c.fields, c.payloads = make([]string, len(hits)), make([]string, len(hits))
	}
	room, _ := encoders.Get().(*[]byte)
	buf := *room
	defer func() {
		if cap(buf) <= maxEncoder {
			*room = buf
			encoders.Put(room)
		}
	}()
	for i := range hits {
		var err error
		if buf, err = hit.Encode(buf[:0], &hits[i]); err != nil {
			return nil, fmt.Errorf("encode hit %d of %d: %w", i+1, len(hits), err)
		}
		c.payloads[i] = string(buf)
		if i > 0 && sameAccount(&hits[i-1], &hits[i]) { // as a rule
			c.fields[i] = c.fields[i-1]
		} else {
			c.fields[i] = account(&hits[i])
		}
		c.bytes += len(c.payloads[i]) + len(c.fields[i])
	}
	return c, nil
}

// account says where the books count a hit.
func account(h *hit.Hit) string {
	var room [100]byte // so that the text is all that is allocated: it is made for every call
	text := append(appendID(room[:0], h.Workspace), '/')
	text = append(appendID(text, h.Fact.Source), '/')
	return string(strconv.AppendInt(text, hourOf(h.Fact.ReceivedAt.Time()), 10))
}

// appendID writes an id as its String does.
func appendID(text []byte, id uuid.UUID) []byte {
	text = hex.AppendEncode(text, id[:4])
	for _, at := range [...][2]int{{4, 6}, {6, 8}, {8, 10}, {10, 16}} {
		text = hex.AppendEncode(append(text, '-'), id[at[0]:at[1]])
	}
	return text
}

// sameAccount reports whether the books count two hits in one place.
func sameAccount(a, b *hit.Hit) bool {
	return a.Workspace == b.Workspace && a.Fact.Source == b.Fact.Source && a.Fact.ReceivedAt == b.Fact.ReceivedAt
}
