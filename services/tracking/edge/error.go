package edge

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/internal/httpserver"
	"github.com/touchline/touchline/services/internal/registry"
	"github.com/touchline/touchline/services/internal/stream"
	"github.com/touchline/touchline/services/tracking/edge/message"
	"github.com/touchline/touchline/services/tracking/edge/segment"
	"github.com/touchline/touchline/services/tracking/edge/webhook"
	"github.com/touchline/touchline/services/tracking/intake"
)

// retryAfter is when a sender should come again. Redis is back within seconds or
// takes minutes; SDKs wait longer by themselves from the second time on.
const retryAfter = time.Second

// fail returns the problem that an error is, for the server to answer with. It is
// the one place where errors become statuses.
func fail(err error) error {
	var p *httpserver.Problem
	var many *intake.TooManyError
	switch {
	case errors.As(err, &p):
		return p
	case isUnavailable(err):
		return httpserver.Unavailable("Nothing can be kept at the moment. Send the same again.", retryAfter)
	case errors.Is(err, registry.ErrUnknown):
		return unauthorized("no enabled source has this write key")
	case errors.Is(err, segment.ErrMalformed), errors.Is(err, webhook.ErrMalformed),
		errors.Is(err, message.ErrMessages), errors.Is(err, message.ErrStatuses):
		_, detail, _ := strings.Cut(err.Error(), ": ") // without the name of our package
		return httpserver.NewProblem(http.StatusBadRequest, detail)
	case errors.As(err, &many):
		p = httpserver.NewProblem(http.StatusRequestEntityTooLarge, many.Error())
		p.Errors = []httpserver.FieldError{{Pointer: many.Pointer, Detail: fmt.Sprintf("has %d items, may have %d", many.Items, intake.MaxItems)}}
		return p
	case errors.Is(err, hit.ErrTooLarge):
		return httpserver.NewProblem(http.StatusRequestEntityTooLarge, "An item is too large to be kept.")
	}
	return err
}

// isUnavailable reports an error that the same request will not have later.
func isUnavailable(err error) bool {
	return errors.Is(err, registry.ErrUnavailable) || errors.Is(err, stream.ErrUnavailable)
}

// forbidden and unauthorized tell the sender how to mend it.
func forbidden(detail string) error {
	return httpserver.NewProblem(http.StatusForbidden, detail)
}

func unauthorized(detail string) error {
	return httpserver.NewProblem(http.StatusUnauthorized, detail)
}

// failures turns the errors of every handler into problems.
func failures(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if err := next(c); err != nil {
			return fail(err)
		}
		return nil
	}
}
