package edge

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/internal/httpserver"
	"github.com/touchline/touchline/services/internal/registry"
	"github.com/touchline/touchline/services/tracking/edge/pixel"
	"github.com/touchline/touchline/services/tracking/intake"
)

// gif is one transparent pixel.
const gif = "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"

// script serves the pixel.
func (e *Edge) script(c echo.Context) error {
	header := c.Response().Header()
	tag := `"` + e.Script.Hash + `"`
	header.Set("ETag", tag)
	header.Set(echo.HeaderCacheControl, "public, max-age=3600, stale-while-revalidate=86400")
	header.Set("Cross-Origin-Resource-Policy", "cross-origin")
	header.Add(echo.HeaderVary, echo.HeaderAcceptEncoding)
	request := c.Request().Header
	if matches(request.Get("If-None-Match"), tag) {
		return c.NoContent(http.StatusNotModified)
	}
	body := e.Script.Plain
	if len(e.Script.Gzip) > 0 && acceptsGzip(request.Get(echo.HeaderAcceptEncoding)) {
		header.Set(echo.HeaderContentEncoding, "gzip")
		body = e.Script.Gzip
	}
	return c.Blob(http.StatusOK, "text/javascript; charset=utf-8", body)
}

// matches reports whether an If-None-Match names the tag. Proxies that compress make
// tags weak.
func matches(ifNoneMatch, tag string) bool {
	for _, stated := range strings.Split(ifNoneMatch, ",") {
		stated = strings.TrimPrefix(strings.TrimSpace(stated), "W/")
		if stated == tag || stated == "*" {
			return true
		}
	}
	return false
}

func acceptsGzip(accept string) bool {
	for _, coding := range strings.Split(accept, ",") {
		name, weight, _ := strings.Cut(strings.TrimSpace(coding), ";")
		if strings.TrimSpace(name) == "gzip" {
			return strings.ReplaceAll(weight, " ", "") != "q=0"
		}
	}
	return false
}

// pixelEvents takes what the pixel sends.
func (e *Edge) pixelEvents(c echo.Context) error { return e.calls(c, pixel.Decode) }

// pixelGIF takes a page view of a page or mail that runs no script. The answer is an
// image whatever happens; what happened is in its status and headers.
func (e *Edge) pixelGIF(c echo.Context) error {
	status := http.StatusOK
	if err := e.keepView(c); err != nil {
		status = statusOf(err)
	}
	image, err := base64.StdEncoding.DecodeString(gif)
	if err != nil {
		return err // unreachable: a constant
	}
	header := c.Response().Header()
	header.Set(echo.HeaderCacheControl, "no-store")
	header.Set("Cross-Origin-Resource-Policy", "cross-origin")
	return c.Blob(status, "image/gif", image)
}

func (e *Edge) keepView(c echo.Context) error {
	at := hit.InstantOf(e.Now())
	key := c.QueryParam("key")
	if key == "" {
		return registry.ErrUnknown
	}
	source, err := e.byKey(c, key)
	if err != nil {
		return err
	}
	item := pixel.View(c.QueryParams(), c.Request().Referer(), at)
	_, _, err = e.keep(c, request{source: source, trust: source.Trust(), items: []intake.Item{item}, at: at, maxItem: e.cfg.MaxItem})
	return err
}

// statusOf is the status of an error for an answer that can't hold the problem.
func statusOf(err error) int {
	var p *httpserver.Problem
	if errors.As(fail(err), &p) {
		return p.Status
	}
	return http.StatusInternalServerError
}
