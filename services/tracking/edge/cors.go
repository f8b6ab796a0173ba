package edge

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/touchline/touchline/services/tracking/edge/site"
)

// preflightAge is how long browsers may remember a preflight, in seconds. Chromium
// allows no more than two hours.
const preflightAge = "7200"

// crossOrigin lets any page send. There is nothing to protect from other origins: no
// cookie is read of them and none is allowed, a write key is public, and the answers say
// nothing about anybody. Old SDKs send simple requests, without a preflight, and
// need the answer's header all the same, also on errors.
//
// Only pages of the edge's own site may send cookies, and those to the pixel's endpoint:
// there its visitors have one, and its answer may name their device.
//
// Callbacks and registrations come from servers, and are left alone.
func (e *Edge) crossOrigin(next echo.HandlerFunc) echo.HandlerFunc {
	nosniff, byOrigin := []string{"nosniff"}, []string{echo.HeaderOrigin} // of all answers
	exposed := []string{strings.Join([]string{headerReceipt, headerCount, headerDropped, echo.HeaderRetryAfter}, ", ")}
	return func(c echo.Context) error {
		header := c.Response().Header()
		header[echo.HeaderXContentTypeOptions] = nosniff
		r := c.Request()
		if fromServers(r.URL.Path) {
			return next(c)
		}
		if len(header[echo.HeaderVary]) == 0 {
			header[echo.HeaderVary] = byOrigin
		} else {
			header.Add(echo.HeaderVary, echo.HeaderOrigin)
		}
		origin := r.Header.Get(echo.HeaderOrigin)
		if origin == "" {
			return next(c)
		}
		header.Set(echo.HeaderAccessControlAllowOrigin, origin)
		if e.readsCookies(r.URL.Path) {
			if host, _ := site.Origin(origin); site.Same(host, site.Host(r.Host)) {
				header.Set(echo.HeaderAccessControlAllowCredentials, "true")
			}
		}
		header[echo.HeaderAccessControlExposeHeaders] = exposed
		if r.Method != http.MethodOptions || r.Header.Get(echo.HeaderAccessControlRequestMethod) == "" {
			return next(c)
		}
		header.Add(echo.HeaderVary, echo.HeaderAccessControlRequestMethod)
		header.Add(echo.HeaderVary, echo.HeaderAccessControlRequestHeaders)
		header.Set(echo.HeaderAccessControlAllowMethods, "GET, POST, OPTIONS")
		if asked := r.Header.Get(echo.HeaderAccessControlRequestHeaders); asked != "" {
			header.Set(echo.HeaderAccessControlAllowHeaders, asked)
		}
		header.Set(echo.HeaderAccessControlMaxAge, preflightAge)
		return c.NoContent(http.StatusNoContent)
	}
}

// readsCookies reports whether a path is the pixel's endpoint, or below it.
func (e *Edge) readsCookies(path string) bool {
	below, is := strings.CutPrefix(path, e.cfg.EventPath)
	return is && (below == "" || below == handoverPath)
}

func fromServers(path string) bool {
	return strings.HasPrefix(path, "/webhooks/") || strings.HasPrefix(path, "/v1/messages")
}
