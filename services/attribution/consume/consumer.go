package consume

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/pprof"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/touchline/touchline/services/attribution/digest"
	"github.com/touchline/touchline/services/attribution/postgres"
	"github.com/touchline/touchline/services/internal/failpoint"
	"github.com/touchline/touchline/services/internal/stream"
)

// Config says how a consumer works. Zero values mean the defaults.
type Config struct {
	Shards     int           // of the streams; default 4
	BatchSize  int           // entries per transaction; default 1,000
	Block      time.Duration // wait for the first entry; default 1 s
	MinIdle    time.Duration // after which a living consumer's entries are taken over; a dead one's are at once; default 60 s
	ClaimEvery time.Duration // how often to look for both after the start; default 1 s
	TxTimeout  time.Duration // bounds one transaction; default 20 s, a third of MinIdle
	StaleAfter time.Duration // age at which any worker settles a committed batch; default 1 s
	FoldAfter  time.Duration // age of the books by which terms are folded; default 10 s
	ChoreEvery time.Duration // how often to settle what others left, and to fold; default 1 s
	TriedMost  int64         // deaths after which an entry is taken to kill workers, from 4; default 6: three may have been other entries' fault, three more while it was tried alone hardly

	// Jitter says how much of a pause is waited, so that workers do not come back in step;
	// default a random half of it to all of it.
	Jitter func(pause time.Duration) time.Duration
	// NewID makes the names under which batches are counted, for several tasks at once;
	// default uuid.New. pprof.Label(ctx, "task") tells which of them asks.
	NewID func(ctx context.Context) uuid.UUID

	Failpoints *failpoint.Points     // default none
	Logger     *slog.Logger          // default slog.Default
	Registerer prometheus.Registerer // default none
}

func (c Config) withDefaults() Config {
	c.Shards = cmp.Or(c.Shards, 4)
	c.BatchSize = cmp.Or(c.BatchSize, 1000)
	c.Block = cmp.Or(c.Block, time.Second)
	c.MinIdle = cmp.Or(c.MinIdle, time.Minute)
	c.ClaimEvery = cmp.Or(c.ClaimEvery, time.Second)
	c.TxTimeout = cmp.Or(c.TxTimeout, 20*time.Second)
	c.StaleAfter = cmp.Or(c.StaleAfter, time.Second)
	c.FoldAfter = cmp.Or(c.FoldAfter, 10*time.Second)
	c.ChoreEvery = cmp.Or(c.ChoreEvery, time.Second)
	if c.Jitter == nil {
		c.Jitter = jitter
	}
	if c.NewID == nil {
		c.NewID = func(context.Context) uuid.UUID { return uuid.New() }
	}
	c.TriedMost = max(cmp.Or(c.TriedMost, 6), aloneFrom)
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c
}

// Parts are what a consumer works with.
type Parts struct {
	Reader  Reader
	Books   func(ctx context.Context) ([]stream.ShardBooks, error) // [stream.ReadBooks]
	Store   Store
	Digests *digest.Ring
	// Signal is called after a batch that left something to conclude in workspace. It
	// must not block.
	Signal func(workspace uuid.UUID)
}

// Consumer stores what the streams bring. Any number of them work beside each other.
type Consumer struct {
	cfg     Config
	parts   Parts
	log     *slog.Logger
	metrics *metrics
	alone   chan struct{} // has room for one: one suspect is tried at a time: of two at work in one process, neither would know whose fault its end was
}

// New returns a consumer; [Consumer.Run] does the work.
func New(cfg Config, parts Parts) *Consumer {
	cfg = cfg.withDefaults()
	if parts.Signal == nil {
		parts.Signal = func(uuid.UUID) {}
	}
	return &Consumer{cfg: cfg, parts: parts, log: cfg.Logger, metrics: newMetrics(cfg.Registerer), alone: make(chan struct{}, 1)}
}

