package httpserver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
)

// serve sends one request to an Echo.
func serve(e *echo.Echo, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	e.ServeHTTP(w, r)
	return w
}

// logged returns an Echo whose log is kept.
func logged() (*echo.Echo, *bytes.Buffer) {
	var buf bytes.Buffer
	return New(Config{Logger: NewLogger(&buf, slog.LevelDebug, "test")}), &buf
}

func problemOf(t *testing.T, w *httptest.ResponseRecorder) Problem {
	t.Helper()
	if got := w.Header().Get("Content-Type"); got != ContentType {
		t.Errorf("content type %q, want %q", got, ContentType)
	}
	var p Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatalf("body %q: %v", w.Body, err)
	}
	if p.Status != w.Code {
		t.Errorf("problem says %d, the answer is %d", p.Status, w.Code)
	}
	return p
}

func TestNew_EveryErrorIsAProblem(t *testing.T) {
	t.Parallel()
	e, log := logged()
	e.POST("/fails", func(c echo.Context) error {
		switch c.QueryParam("how") {
		case "problem":
			p := NewProblem(http.StatusUnprocessableEntity, "Two faults.")
			p.Errors = []FieldError{{Pointer: "/a/0", Detail: "is not a number"}}
			return fmt.Errorf("wrapped: %w", p)
		case "away":
			return Unavailable("Come again.", 1500*time.Millisecond)
		case "echo":
			return echo.NewHTTPError(http.StatusBadRequest, "bad name")
		case "inner":
			return echo.NewHTTPError(http.StatusBadRequest, errors.New("inner secret"))
		case "bare":
			return &Problem{Detail: "x"}
		case "panic":
			panic("secret panic")
		case "deadline":
			return fmt.Errorf("ask: %w", context.DeadlineExceeded)
		}
		return errors.New("secret cause")
	})
	blank := func(status int, detail string) Problem {
		return Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail}
	}
	two := blank(422, "Two faults.")
	two.Errors = []FieldError{{Pointer: "/a/0", Detail: "is not a number"}}
	for name, c := range map[string]struct {
		method, target string
		want           Problem
	}{
		"problem":   {"POST", "/fails?how=problem", two},
		"away":      {"POST", "/fails?how=away", blank(503, "Come again.")},
		"echo":      {"POST", "/fails?how=echo", blank(400, "bad name")},
		"inner":     {"POST", "/fails?how=inner", blank(400, "")},
		"bare":      {"POST", "/fails?how=bare", blank(500, "x")},
		"panic":     {"POST", "/fails?how=panic", blank(500, "Something went wrong on our side.")},
		"deadline":  {"POST", "/fails?how=deadline", blank(503, "The request took too long.")},
		"unknown":   {"POST", "/fails", blank(500, "Something went wrong on our side.")},
		"no route":  {"GET", "/nowhere", blank(404, "There is nothing at this path.")},
		"no method": {"GET", "/fails", blank(405, "This path does not take this method; the header Allow names those that it takes.")},
	} {
		w := serve(e, httptest.NewRequest(c.method, c.target, nil))
		if diff := cmp.Diff(c.want, problemOf(t, w)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if retry := w.Header().Get("Retry-After"); name == "away" && retry != "2" {
			t.Errorf("Retry-After %q, want 2", retry)
		}
		if allow := w.Header().Get("Allow"); name == "no method" && !strings.Contains(allow, "POST") {
			t.Errorf("Allow %q, want POST in it", allow)
		}
	}
	for _, want := range []string{"secret cause", "secret panic"} {
		if n := strings.Count(log.String(), want); n != 1 {
			t.Errorf("%q is in the log %d times, want once:\n%s", want, n, log)
		}
	}
}

func TestNew_HeadErrorHasNoBody(t *testing.T) {
	t.Parallel()
	w := serve(New(Config{}), httptest.NewRequest(http.MethodHead, "/nowhere", nil))
	if w.Code != http.StatusNotFound || w.Body.Len() > 0 {
		t.Errorf("status %d with %d bytes, want 404 with none", w.Code, w.Body.Len())
	}
}

func TestNew_ErrorAfterTheAnswerBegan(t *testing.T) {
	t.Parallel()
	e, log := logged()
	e.GET("/", func(c echo.Context) error {
		_ = c.String(http.StatusOK, "half")
		return errors.New("broke off")
	})
	w := serve(e, httptest.NewRequest(http.MethodGet, "/", nil))
	if w.Code != http.StatusOK || w.Body.String() != "half" {
		t.Errorf("answer %d %q", w.Code, w.Body)
	}
	if !strings.Contains(log.String(), "broke off") {
		t.Error("the error is not in the log")
	}
}

func TestNew_Headers(t *testing.T) {
	t.Parallel()
	e := New(Config{})
	e.GET("/", func(c echo.Context) error { return c.NoContent(http.StatusNoContent) })
	for _, target := range []string{"/", "/nowhere"} {
		h := serve(e, httptest.NewRequest(http.MethodGet, target, nil)).Header()
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer",
		} {
			if got := h.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", target, name, got, want)
			}
		}
	}
}

