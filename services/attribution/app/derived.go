package app

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/touchline/touchline/services/attribution/derive"
)

// observeDerive counts what derivations do.
func observeDerive(r prometheus.Registerer) func(derive.Pass) {
	touched := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "touchline_derive_touched_total", Help: "Hits that the table was brought up to date with.",
	})
	facts := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "touchline_derive_facts_total", Help: "Facts read to derive them, those that did not change included.",
	})
	changed := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "touchline_derive_conversions_total", Help: "Conversions written: new ones and next revisions.",
	})
	large := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "touchline_derive_large_total",
		Help: "Of the hits that the table was brought up to date with, those of large persons, by why they were derived whole; empty: they were not.",
	}, []string{"refused"})
	apart := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "touchline_derive_apart_total",
		Help: "Of the hits that the table was brought up to date with, those that bore on nothing yet, concluded from apart from their persons, by kind of fact.",
	}, []string{"kind"})
	seconds := prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "touchline_derive_seconds", Help: "Time of one transaction of derive.",
		Buckets: prometheus.ExponentialBuckets(0.002, 2, 14), // 2 ms to 16 s
	})
	recomputed := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "touchline_recomputes_total", Help: "Recomputes that are complete, by what they found: equal or different.",
	}, []string{"found"})
	for _, found := range []string{"equal", "different"} {
		recomputed.WithLabelValues(found) // from the start, so that the first one shows as an increase
	}
	r.MustRegister(touched, facts, changed, large, apart, seconds, recomputed)
	return func(p derive.Pass) {
		touched.Add(float64(p.Touched))
		facts.Add(float64(p.Facts))
		changed.Add(float64(p.Changed))
		if p.Reached > 0 {
			large.WithLabelValues("").Add(float64(p.Reached))
		}
		for kind, n := range p.Apart {
			apart.WithLabelValues(kind).Add(float64(n))
		}
		for why, n := range p.Refused {
			large.WithLabelValues(why).Add(float64(n))
		}
		seconds.Observe(p.Took.Seconds())
		switch {
		case p.Swap == nil || !p.Swap.Recompute:
		case p.Swap.Differences == 0:
			recomputed.WithLabelValues("equal").Inc()
		default:
			recomputed.WithLabelValues("different").Inc()
		}
	}
}
