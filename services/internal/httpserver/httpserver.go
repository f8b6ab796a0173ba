// Package httpserver is what the HTTP sides of both services share: an Echo with
// safe limits and one form of error, an admin port, a logger that keeps secrets out,
// and an orderly stop.
//
//	e := httpserver.New(httpserver.Config{…})
//	public, err := httpserver.Listen(":8080", e)
//	admin, err := httpserver.Listen(":9090", httpserver.Admin(…))
//	err = httpserver.Run(ctx, 20*time.Second, public, admin)
package httpserver

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"runtime/debug"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
)

// Config is what an Echo of [New] is made from. Zero values mean the defaults.
type Config struct {
	// TrustedProxies are the addresses whose X-Forwarded-For is believed. None by
	// default: then the peer of the connection is the client.
	TrustedProxies []netip.Prefix
	Logger         *slog.Logger          // default slog.Default
	Registerer     prometheus.Registerer // of the request metrics; default none
}

// New returns an Echo whose every error is a [Problem], that survives panics,
// names each request in X-Request-Id, counts it by route, and sends headers that
// keep answers out of caches and browsers from guessing. Handlers may overwrite
// the headers.
func New(cfg Config) *echo.Echo {
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.Logger.SetOutput(io.Discard) // Echo's own; everything worth a line goes to cfg.Logger
	e.IPExtractor = clientIP(cfg.TrustedProxies)
	e.HTTPErrorHandler = errorHandler(cfg.Logger)
	e.Use(around(newRequestMetrics(cfg.Registerer), cfg.Logger))
	return e
}

// around is all that goes around every handler. It is one function, because Echo makes
// every middleware anew for every request.
func around(metrics *requestMetrics, log *slog.Logger) echo.MiddlewareFunc {
	headers := newHeaders()
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			started := time.Now()
			setRequestID(c)
			headers.set(c)
			// The status is wanted, so that the answer to an error is written here.
			if err := recovered(c, next, log); err != nil {
				c.Error(err)
			}
			metrics.count(c, started)
			return nil
		}
	}
}

// isRequestID reports whether an id is one that we take over from a client or proxy: all
// else could forge lines of a log.
func isRequestID(id string) bool {
	if len(id) < 8 || len(id) > 64 {
		return false
	}
	for i := range len(id) {
		switch c := id[i]; {
		case c >= '0' && c <= '9', c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}

// setRequestID answers with the client's id of the request, or a new one. It names
// requests in logs and is no secret, so that no randomness of the kernel is asked for.
func setRequestID(c echo.Context) {
	id := c.Request().Header.Get(echo.HeaderXRequestID)
	if !isRequestID(id) {
		var random uuid.UUID
		binary.BigEndian.PutUint64(random[:8], rand.Uint64())
		binary.BigEndian.PutUint64(random[8:], rand.Uint64())
		random[6], random[8] = random[6]&0x0f|0x40, random[8]&0x3f|0x80 // version 4, as of RFC 9562
		id = random.String()
	}
	c.Response().Header()[echo.HeaderXRequestID] = []string{id}
}

// RequestID returns the id of the request, which its answer carries too.
func RequestID(c echo.Context) string {
	return c.Response().Header().Get(echo.HeaderXRequestID)
}

// headers are the values that are right for nearly every answer. All answers share
// them: who sets another replaces the list, who adds one gets a list of its own.
type headers struct{ nosniff, noStore, noReferrer []string }

func newHeaders() headers {
	return headers{nosniff: []string{"nosniff"}, noStore: []string{"no-store"}, noReferrer: []string{"no-referrer"}}
}

func (v headers) set(c echo.Context) {
	h := c.Response().Header()
	h[echo.HeaderXContentTypeOptions] = v.nosniff
	h[echo.HeaderCacheControl] = v.noStore
	h[echo.HeaderReferrerPolicy] = v.noReferrer
	if len(c.Request().TransferEncoding) > 0 {
		// It may have stated a length as well, which net/http removed without a word. Who
		// believed that length takes what follows for another request than we (RFC 9112
		// section 6.1), so that nothing follows.
		h.Set("Connection", "close")
	}
}

// recovered runs a handler and turns its panic into an error, which becomes a 500. The
// one that means "cut the connection" goes on to net/http.
func recovered(c echo.Context, handler echo.HandlerFunc, log *slog.Logger) (err error) {
	defer func() {
		cause := recover()
		if cause == nil {
			return
		}
		if fault, ok := cause.(error); ok && errors.Is(fault, http.ErrAbortHandler) {
			panic(fault) // net/http's own signal, not a fault
		}
		log.Error("panic in a handler", "route", c.Path(), "request_id", RequestID(c),
			"cause", fmt.Sprint(cause), "stack", string(debug.Stack()))
		err = errPanicked
	}()
	return handler(c)
}