// Run works until ctx ends, then finishes the batches at hand and returns nil. While
// Redis or Postgres is away it waits and tries again; nothing is acknowledged
// meanwhile. Beside the shards it settles what others left behind and folds the
// ledger. Each of these tasks is named in CPU profiles by the label "task".
func (c *Consumer) Run(ctx context.Context) error {
	var group sync.WaitGroup
	defer group.Wait()
	alive := make(chan struct{})
	begin := func(task string, run func(context.Context)) {
		group.Go(func() { pprof.Do(ctx, pprof.Labels("task", task), run) })
	}
	begin("live", func(ctx context.Context) {
		c.parts.Store.KeepAlive(ctx, c.parts.Reader.Consumer(), sync.OnceFunc(func() { close(alive) }))
	})
	select {
	case <-ctx.Done():
		return nil
	case <-alive: // before the first entry is ours
	}
	for shard := range c.cfg.Shards {
		begin(fmt.Sprint("consume ", shard), newLane(c, shard).run)
	}
	begin("chores", c.chores)
	return nil
}

// lane is one shard's work.
type lane struct {
	*Consumer
	shard   int
	name    name // of the next batch
	claimed time.Time
	stored  time.Time      // when the last batch was
	settled []stream.Batch // whose rows go with the next batch's transaction
}

// newLane begins without a time of claiming, so that what a dead worker left comes
// first: workers that each die young would otherwise leave it to each other for ever.
func newLane(c *Consumer, shard int) *lane {
	return &lane{Consumer: c, shard: shard}
}

// rename begins a new row of batches: the number of the last one may be taken.
func (l *lane) rename(ctx context.Context) {
	l.name = name{consumer: l.cfg.NewID(ctx), shard: l.shard, number: 1}
}

func (l *lane) run(ctx context.Context) {
	defer l.tidy(context.WithoutCancel(ctx))
	b := l.backoff()
	for ctx.Err() == nil {
		entries, err := l.next(ctx)
		if err != nil {
			if ctx.Err() == nil {
				l.log.Warn("reading from the stream", "shard", l.shard, "error", err)
			}
			b.wait(ctx)
			continue
		}
		b = l.backoff()
		if len(entries) > 0 {
			l.cfg.Failpoints.Pass("after_read")
			l.consume(ctx, entries)
		}
	}
}

// next returns entries to store: at first, and every ClaimEvery, those that other
// consumers had and did not settle, else new ones.
func (l *lane) next(ctx context.Context) ([]stream.Entry, error) {
	if time.Since(l.claimed) >= l.cfg.ClaimEvery {
		entries, err := l.takeOver(ctx)
		if err != nil {
			return nil, err
		}
		if len(entries) > 0 {
			l.log.Info("took over entries", "shard", l.shard, "count", len(entries))
			l.cfg.Failpoints.Pass("after_claim")
			return entries, nil // and look for more next time
		}
		l.claimed = time.Now()
	}
	if len(l.settled) > 0 {
		entries, err := l.parts.Reader.Read(ctx, l.shard, int64(l.cfg.BatchSize), 0)
		if err != nil || len(entries) > 0 {
			return entries, err
		}
		l.tidy(ctx)
	}
	return l.parts.Reader.Read(ctx, l.shard, int64(l.cfg.BatchSize), l.cfg.Block)
}

// tidy deletes the rows of settled batches for which no next batch came.
func (l *lane) tidy(ctx context.Context) {
	if len(l.settled) == 0 {
		return
	}
	work, cancel := context.WithTimeout(ctx, l.cfg.TxTimeout)
	defer cancel()
	l.forget(work, l.settled)
	l.settled = nil
}

// takeMost is how many entries are taken over at a time: should they kill this worker too,
// so many more are under suspicion, and not all that waited.
const takeMost = 100

