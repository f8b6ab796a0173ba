// Package api is the REST API of the attribution service: calls as openapi.yaml
// describes them, answered from Postgres and, for the books, Redis. It knows neither
// pgx nor go-redis.
//
// A call walks through the answer for errors, authorisation, validation against the
// OpenAPI document, and the generated code of package gen to a method of [Server].
package api

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"github.com/touchline/touchline/services/attribution/api/gen"
	"github.com/touchline/touchline/services/attribution/digest"
	"github.com/touchline/touchline/services/attribution/postgres"
	"github.com/touchline/touchline/services/attribution/secret"
	"github.com/touchline/touchline/services/attribution/token"
	"github.com/touchline/touchline/services/internal/registry"
	"github.com/touchline/touchline/services/internal/stream"
)

//go:generate oapi-codegen -config oapi-codegen.yaml openapi.yaml

// maxBody bounds a request. The largest is a policy: 500 rules of some hundred bytes.
const maxBody = "1M"

// Publisher makes sources known to the edge. A call returns only when the edge can
// see the change.
type Publisher interface {
	Put(ctx context.Context, source registry.Source) error
	Delete(ctx context.Context, id uuid.UUID) error
}

// Config is what a Server works with. Every field is needed.
type Config struct {
	Store     *postgres.Pool // in the role touchline_api
	Keys      *token.Keyring
	Sources   Publisher
	Books     func(ctx context.Context, ask stream.Question) ([]stream.WorkspaceBooks, error) // Redis' side of the books
	Ring      *digest.Ring                                                                    // opens phones, hides message ids
	Sealed    *secret.Box                                                                     // secrets of sources in the database
	Cursors   *secret.Box                                                                     // a cursor contains what its reader may not see
	TokenLife time.Duration                                                                   // of the token of a new workspace
	Reference string                                                                          // version of the reference data, noted in policies
	Now       func() time.Time
	Log       *slog.Logger

	ExplainFacts int // facts that one explanation may read
}

// Server answers the calls.
type Server struct {
	cfg        Config
	spec       *spec
	explaining chan struct{} // held while one is drawn up
}

// explainings is how many explanations are drawn up side by side. Each may hold
// Config.ExplainFacts facts in memory, some 4 KB each; guessed.
const explainings = 2

var _ gen.StrictServerInterface = (*Server)(nil)

// New returns a Server.
func New(cfg Config) (*Server, error) {
	document, err := loadSpec()
	if err != nil {
		return nil, fmt.Errorf("start the API: %w", err)
	}
	return &Server{cfg: cfg, spec: document, explaining: make(chan struct{}, explainings)}, nil
}

// Register adds all routes to e: the calls, the OpenAPI document and its page.
func (s *Server) Register(e *echo.Echo) {
	e.Pre(keepEncoding)
	// Bound to each call and not to a group, which would answer what has no call itself,
	// and a wrong method with 404.
	calls := gen.RegisterHandlersOptions{OperationMiddlewares: map[string][]echo.MiddlewareFunc{}}
	for _, path := range s.spec.document.Paths.Map() {
		for _, operation := range path.Operations() {
			calls.OperationMiddlewares[operation.OperationID] = []echo.MiddlewareFunc{
				secureCall, s.answer, middleware.BodyLimit(maxBody), s.authorise, s.validate,
			}
		}
	}
	gen.RegisterHandlersWithOptions(e, gen.NewStrictHandler(s, nil), calls)
	s.spec.register(e)
}

// keepEncoding lets every route be found by the path as it was sent, so that what a
// parameter holds is decoded once, by the generated code. Go keeps that form only when
// it differs from what it would have written itself: without this "100%25" would be
// decoded twice and "a%2Fb" once.
func keepEncoding(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		address := c.Request().URL
		address.RawPath = address.EscapedPath()
		return next(c)
	}
}

// secureCall sets the headers of every answer of the API: nothing of it is kept by a
// cache or taken for a page.
func secureCall(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		header := c.Response().Header()
		header.Set("Cache-Control", "no-store")
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		header.Set("Referrer-Policy", "no-referrer")
		return next(c)
	}
}
