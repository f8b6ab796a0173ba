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
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"regexp"
	"runtime/debug"

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
	// Outermost first. The metrics write the error, so that what is within them only returns it.
	e.Use(setRequestID, setHeaders)
	e.Use(newRequestMetrics(cfg.Registerer).count)
	e.Use(recoverPanic(cfg.Logger))
	return e
}

// requestIDs is what we take over from a client or proxy; all else could forge
// lines of a log.
var requestIDs = regexp.MustCompile(`^[A-Za-z0-9_-]{8,64}$`)

// setRequestID answers with the client's id of the request, or a new one.
func setRequestID(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		id := c.Request().Header.Get(echo.HeaderXRequestID)
		if !requestIDs.MatchString(id) {
			id = uuid.NewString()
		}
		c.Response().Header().Set(echo.HeaderXRequestID, id)
		return next(c)
	}
}

// RequestID returns the id of the request, which its answer carries too.
func RequestID(c echo.Context) string {
	return c.Response().Header().Get(echo.HeaderXRequestID)
}

// setHeaders sets the headers that are right for nearly every answer.
func setHeaders(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		h := c.Response().Header()
		h.Set(echo.HeaderXContentTypeOptions, "nosniff")
		h.Set(echo.HeaderCacheControl, "no-store")
		h.Set(echo.HeaderReferrerPolicy, "no-referrer")
		if len(c.Request().TransferEncoding) > 0 {
			// It may have stated a length as well, which net/http removed without a word. Who
			// believed that length takes what follows for another request than we (RFC 9112
			// section 6.1), so that nothing follows.
			h.Set("Connection", "close")
		}
		return next(c)
	}
}

// recoverPanic turns a panic into an error, which becomes a 500. The one that means
// "cut the connection" goes on to net/http.
func recoverPanic(log *slog.Logger) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) (err error) {
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
			return next(c)
		}
	}
}
