// Package edge is the public HTTP front of the tracking service: it reads a request
// by the wire format of its path, finds out who sent it, has intake turn its items
// into hits, appends them to the stream in one call, and answers only after that.
//
// The folders below it are the wire formats, each pure. This package has what they
// share (bodies, keys, CORS, answers) and one handler file per wire format.
package edge

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
	"golang.org/x/time/rate"

	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/internal/registry"
	"github.com/touchline/touchline/services/tracking/edge/handover"
	"github.com/touchline/touchline/services/tracking/edge/message"
	"github.com/touchline/touchline/services/tracking/edge/segment"
)

// Directory knows the sources. Its errors are registry.ErrUnknown (also of a disabled
// source) and registry.ErrUnavailable; both methods are safe for concurrent use and
// answer from memory as a rule.
type Directory interface {
	// ByKey finds the source that has a write key.
	ByKey(ctx context.Context, writeKey string) (registry.Source, error)
	// ByID finds a source by its id.
	ByID(ctx context.Context, id uuid.UUID) (registry.Source, error)
}

// Appender makes hits durable.
type Appender interface {
	// Append returns nil only when all hits are durable, and then the receipt of the
	// first; the others follow it without gaps. It may block for a second or so. Its
	// error is stream.ErrUnavailable when the sender should try again; the hits may
	// then be stored or not.
	Append(ctx context.Context, hits []hit.Hit) (hit.Receipt, error)
}

// Config is what an operator can choose. Sizes are in bytes, after decompression.
type Config struct {
	MaxItem    int   // of one item of an SDK's call
	MaxBody    int64 // of an SDK's call or a registration
	MaxWebhook int64 // of a callback

	SourceRate int   // items a second of one source; 0: no limit
	MaxMemory  int64 // of all bodies at one time; 0: no limit

	ScriptPath, EventPath, GIFPath string // of the pixel

	// PublicURL is where browsers reach this service. SDKs that load their settings
	// here are told to send here; empty: they are not told.
	PublicURL string
}

// Salts keeps the secrets of the devices that last a day.
type Salts interface {
	// Of returns the secret of the UTC day of an instant of now. It answers at once, from
	// memory, and is safe for concurrent use.
	Of(at time.Time) []byte
}

// Deps is what the edge works with.
type Deps struct {
	Directory Directory
	Appender  Appender
	Tokens    message.TokenMaker
	Scripts   Scripts
	Salts     Salts
	Handover  handover.Key
	Metrics   *Metrics
	Now       func() time.Time // the clock of receipts
}

// Edge serves the routes.
type Edge struct {
	cfg Config
	Deps
	rates  rates
	bodies budget
	phones *phones
}

// New returns an edge; see [Edge.Register].
func New(cfg Config, deps Deps) *Edge {
	return &Edge{
		cfg: cfg, Deps: deps, bodies: budget{most: cfg.MaxMemory}, phones: newPhones(),
		rates: rates{perSecond: cfg.SourceRate, limiters: map[uuid.UUID]*rate.Limiter{}},
	}
}

// Register adds every route, and what goes before all of them, to router.
func (e *Edge) Register(router *echo.Echo) {
	router.Pre(middleware.RemoveTrailingSlash())
	// Made once: Echo makes a middleware anew for every request. These are the innermost,
	// so that what follows them is the handler of the route.
	within := e.crossOrigin(failures(e.room(func(c echo.Context) error { return c.Handler()(c) })))
	router.Use(func(echo.HandlerFunc) echo.HandlerFunc { return within })

	for path, call := range segmentPaths() {
		router.POST(path, e.segment(call))
	}
	router.POST("/v1/m", e.sdkMetrics)
	router.GET("/v1/projects/:key/settings", e.segmentSettings)
	router.GET("/sourceConfig", e.rudderConfig)

	router.POST("/v1/messages", e.messages)
	router.POST("/v1/messages/statuses", e.messageStatuses)

	router.GET(e.cfg.ScriptPath, e.script)
	router.HEAD(e.cfg.ScriptPath, e.script) // net/http leaves the body out
	router.POST(e.cfg.EventPath, e.pixelEvents)
	router.GET(e.cfg.EventPath+handoverPath, e.handOver)
	router.GET(e.cfg.GIFPath, e.pixelGIF)

	router.GET("/webhooks/whatsapp/:source", e.whatsappVerify)
	router.POST("/webhooks/whatsapp/:source", e.whatsapp)
	router.POST("/webhooks/webhook/:source", e.webhook)
}

// segmentPaths are the paths that SDKs post to.
func segmentPaths() map[string]segment.Call {
	return map[string]segment.Call{
		"/v1/track": segment.Track, "/v1/t": segment.Track,
		"/v1/page": segment.Page, "/v1/p": segment.Page,
		"/v1/screen": segment.Screen, "/v1/s": segment.Screen,
		"/v1/identify": segment.Identify, "/v1/i": segment.Identify,
		"/v1/group": segment.Group, "/v1/g": segment.Group,
		"/v1/alias": segment.Alias, "/v1/a": segment.Alias,
		"/v1/batch": segment.Batch, "/v1/b": segment.Batch, "/v1/import": segment.Batch,
		"/beacon/v1/batch": segment.Batch,
	}
}
