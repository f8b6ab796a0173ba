package httpserver

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Check is one thing that a service needs to be ready.
type Check struct {
	Name string
	// Run returns nil when all is well. It must return soon after its context ends.
	Run func(context.Context) error
}

// AdminConfig is what [Admin] serves.
type AdminConfig struct {
	Gatherer prometheus.Gatherer // default prometheus.DefaultGatherer
	Checks   []Check
	Logger   *slog.Logger // default slog.Default
}

// checkTimeout bounds a readiness probe; Kubernetes' own default is 1 s.
const checkTimeout = 900 * time.Millisecond

// Admin returns the handler of the admin port, which must not be public: /healthz
// (the process answers), /readyz (all checks pass, else 503), /metrics for
// Prometheus and /debug/pprof/.
func Admin(cfg AdminConfig) http.Handler {
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.Gatherer == nil {
		cfg.Gatherer = prometheus.DefaultGatherer
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		writeStatus(w, http.StatusOK, nil)
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		status, results := runChecks(r.Context(), cfg)
		writeStatus(w, status, results)
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(cfg.Gatherer, promhttp.HandlerOpts{}))
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}

// runChecks runs all checks at once. Causes go to the log, not into the answer: they
// may name hosts and users.
func runChecks(ctx context.Context, cfg AdminConfig) (status int, results map[string]string) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	errs := make([]error, len(cfg.Checks))
	var wg sync.WaitGroup
	for i, check := range cfg.Checks {
		wg.Go(func() { errs[i] = check.Run(ctx) })
	}
	wg.Wait()
	status, results = http.StatusOK, map[string]string{}
	for i, check := range cfg.Checks {
		results[check.Name] = "ok"
		if errs[i] != nil {
			status, results[check.Name] = http.StatusServiceUnavailable, "failing"
			cfg.Logger.Warn("not ready", "check", check.Name, "error", errs[i])
		}
	}
	return status, results
}

func writeStatus(w http.ResponseWriter, status int, checks map[string]string) {
	body := struct {
		Status string            `json:"status"`
		Checks map[string]string `json:"checks,omitempty"`
	}{Status: "ok", Checks: checks}
	if status != http.StatusOK {
		body.Status = "unavailable"
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	// An error here means that the prober has gone.
	_ = json.NewEncoder(w).Encode(body)
}
