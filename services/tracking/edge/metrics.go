package edge

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/touchline/touchline/services/tracking/intake"
)

// Metrics counts what the edge did.
type Metrics struct {
	items  *prometheus.CounterVec
	reject *prometheus.CounterVec
	shed   *prometheus.CounterVec

	kinds        sync.Map // kind of a source: its *outcomes
	done, failed prometheus.Observer
}

// outcomes counts the items of sources of one kind.
type outcomes struct{ facts, rejected prometheus.Counter }

// NewMetrics returns metrics that are registered with r. Every reason is there from
// the start, so that its first occurrence is seen as a rise.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		items: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "touchline_edge_items_total",
			Help: "Items made durable, by kind of source and whether they became a fact or a rejection.",
		}, []string{"kind", "outcome"}),
		reject: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "touchline_edge_rejected_total",
			Help: "Items that were refused, by reason.",
		}, []string{"reason"}),
	}
	took := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "touchline_edge_append_seconds",
		Help:    "Time until the hits of a request were durable, or not.",
		Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5},
	}, []string{"outcome"})
	m.done, m.failed = took.WithLabelValues("kept"), took.WithLabelValues("failed")
	m.shed = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "touchline_edge_shed_total",
		Help: "Requests turned away to protect the rest, by what would have been exceeded: rate of a source, memory.",
	}, []string{"limit"})
	r.MustRegister(m.items, m.reject, took, m.shed)
	for _, reason := range intake.Reasons() {
		m.reject.WithLabelValues(string(reason))
	}
	return m
}

func (m *Metrics) kept(kind string, items int, rejected []refused) {
	known, ok := m.kinds.Load(kind)
	if !ok {
		known, _ = m.kinds.LoadOrStore(kind, &outcomes{m.items.WithLabelValues(kind, "fact"), m.items.WithLabelValues(kind, "rejected")})
	}
	if of, ok := known.(*outcomes); ok {
		of.facts.Add(float64(items - len(rejected)))
		of.rejected.Add(float64(len(rejected)))
	}
	for _, r := range rejected {
		m.reject.WithLabelValues(string(r.Reason)).Inc()
	}
}

func (m *Metrics) appended(took time.Duration, err error) {
	if err != nil {
		m.failed.Observe(took.Seconds())
		return
	}
	m.done.Observe(took.Seconds())
}
