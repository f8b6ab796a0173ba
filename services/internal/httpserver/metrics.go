package httpserver

import (
	"maps"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
)

// requestMetrics counts requests. Its labels have few values whatever clients send:
// the pattern of the route, never the path; known methods; no host.
type requestMetrics struct {
	seconds *prometheus.HistogramVec

	mu    sync.Mutex // of who adds to known
	known atomic.Pointer[map[answered]prometheus.Observer]
}

// answered is what answers are counted by.
type answered struct {
	method, route string
	status        int
}

// newRequestMetrics registers with r unless it is nil.
func newRequestMetrics(r prometheus.Registerer) *requestMetrics {
	m := &requestMetrics{seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "touchline_http_request_seconds", Help: "Time to answer a request.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10},
	}, []string{"method", "route", "status"})}
	if r != nil {
		r.MustRegister(m.seconds)
	}
	m.known.Store(&map[answered]prometheus.Observer{})
	return m
}

// count counts a request that is answered.
func (m *requestMetrics) count(c echo.Context, started time.Time) {
	by := answered{method(c.Request().Method), route(c), c.Response().Status}
	observer, known := (*m.known.Load())[by]
	if !known {
		observer = m.add(by)
	}
	observer.Observe(time.Since(started).Seconds())
}

// add remembers what counts answers of one kind: finding it by its labels takes longer than
// counting.
func (m *requestMetrics) add(by answered) prometheus.Observer {
	m.mu.Lock()
	defer m.mu.Unlock()
	more := maps.Clone(*m.known.Load())
	more[by] = m.seconds.WithLabelValues(by.method, by.route, strconv.Itoa(by.status))
	m.known.Store(&more)
	return more[by]
}

func method(name string) string {
	switch name {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
		http.MethodDelete, http.MethodOptions:
		return name
	}
	return "other"
}

// route is the registered pattern; Echo leaves it empty when nothing matches.
func route(c echo.Context) string {
	if c.Path() == "" {
		return "unmatched"
	}
	return c.Path()
}
