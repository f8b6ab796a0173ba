package httpserver

import (
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
)

// requestMetrics counts requests. Its labels have few values whatever clients send:
// the pattern of the route, never the path; known methods; no host.
type requestMetrics struct {
	seconds *prometheus.HistogramVec
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
	return m
}

// count counts a request that is answered.
func (m *requestMetrics) count(c echo.Context, started time.Time) {
	m.seconds.WithLabelValues(method(c.Request().Method), route(c), strconv.Itoa(c.Response().Status)).
		Observe(time.Since(started).Seconds())
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