func TestNew_RequestID(t *testing.T) {
	t.Parallel()
	e := New(Config{})
	e.GET("/", func(c echo.Context) error { return c.String(http.StatusOK, RequestID(c)) })
	for sent, kept := range map[string]bool{
		"abcdefgh-1": true, "": false, "short": false, "a b c d e f g h": false, strings.Repeat("x", 65): false,
		"injected\nline": false,
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("X-Request-Id", sent)
		w := serve(e, r)
		got := w.Header().Get("X-Request-Id")
		if (got == sent) != kept || got == "" || got != w.Body.String() {
			t.Errorf("sent %q, got %q, handler saw %q", sent, got, w.Body)
		}
	}
}

func TestNew_AbortedHandlerCutsTheConnection(t *testing.T) {
	t.Parallel()
	e := New(Config{})
	e.GET("/", func(echo.Context) error { panic(http.ErrAbortHandler) })
	s := httptest.NewServer(e)
	defer s.Close()
	if answer, err := s.Client().Get(s.URL); err == nil {
		answer.Body.Close()
		t.Errorf("status %d, want a cut connection", answer.StatusCode)
	}
}

func TestNew_MetricsHaveFewLabels(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	e := New(Config{Registerer: registry})
	e.GET("/l/:code", func(c echo.Context) error {
		if c.Param("code") == "none" {
			return echo.ErrNotFound
		}
		return c.NoContent(http.StatusOK)
	})
	for i := range 20 {
		serve(e, httptest.NewRequest(http.MethodGet, fmt.Sprintf("/l/%d", i), nil))
		serve(e, httptest.NewRequest(http.MethodGet, fmt.Sprintf("/%d/nowhere", i), nil))
		serve(e, httptest.NewRequest(fmt.Sprintf("M%d", i), "/nowhere", nil))
	}
	serve(e, httptest.NewRequest(http.MethodGet, "/l/none", nil))
	families, err := registry.Gather()
	if err != nil || len(families) != 1 {
		t.Fatalf("%d metrics, %v, want one", len(families), err)
	}
	// GET /l/:code 200 and 404, GET unmatched 404, other unmatched 404
	if n := len(families[0].GetMetric()); n != 4 {
		t.Errorf("%d series, want 4: %v", n, families[0])
	}
}

func TestClientIP(t *testing.T) {
	t.Parallel()
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for _, c := range []struct {
		remote  string
		forward []string
		trusted []netip.Prefix
		want    string
	}{
		{"1.2.3.4:5", nil, nil, "1.2.3.4"},
		{"1.2.3.4:5", []string{"6.6.6.6"}, nil, "1.2.3.4"},
		{"1.2.3.4:5", []string{"6.6.6.6"}, proxies, "1.2.3.4"},
		{"10.0.0.1:5", nil, proxies, "10.0.0.1"},
		{"10.0.0.1:5", []string{"7.7.7.7"}, proxies, "7.7.7.7"},
		{"10.0.0.1:5", []string{"6.6.6.6, 7.7.7.7"}, proxies, "7.7.7.7"},
		{"10.0.0.1:5", []string{"6.6.6.6", "7.7.7.7, 10.0.0.2"}, proxies, "7.7.7.7"},
		{"10.0.0.1:5", []string{"10.0.0.3,10.0.0.2"}, proxies, "10.0.0.3"},
		{"10.0.0.1:5", []string{"7.7.7.7:443"}, proxies, "7.7.7.7"},
		{"10.0.0.1:5", []string{"7.7.7.7, garbage"}, proxies, "10.0.0.1"},
		{"10.0.0.1:5", []string{"7.7.7.7, "}, proxies, "10.0.0.1"},
		{"10.0.0.1:5", []string{"garbage, 10.0.0.2"}, proxies, "10.0.0.2"},
		{"[fd00::1]:5", []string{"[2001:db8::1]:9"}, proxies, "2001:db8::1"},
		{"[fd00::1]:5", []string{"[2001:db8::1]"}, proxies, "2001:db8::1"},
		{"[fd00::1]:5", []string{"[2001:db8::1"}, proxies, "fd00::1"},
		{"[::ffff:10.0.0.1]:5", []string{"::ffff:7.7.7.7"}, proxies, "7.7.7.7"},
		{"[fe80::1%eth0]:5", nil, proxies, "fe80::1"},
		{"@", nil, proxies, ""},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = c.remote
		r.Header["X-Forwarded-For"] = c.forward
		if got := clientIP(c.trusted)(r); got != c.want {
			t.Errorf("from %s with %q trusting %v: %q, want %q", c.remote, c.forward, c.trusted, got, c.want)
		}
	}
}

func TestNewLogger_Redacts(t *testing.T) {
	t.Parallel()
	var buf bytes.Buffer
	log := NewLogger(&buf, slog.LevelInfo, "test").With("api_token", "canary1")
	log.WithGroup("request").Info("line\nbreak", "Authorization", "canary2", "phone", "canary3",
		slog.Group("user", "Email", "canary4"), "AppSecret", []string{"canary5"}, "route", "/v1/t", "status", 200)
	log.Debug("hidden")
	if strings.Contains(buf.String(), "canary") {
		t.Errorf("a secret is in the log: %s", &buf)
	}
	if n := strings.Count(buf.String(), "\n"); n != 1 {
		t.Errorf("%d lines, want 1: %s", n, &buf)
	}
	for _, want := range []string{`"route":"/v1/t"`, `"status":200`, `"service":"test"`} {
		if !strings.Contains(buf.String(), want) {
			t.Errorf("%s is missing in %s", want, &buf)
		}
	}
}