// takeOver returns entries that a dead consumer held, else those that a living one
// has held for too long: it may hang. That may be this one: what Redis hands out after
// its answer was given up, or what had to wait, nobody else may be there to take.
func (l *lane) takeOver(ctx context.Context) ([]stream.Entry, error) {
	most := int64(min(l.cfg.BatchSize, takeMost))
	holders, err := l.parts.Reader.Holders(ctx, l.shard)
	if err != nil {
		return nil, err
	}
	var dead []uuid.UUID
	if len(holders) > 0 {
		if dead, err = l.parts.Store.Dead(ctx, holders); err != nil {
			return nil, err
		}
	}
	for _, d := range dead {
		entries, err := l.parts.Reader.Inherit(ctx, l.shard, d, most)
		if err != nil || len(entries) > 0 {
			return entries, err
		}
	}
	return l.parts.Reader.Claim(ctx, l.shard, l.cfg.MinIdle, most)
}

// consume decodes entries and stores them. Those that were delivered so often that one
// of them may kill its worker are tried after the others, alone each.
func (l *lane) consume(ctx context.Context, entries []stream.Entry) {
	var items []*item
	var suspects []stream.Entry
	for _, e := range entries {
		if e.Deliveries >= aloneFrom {
			suspects = append(suspects, e)
			continue
		}
		l.cfg.Failpoints.Meet("decode", e.Payload)
		items = append(items, newItem(e, l.parts.Digests))
	}
	l.absolve(ctx, suspects...)
	if len(items) > 0 {
		l.persist(ctx, items)
	}
	for _, e := range suspects {
		l.try(ctx, e)
	}
}

// aloneFrom is the delivery from which on an entry is tried alone: the deaths before may
// have been the fault of others in its batch. aloneStep is what a death while it was alone
// counts, so that it differs from one between its being handed out and its being tried.
const (
	aloneFrom = 4
	aloneStep = 1000
)

// try stores one entry alone. While it is at work the entry counts as delivered once
// more than before: only a worker that ends meanwhile leaves it so.
func (l *lane) try(ctx context.Context, e stream.Entry) {
	l.alone <- struct{}{}
	defer func() { <-l.alone }()
	if e.Deliveries/aloneStep > l.cfg.TriedMost-aloneFrom {
		l.log.Error("quarantined an entry that kills workers", "shard", l.shard, "entry", e.ID, "deliveries", e.Deliveries)
		l.persist(ctx, []*item{deadlyItem(e)})
		return
	}
	if err := l.parts.Reader.Recount(ctx, l.shard, e.Deliveries-1+aloneStep, e.ID); err != nil {
		l.log.Warn("an entry that may kill workers waits", "shard", l.shard, "entry", e.ID, "error", err)
		return // it stays pending, and is taken over again
	}
	l.cfg.Failpoints.Meet("decode", e.Payload)
	one := newItem(e, l.parts.Digests)
	if err := l.attempt(ctx, []*item{one}); err == nil {
		return
	}
	// Whatever it was, the worker lives.
	l.rename(ctx)
	l.absolve(ctx, e)
	l.persist(ctx, []*item{one})
}

// absolve takes the delivery under way off the count of entries.
func (l *lane) absolve(ctx context.Context, entries ...stream.Entry) {
	for _, e := range entries {
		if err := l.parts.Reader.Recount(ctx, l.shard, e.Deliveries-1, e.ID); err != nil {
			l.log.Warn("an entry counts as delivered once too often", "shard", l.shard, "entry", e.ID, "error", err)
		}
	}
}

// persist stores items in one batch or, when the database refuses their values, in
// halves: at the end the one that is to blame goes into quarantine and the others
// are stored. It returns when they are stored or ctx has ended.
func (l *lane) persist(ctx context.Context, items []*item) {
	b := l.backoff()
	for {
		err := l.attempt(ctx, items)
		if err == nil {
			return
		}
		l.rename(ctx)
		if errors.Is(err, postgres.ErrRefused) && len(items) > 1 {
			half := len(items) / 2
			l.persist(ctx, items[:half])
			l.persist(ctx, items[half:])
			return
		}
		if errors.Is(err, postgres.ErrRefused) && l.blame(items[0], err) {
			continue
		}
		if ctx.Err() != nil {
			return
		}
		l.log.Warn("storing a batch", "shard", l.shard, "entries", len(items), "error", err)
		b.wait(ctx)
	}
}

