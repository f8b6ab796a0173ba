package edge

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"
)

// preflightAge is how long browsers may remember a preflight, in seconds. Chromium
// allows no more than two hours.
const preflightAge = "7200"

// crossOrigin lets any page send. There is nothing to protect from other origins: no
// cookie is read and none is allowed, a write key is public, and the answers say
// nothing about anybody. Old SDKs send simple requests, without a preflight, and
// need the answer's header all the same, also on errors.
//
// Callbacks and registrations come from servers, and are left alone.
func crossOrigin(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		header := c.Response().Header()
		header.Set(echo.HeaderXContentTypeOptions, "nosniff")
		r := c.Request()
		if fromServers(r.URL.Path) {
			return next(c)
		}
		header.Add(echo.HeaderVary, echo.HeaderOrigin)
		origin := r.Header.Get(echo.HeaderOrigin)
		if origin == "" {
			return next(c)
		}
		header.Set(echo.HeaderAccessControlAllowOrigin, origin)
		header.Set(echo.HeaderAccessControlExposeHeaders, strings.Join([]string{headerReceipt, headerCount, headerDropped, echo.HeaderRetryAfter}, ", "))
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

func fromServers(path string) bool {
	return strings.HasPrefix(path, "/webhooks/") || strings.HasPrefix(path, "/v1/messages")
}
