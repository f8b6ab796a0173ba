package consume

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/touchline/touchline/services/internal/stream"
)

// metrics are what a consumer shows of itself. Without a registerer they count unseen.
type metrics struct {
	consumed *prometheus.CounterVec
	seconds  prometheus.Histogram
	oldest   *prometheus.GaugeVec
	length   *prometheus.GaugeVec
	lost     prometheus.Gauge
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		consumed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "touchline_consumed_total", Help: "Entries stored, by what they count as; redelivery counts nowhere.",
		}, []string{"term"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "touchline_consume_batch_seconds", Help: "Time to store one batch.",
			Buckets: prometheus.ExponentialBuckets(0.002, 2, 14), // 2 ms to 16 s
		}),
		oldest: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "touchline_stream_oldest_seconds", Help: "Age of the oldest entry that is not settled.",
		}, []string{"shard"}),
		length: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "touchline_stream_length", Help: "Entries that are not settled.",
		}, []string{"shard"}),
		lost: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "touchline_stream_lost", Help: "Entries that somebody deleted before they were stored, since the start.",
		}),
	}
	if r != nil {
		r.MustRegister(m.consumed, m.seconds, m.oldest, m.length, m.lost)
	}
	return m
}

func (m *metrics) stored(s stored, took time.Duration) {
	for t, n := range s.terms {
		m.consumed.WithLabelValues(string(t)).Add(float64(n))
	}
	m.consumed.WithLabelValues("redelivery").Add(float64(s.redelivery))
	m.seconds.Observe(took.Seconds())
}

func (m *metrics) lag(shard int, l stream.Lag) {
	label := strconv.Itoa(shard)
	m.oldest.WithLabelValues(label).Set(l.Oldest.Seconds())
	m.length.WithLabelValues(label).Set(float64(l.Length))
}
