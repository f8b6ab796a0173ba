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
	// than a tenth of it, because the streams are long, is followed by a longer rest, so
	// that it never takes more than a tenth of anybody's time.
	Every time.Duration

	Logger     *slog.Logger          // default slog.Default
	Registerer prometheus.Registerer // default none
}

// Watch looks at the books again and again, beside a worker.
type Watch struct {
	cfg     Config
	sides   Sides
	metrics *watchMetrics

	imbalance map[string]int64 // of the look before
}

type watchMetrics struct {
	gaps      prometheus.Counter
	open      prometheus.Gauge
	imbalance prometheus.Gauge
	looked    prometheus.Gauge
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
		looked: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "touchline_ledger_checked_timestamp_seconds", Help: "When the books were last looked at with success.",
		}),
	}
	if cfg.Registerer != nil {
		cfg.Registerer.MustRegister(m.gaps, m.open, m.imbalance, m.looked)
	}
	return &Watch{cfg: cfg, sides: sides, metrics: m}
}

// maxNamed bounds the gaps that one line of the log names; the table has all.
const maxNamed = 100

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
		case <-time.After(max(w.cfg.Every, 10*time.Since(began))):
		}
	}
}

func (w *Watch) look(ctx context.Context) error {
	gaps, err := w.sides.Search(ctx, time.Now().UTC())
	if err != nil {
		return err
	}
	if gaps.Searched {
		w.tell(gaps)
	}
	differs, err := w.sides.imbalance(ctx)
	if err != nil {
		return err
	}
	w.weigh(differs)
	w.metrics.looked.SetToCurrentTime()
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
// into the moment in which Redis' books are begun anew.
func (w *Watch) weigh(differs map[string]int64) {
	var sum int64
	for source, by := range differs {
		if w.imbalance[source] == by {
			sum += max(by, -by)
			w.cfg.Logger.Error("the books do not balance", "source", source, "accepted_too_many", by)
		}
	}
	w.imbalance = differs
	w.metrics.imbalance.Set(float64(sum))
}

func names(runs []stream.Run) []string {
	all := make([]string, 0, min(len(runs), maxNamed))
	for _, r := range runs[:min(len(runs), maxNamed)] {
		all = append(all, r.String())
	}
	return all
}
