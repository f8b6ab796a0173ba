package ledger

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/touchline/touchline/services/internal/stream"
)

// Config says how a watch works. Zero values mean the defaults.
type Config struct {
	// Every is the time from one look to the next; default 2 s. A look that takes longer
	// than a tenth of it is followed by a longer rest, of 5 s at most.
	Every time.Duration

	Logger     *slog.Logger          // default slog.Default
	Registerer prometheus.Registerer // default none
}

// Watch looks at the books again and again, beside a worker.
type Watch struct {
	cfg     Config
	sides   Sides
	metrics *watchMetrics

	scans     scans
	imbalance map[string]int64 // of the look before
	pruned    time.Time        // when it was last tried
}

type watchMetrics struct {
	gaps      prometheus.Counter
	open      prometheus.Gauge
	imbalance prometheus.Gauge
	looked    prometheus.Gauge
	rebuilt   prometheus.Counter
}

// NewWatch returns a watch; [Watch.Run] does the work.
func NewWatch(cfg Config, sides Sides) *Watch {
	cfg.Every = cmp.Or(cfg.Every, 2*time.Second)
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	m := &watchMetrics{
		gaps: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "touchline_sequence_gaps_total", Help: "Hits that were found to be lost. Any is an alarm.",
		}),
		open: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "touchline_sequence_gaps_open", Help: "Hits that are lost and were not written off.",
		}),
		imbalance: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "touchline_ledger_imbalance", Help: "Hits by which accepted differs from the sum of the other terms, over all sources. Anything but 0 is an alarm.",
		}),
		rebuilt: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "touchline_ledger_rebuilt_total", Help: "Shards whose books were made anew because Redis came back with older data. Any is an alarm.",
		}),
		looked: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "touchline_ledger_checked_timestamp_seconds", Help: "When the books were last looked at with success.",
		}),
	}
	if cfg.Registerer != nil {
		cfg.Registerer.MustRegister(m.gaps, m.open, m.imbalance, m.looked, m.rebuilt)
	}
	return &Watch{cfg: cfg, sides: sides, metrics: m, scans: scans{shards: map[int]scan{}}, pruned: time.Now()}
}

// maxNamed bounds the gaps that one line of the log names; the table has all.
const maxNamed = 100

// mostRest bounds the rest after a look: a loss is to be known within 10 s.
const mostRest = 5 * time.Second

// pruneEvery is how often marks of the past are looked for.
const pruneEvery = time.Hour

// Run looks at the books until ctx ends, and returns nil. While Redis or Postgres is
// away it goes on trying.
func (w *Watch) Run(ctx context.Context) error {
	for {
		began := time.Now()
		if err := w.look(ctx); err != nil && ctx.Err() == nil {
			w.cfg.Logger.Warn("checking the books", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(max(w.cfg.Every, min(10*time.Since(began), mostRest))):
		}
	}
}

func (w *Watch) look(ctx context.Context) error {
	gaps, err := w.sides.search(ctx, time.Now().UTC(), &w.scans)
	if err != nil {
		return err
	}
	if gaps.Searched {
		w.tell(gaps)
	}
	for _, shard := range gaps.Behind {
		if err := w.rebuild(ctx, shard, "redis lost data: it says of its books less than it did; they are made anew"); err != nil {
			return err
		}
	}
	if time.Since(w.pruned) >= pruneEvery {
		w.pruned = time.Now()
		if _, err := w.sides.Prune(ctx, w.pruned); err != nil {
			return err
		}
	}
	differs, err := w.sides.imbalance(ctx)
	if err != nil {
		return err
	}
	if w.weigh(differs) {
		if err := w.heal(ctx); err != nil {
			return err
		}
	}
	w.metrics.looked.SetToCurrentTime()
	return nil
}

// heal makes those books anew that are of another run of Redis than the one that
// answers. Books that do not balance in the run in which they were begun are a fault of
// ours, which is to be seen.
func (w *Watch) heal(ctx context.Context) error {
	for shard := range w.sides.Probe.Shards() {
		restarted, err := w.sides.Probe.Restarted(ctx, shard)
		if err != nil {
			return err
		}
		if !restarted {
			continue
		}
		if err := w.rebuild(ctx, shard, "the books do not balance since redis restarted: it came back with older data; they are made anew"); err != nil {
			return err
		}
		w.imbalance = nil
	}
	return nil
}

func (w *Watch) rebuild(ctx context.Context, shard int, why string) error {
	w.cfg.Logger.Error(why, "shard", shard)
	if err := w.sides.Rebuild(ctx, shard); err != nil {
		return err
	}
	w.metrics.rebuilt.Inc()
	return nil
}

func (w *Watch) tell(gaps Gaps) {
	w.metrics.open.Set(float64(gaps.Open))
	if len(gaps.Found) > 0 {
		w.metrics.gaps.Add(float64(hits(gaps.Found)))
		w.cfg.Logger.Error("hits were lost: they had reached Redis, and are neither there nor stored",
			"hits", hits(gaps.Found), "receipts", names(gaps.Found))
	}
	if len(gaps.Closed) > 0 {
		w.cfg.Logger.Warn("hits that had been lost are there after all", "hits", hits(gaps.Closed), "receipts", names(gaps.Closed))
	}
}

// weigh shows an imbalance when two looks in a row saw it: one alone may have fallen
// into the moment in which Redis' books are begun anew. It says whether there is one.
func (w *Watch) weigh(differs map[string]int64) bool {
	var sum int64
	for source, by := range differs {
		if w.imbalance[source] == by {
			sum += max(by, -by)
			w.cfg.Logger.Error("the books do not balance", "source", source, "accepted_too_many", by)
		}
	}
	w.imbalance = differs
	w.metrics.imbalance.Set(float64(sum))
	return sum > 0
}

func names(runs []stream.Run) []string {
	all := make([]string, 0, min(len(runs), maxNamed))
	for _, r := range runs[:min(len(runs), maxNamed)] {
		all = append(all, r.String())
	}
	return all
}

// Rebuild makes Redis' books of a shard anew from what is stored and what is in the
// stream, after Redis came back with older data. Entries that were stored are taken out
// of the stream. No batch is committed meanwhile. The gaps still tell what was lost.
func (s Sides) Rebuild(ctx context.Context, shard int) error {
	return s.Pool.RebuildBooks(ctx, shard, func(seed stream.Seed, known stream.Known) error {
		return s.Probe.Rebuild(ctx, shard, seed, known)
	})
}
