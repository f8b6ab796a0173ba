package stream

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// writerMetrics is what a writer counts.
type writerMetrics struct {
	entries     prometheus.Histogram
	seconds     prometheus.Histogram
	retries     prometheus.Counter
	unavailable prometheus.Counter
	doubt       prometheus.Gauge
	spooling    prometheus.Gauge
	spooled     prometheus.Counter
	drained     prometheus.Counter
}

// newWriterMetrics registers with r unless it is nil.
func newWriterMetrics(r prometheus.Registerer) *writerMetrics {
	m := &writerMetrics{
		entries: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "touchline_stream_flush_entries", Help: "Hits per acknowledged flush.",
			Buckets: []float64{1, 2, 5, 10, 25, 50, 100, 250, 500, 1000},
		}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "touchline_stream_flush_seconds", Help: "Time until a flush was acknowledged, retries included.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5, 30},
		}),
		retries: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "touchline_stream_retries_total", Help: "Attempts of flushes that were not acknowledged.",
		}),
		unavailable: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "touchline_stream_unavailable_hits_total", Help: "Hits that the edge did not acknowledge because Redis did not.",
		}),
		doubt: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "touchline_stream_shards_in_doubt", Help: "Shards that wait for Redis and take no hits.",
		}),
		spooling: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "touchline_spool_logs", Help: "Logs on disk that hold hits which Redis has not taken yet.",
		}),
		spooled: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "touchline_spool_hits_total", Help: "Hits that were kept on disk.",
		}),
		drained: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "touchline_spool_drained_hits_total", Help: "Hits that were brought from disk to Redis.",
		}),
	}
	if r != nil {
		r.MustRegister(m.entries, m.seconds, m.retries, m.unavailable, m.doubt, m.spooling, m.spooled, m.drained)
	}
	return m
}

func (m *writerMetrics) observe(entries int, took time.Duration) {
	m.entries.Observe(float64(entries))
	m.seconds.Observe(took.Seconds())
}