// blame turns the one item that the database refuses into one it cannot refuse. It
// returns false when there is nothing left to leave out.
func (l *lane) blame(i *item, cause error) bool {
	first := i.refused == nil
	if !first && i.refused.raw == nil {
		return false
	}
	detail := refusedDetail(cause)
	i.refuse(reasonUnstorable, detail)
	if !first {
		i.refused.raw, i.receivedAt = nil, within(i.entry, entryTime(i.entry.ID))
	}
	l.log.Warn("quarantined an entry that cannot be stored", "shard", l.shard, "entry", i.entry.ID, "detail", detail)
	return true
}

// refusedDetail says why the database refuses values.
func refusedDetail(cause error) string {
	detail := "the database refuses it"
	var refused *postgres.RefusedError
	if errors.As(cause, &refused) {
		detail += ": SQLSTATE " + refused.State // not its message, which may quote personal data
	}
	return detail
}

// renameAfter is after how long an idle lane takes a new name: after twice that time the
// books may have forgotten the old one.
const renameAfter = 12 * time.Hour

// attempt stores items as the next batch and settles it. After an error nothing is
// certain: the batch may have been committed all the same.
func (l *lane) attempt(ctx context.Context, items []*item) error {
	begin := time.Now()
	if begin.Sub(l.stored) > renameAfter {
		l.rename(ctx)
	}
	// A stop must not cut a transaction in two; its own bound still holds.
	work, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.cfg.TxTimeout)
	defer cancel()
	did, err := place{store: l.parts.Store, seal: l.parts.Digests, points: l.cfg.Failpoints, settled: l.settled}.write(work, l.name, items)
	l.settled = nil // also after an error: it may be their fault, and the chores delete them too
	if err != nil {
		return err
	}
	l.cfg.Failpoints.Pass("after_commit")
	l.metrics.stored(did, time.Since(begin))
	if len(did.batch.Entries) > 0 {
		l.name.number++
		l.stored = time.Now()
		l.settle(ctx, did.batch)
	}
	for _, workspace := range did.touched {
		l.parts.Signal(workspace)
	}
	return nil
}

// settle takes the entries of a committed batch out of Redis, then its row out of
// the database. When ctx ends first, another worker does it.
func (l *lane) settle(ctx context.Context, batch stream.Batch) {
	b := l.backoff()
	settle := l.settleNow
	for {
		work, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.cfg.TxTimeout)
		err := settle(work, batch)
		cancel()
		if err == nil {
			return
		}
		settle = l.settleAgain
		if errors.Is(err, stream.ErrOrder) {
			// Redis has forgotten the batches before: its data is gone, and this batch's
			// entries with it.
			l.log.Error("Redis lost the settled batches of this consumer; going on as a new one", "shard", l.shard, "error", err)
			l.rename(ctx)
			return
		}
		if ctx.Err() != nil {
			return
		}
		l.log.Warn("settling a batch", "shard", l.shard, "error", err)
		b.wait(ctx)
	}
}

// settleNow settles a batch that was committed just now.
func (l *lane) settleNow(ctx context.Context, batch stream.Batch) error {
	if err := l.parts.Reader.Settle(ctx, batch); err != nil {
		return err
	}
	l.cfg.Failpoints.Pass("after_settle")
	l.settled = append(l.settled, batch)
	if len(batch.Entries) < l.cfg.BatchSize {
		l.tidy(ctx) // the next batch may be long in coming
	}
	return nil
}

// jitter is the half of a pause and a random part of the other.
func jitter(pause time.Duration) time.Duration { return pause/2 + rand.N(pause/2) }

// backoff waits longer each time: 50 ms doubled up to 5 s, as far as jitter goes.
type backoff struct {
	jitter func(time.Duration) time.Duration
	tries  int
}

func (c *Consumer) backoff() backoff { return backoff{jitter: c.cfg.Jitter} }

func (b *backoff) wait(ctx context.Context) {
	limit := min(50*time.Millisecond<<min(b.tries, 10), 5*time.Second)
	b.tries++
	select {
	case <-ctx.Done():
	case <-time.After(b.jitter(limit)):
	}
}
