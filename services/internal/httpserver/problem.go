package httpserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"
)

// ContentType is that of every error.
const ContentType = "application/problem+json"

// errPanicked stands for a panic that has been logged.
var errPanicked = errors.New("panic in a handler")

// Problem is an error as RFC 9457 writes it. A handler returns one to answer with it.
type Problem struct {
	Type   string       `json:"type"`   // a URI; default "about:blank"
	Title  string       `json:"title"`  // default the text of Status
	Status int          `json:"status"` // an HTTP status; default 500
	Detail string       `json:"detail,omitempty"`
	Errors []FieldError `json:"errors,omitempty"`

	// RetryAfter, when positive, becomes a Retry-After header in whole seconds.
	RetryAfter time.Duration `json:"-"`
}

// FieldError is a fault of one part of a request.
type FieldError struct {
	Pointer string `json:"pointer"` // RFC 6901, e.g. "/batch/3/timestamp"
	Detail  string `json:"detail"`
}

// Error implements error.
func (p *Problem) Error() string {
	return fmt.Sprintf("%d %s: %s", p.Status, p.Title, p.Detail)
}

// NewProblem returns a problem with the usual title of a status.
func NewProblem(status int, detail string) *Problem {
	return &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail}
}

// Unavailable is the answer when a hit could not be kept: the sender should come
// again.
func Unavailable(detail string, after time.Duration) *Problem {
	p := NewProblem(http.StatusServiceUnavailable, detail)
	p.RetryAfter = after
	return p
}

// errorHandler answers with the problem that an error is. What is none of ours is a
// 500 with a fixed sentence, and logged here, once.
func errorHandler(log *slog.Logger) echo.HTTPErrorHandler {
	return func(err error, c echo.Context) {
		p := asProblem(err)
		if p.Status >= http.StatusInternalServerError && p.Status != http.StatusServiceUnavailable &&
			!errors.Is(err, errPanicked) {
			log.Error("request failed", "route", c.Path(), "method", c.Request().Method,
				"status", p.Status, "request_id", RequestID(c), "error", err)
		}
		if c.Response().Committed {
			return
		}
		if err := p.Write(c.Response(), c.Request()); err != nil {
			log.Debug("error not delivered", "request_id", RequestID(c), "error", err)
		}
	}
}

// Write answers a request with the problem, for handlers outside of Echo.
func (p *Problem) Write(w http.ResponseWriter, r *http.Request) error {
	full := *p
	if full.Type == "" {
		full.Type = "about:blank"
	}
	if full.Status < 400 || full.Status > 599 {
		full.Status = http.StatusInternalServerError
	}
	if full.Title == "" {
		full.Title = http.StatusText(full.Status)
	}
	body, err := json.Marshal(full)
	if err != nil {
		return fmt.Errorf("encode a problem: %w", err)
	}
	h := w.Header()
	h.Set(echo.HeaderContentType, ContentType)
	h.Set(echo.HeaderXContentTypeOptions, "nosniff")
	h.Set(echo.HeaderCacheControl, "no-store")
	h.Del(echo.HeaderContentEncoding)
	h.Del("Etag")
	if full.RetryAfter > 0 {
		seconds := int64((full.RetryAfter + time.Second - 1) / time.Second)
		h.Set(echo.HeaderRetryAfter, strconv.FormatInt(seconds, 10))
	}
	h.Set(echo.HeaderContentLength, strconv.Itoa(len(body)))
	w.WriteHeader(full.Status)
	if r.Method == http.MethodHead {
		return nil
	}
	if _, err := w.Write(body); err != nil {
		return fmt.Errorf("write a problem: %w", err)
	}
	return nil
}

// asProblem finds the problem in an error.
func asProblem(err error) *Problem {
	var ours *Problem
	if errors.As(err, &ours) {
		return ours
	}
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return NewProblem(http.StatusRequestEntityTooLarge, fmt.Sprintf("The body exceeds %d bytes.", tooLarge.Limit))
	}
	var echos *echo.HTTPError
	if errors.As(err, &echos) && echos.Code < http.StatusInternalServerError {
		return NewProblem(echos.Code, echoDetail(echos))
	}
	if errors.As(err, &echos) {
		return NewProblem(echos.Code, "")
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return Unavailable("The request took too long.", time.Second)
	}
	return NewProblem(http.StatusInternalServerError, "Something went wrong on our side.")
}

// echoDetail is what an error of Echo says beyond its status. Only texts are passed
// on: anything else may be an inner error.
func echoDetail(err *echo.HTTPError) string {
	text, ok := err.Message.(string)
	switch {
	case ok && text != http.StatusText(err.Code):
		return text
	case err.Code == http.StatusNotFound:
		return "There is nothing at this path."
	case err.Code == http.StatusMethodNotAllowed:
		return "This path does not take this method; the header Allow names those that it takes."
	}
	return ""
}
