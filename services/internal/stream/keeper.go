package stream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/internal/spool"
)

// errRefused says that a flush was neither sent nor kept.
var errRefused = errors.New("neither sent nor kept")

// announceEvery is how often a drain tells the books how much is still on disk.
const announceEvery = 100 * time.Millisecond

// keeper holds the hits of one epoch and shard on disk while Redis does not take
// them, and brings them to Redis in order once it does. While it holds any, new ones
// go behind them, so that a shard's numbers reach Redis in order.
type keeper struct {
	line    line
	log     *spool.Log
	metrics *writerMetrics
	logger  *slog.Logger
	wake    chan struct{} // the log holds something; holds one signal
	hurry   chan struct{} // closed when the writer closes: a drain that fails now ends

	mu      gate
	keeping bool // flushes go to the log; guarded by mu
}

// logName names the log of an epoch and shard.
func logName(epoch uuid.UUID, shard int) string { return epoch.String() + "." + strconv.Itoa(shard) }

// parseLogName is its reverse.
func parseLogName(name string) (epoch uuid.UUID, shard int, err error) {
	text, digits, _ := strings.Cut(name, ".")
	if epoch, err = uuid.Parse(text); err != nil {
		return uuid.Nil, 0, fmt.Errorf("log %s: %w", name, err)
	}
	shard, err = strconv.Atoi(digits)
	if err != nil || shard < 0 {
		return uuid.Nil, 0, fmt.Errorf("log %s: bad shard", name)
	}
	return epoch, shard, nil
}

// newKeeper returns the keeper of a log, which may hold something already.
func newKeeper(l line, log *spool.Log, metrics *writerMetrics, hurry chan struct{}) *keeper {
	k := &keeper{
		line: l, log: log, metrics: metrics, wake: make(chan struct{}, 1), hurry: hurry, keeping: !log.Empty(), mu: make(gate, 1),
		logger: l.cfg.Logger.With("shard", l.shard, "epoch", l.epoch.String()),
	}
	if k.keeping {
		metrics.spooling.Inc()
	}
	k.signal()
	return k
}

// gate is a mutex made of a channel, with room for one. It is held while Redis is
// asked, and simulated time (testing/synctest) goes on only when it sees what everybody
// waits for; of a sync.Mutex it does not.
type gate chan struct{}

// Lock waits until nobody else is inside.
func (g gate) Lock() { g <- struct{}{} }

// Unlock lets the next one in.
func (g gate) Unlock() { <-g }

func (k *keeper) signal() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// begin keeps a flush that Redis did not acknowledge; what comes after it goes behind
// it. Unlike add it does not say errRefused: Redis may have the flush.
func (k *keeper) begin(f flush, cause error) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.log.Append(f.encode()); err != nil {
		k.logger.Error("redis does not acknowledge and the spool takes nothing: hits are refused", "redis", cause, "spool", err)
		return err
	}
	k.logger.Warn("redis does not acknowledge: hits are kept on disk", "error", cause)
	if !k.keeping {
		k.keeping = true
		k.metrics.spooling.Inc()
	}
	k.metrics.spooled.Add(float64(len(f.payloads)))
	k.signal()
	k.line.cfg.Failpoints.Pass("after_keep")
	return nil
}

// add keeps a flush if the log holds something; kept is false when Redis may be asked.
func (k *keeper) add(f flush) (kept bool, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.keeping {
		return false, nil
	}
	if err := k.log.Append(f.encode()); err != nil {
		return false, fmt.Errorf("%w: %w", errRefused, err)
	}
	k.metrics.spooled.Add(float64(len(f.payloads)))
	k.line.cfg.Failpoints.Pass("after_keep")
	return true, nil
}

// rested reports whether the log is empty; then flushes go to Redis again.
func (k *keeper) rested() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.log.Empty() {
		return false
	}
	if k.keeping {
		k.keeping = false
		k.metrics.spooling.Dec()
	}
	return true
}

// run drains whenever the log holds something, until ctx ends; once the writer is
// closing it ends when the log is empty or Redis does not answer.
func (k *keeper) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-k.hurry:
			if k.log.Empty() {
				return
			}
		case <-k.wake:
		}
		if !k.drain(ctx) {
			return
		}
	}
}

// drain brings what the log holds to Redis, in order. It returns false when it gave up,
// and the log keeps the rest.
func (k *keeper) drain(ctx context.Context) bool {
	d := drain{keeper: k}
	for !k.rested() {
		if d.begun && d.finish(ctx) {
			continue
		}
		f, behind, err := d.next()
		if errors.Is(err, io.EOF) { // all that is left of the log is damaged
			d.drop(behind)
			continue
		}
		if err != nil {
			k.logger.Error("read the spool", "error", err)
			if !k.line.cfg.rest(ctx, time.Second) {
				return false
			}
			continue
		}
		if f.last() > d.known {
			if !d.send(ctx, f) {
				return false
			}
			k.line.cfg.Failpoints.Pass("before_drop")
		}
		d.drop(behind)
	}
	if d.hits > 0 {
		k.logger.Info("the spool is drained", "hits", d.hits)
	}
	return true
}

