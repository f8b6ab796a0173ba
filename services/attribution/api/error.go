package api

import (
	"errors"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/touchline/touchline/services/attribution/postgres"
	"github.com/touchline/touchline/services/internal/httpserver"
)

// problem is an answer that says what is wrong.
func problem(status int, detail string, faults ...httpserver.FieldError) error {
	p := httpserver.NewProblem(status, detail)
	p.Errors = faults
	return p
}

// notFound is the answer for what is not there and for what is another workspace's:
// nobody can tell the two apart.
func notFound() error {
	return problem(http.StatusNotFound, "There is no such thing in this workspace.")
}

// errBooks says that Redis could not be asked for its side of the books.
var errBooks = errors.New("books not available")

// errPublish says that a source could not be made known to the edge.
var errPublish = errors.New("source registry not available")

// answer is the one place where this service's errors become statuses. What it does
// not know goes on to the server, which logs it once and says no more than 500.
func (s *Server) answer(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		err := next(c)
		var known *httpserver.Problem
		switch {
		case err == nil, c.Response().Committed, errors.As(err, &known):
			return err
		case errors.Is(err, postgres.ErrNotFound):
			return notFound()
		case errors.Is(err, postgres.ErrUnavailable), errors.Is(err, postgres.ErrConflict),
			errors.Is(err, errBooks), errors.Is(err, errPublish):
			s.cfg.Log.Warn("call put off", "path", c.Path(), "error", err)
			return httpserver.Unavailable("A part of the system does not answer. Try again.", time.Second)
		case errors.Is(err, postgres.ErrRefused):
			s.cfg.Log.Warn("values refused", "path", c.Path(), "error", err)
			return problem(http.StatusUnprocessableEntity, "The database cannot hold a value of this request.")
		}
		return err
	}
}