// drain is one time of draining.
type drain struct {
	*keeper
	hits   int   // brought to Redis
	begun  bool  // known is right
	known  int64 // what Redis has is up to here
	silent bool  // the books are not in step: nothing more is announced

	told    int64          // announced up to here
	scanned spool.Position // and looked at up to here
	last    time.Time      // when it was announced
}

// next gathers the oldest records into one flush: of the first only itself, as Redis
// may have it already.
func (d *drain) next() (flush, spool.Position, error) {
	var all flush
	behind := d.log.Start()
	for {
		record, at, err := d.log.Read(behind)
		if err != nil {
			if len(all.payloads) > 0 {
				err = nil // as far as it goes
			} else {
				behind = at
			}
			return all, behind, err
		}
		f, err := decodeFlush(record)
		switch {
		case err != nil:
			d.logger.Error("a record of the spool is unreadable, its hits are lost", "error", err)
			behind = at
			continue
		case len(all.payloads) == 0:
			all = f
		case f.first != all.last()+1, len(all.payloads)+len(f.payloads) > d.line.cfg.MaxEntries, all.bytes()+f.bytes() > d.line.cfg.MaxBytes:
			return all, behind, nil
		default:
			all.fields, all.payloads = append(all.fields, f.fields...), append(all.payloads, f.payloads...)
		}
		behind = at
		if !d.begun {
			return all, behind, nil
		}
	}
}

// send repeats a flush until Redis has it. It returns false when ctx ended, or when
// the writer is closing and Redis does not answer.
func (d *drain) send(ctx context.Context, f flush) bool {
	attempt, pause := d.line.cfg.attempt, backoffFirst
	for {
		if d.begun && time.Since(d.last) >= announceEvery {
			d.announce(ctx)
		}
		err := d.line.append(ctx, f, attempt)
		if err == nil && !d.begun {
			err = d.begin(ctx, f)
		}
		if err == nil {
			d.hits += len(f.payloads)
			d.metrics.drained.Add(float64(len(f.payloads)))
			return true
		}
		d.metrics.retries.Inc()
		select {
		case <-d.hurry:
			d.logger.Warn("hits stay on disk for the next start", "error", err)
			return false
		default:
		}
		if !d.line.cfg.rest(ctx, pause) {
			return false
		}
		attempt, pause = min(2*attempt, attemptMost), min(2*pause, backoffMost)
	}
}

// finish brings the rest of the log to Redis if it is one flush, while new ones wait:
// otherwise there would be one more each time, and the log never empty. It returns
// false when there is more, or Redis does not answer at once.
func (d *drain) finish(ctx context.Context) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	f, behind, err := d.next()
	if err != nil {
		return false
	}
	if _, _, err := d.log.Read(behind); !errors.Is(err, io.EOF) {
		return false
	}
	if f.last() > d.known {
		if err := d.line.append(ctx, f, d.line.cfg.attempt); err != nil {
			return false
		}
		d.hits += len(f.payloads)
		d.metrics.drained.Add(float64(len(f.payloads)))
	}
	d.drop(behind)
	if d.log.Empty() && d.keeping {
		d.keeping = false
		d.metrics.spooling.Dec()
		// What may be kept from here on is in doubt again.
		*d = drain{keeper: d.keeper, hits: d.hits}
	}
	return true
}

// begin finds out what Redis has, once it has the first flush: nothing of this epoch
// is on its way any more then.
func (d *drain) begin(ctx context.Context, f flush) error {
	appended, err := d.line.appended(ctx)
	if err != nil {
		return err
	}
	d.begun, d.known = true, max(appended, f.last())
	d.told, d.scanned = d.known, d.log.Start()
	d.announce(ctx)
	return nil
}

// announce tells the books what is still on disk. That it fails costs nothing but a
// moment in which the books say too little.
func (d *drain) announce(ctx context.Context) {
	d.last = time.Now()
	if d.silent {
		return
	}
	upto, counts, at := d.told, map[string]int64{}, d.scanned
	for {
		record, behind, err := d.log.Read(at)
		if err != nil {
			break
		}
		at = behind
		f, err := decodeFlush(record)
		if err != nil || f.last() <= upto {
			continue
		}
		for _, field := range f.fields {
			counts[field]++
		}
		upto = f.last()
	}
	if len(counts) == 0 {
		d.scanned = at
		return
	}
	told, err := d.line.announce(ctx, d.told+1, upto, counts)
	if err != nil {
		return // it comes again, with more
	}
	d.told, d.scanned, d.silent = upto, at, !told
}

// drop forgets what Redis has.
func (d *drain) drop(until spool.Position) {
	if err := d.log.Drop(until); err != nil {
		d.logger.Error("note how far the spool is drained", "error", err)
	}
}
