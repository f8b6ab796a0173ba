package edge

import (
	"encoding/base64"
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/internal/httpserver"
	"github.com/touchline/touchline/services/internal/registry"
	"github.com/touchline/touchline/services/tracking/edge/pixel"
	"github.com/touchline/touchline/services/tracking/edge/segment"
	"github.com/touchline/touchline/services/tracking/intake"
)

// gif is one transparent pixel.
const gif = "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"

// pixelEvents takes what the pixel sends. Its answer may hold a cookie.
func (e *Edge) pixelEvents(c echo.Context) error {
	at := hit.InstantOf(e.Now())
	body, err := e.body(c)
	if err != nil {
		return err
	}
	r, err := pixel.Decode(body, segment.Meta{SentAt: c.Request().Header.Get("SentAt"), ReceivedAt: at})
	if err != nil {
		return err
	}
	source, err := e.source(c, r.WriteKey)
	if err != nil {
		return err
	}
	v := e.visitor(c, source, at)
	v.state = r.Consent
	v.settle(r.Items, r.Asks)
	_, rejected, err := e.keep(c, request{source: source, trust: source.Trust(), items: r.Items, at: at, maxItem: e.cfg.MaxItem})
	if err != nil {
		return err
	}
	v.setCookie()
	return c.JSON(http.StatusOK, accepted{Success: true, Rejected: rejected, AnonymousID: v.answer})
}

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
	r := c.Request()
	item, ask := pixel.View(c.QueryParams(), pixel.Sent{Referer: r.Referer(), GPC: r.Header.Get(headerGPC) == "1", ReceivedAt: at})
	items := []intake.Item{item}
	v := e.visitor(c, source, at)
	v.settle(items, []pixel.Ask{ask})
	_, _, err = e.keep(c, request{source: source, trust: source.Trust(), items: items, at: at, maxItem: e.cfg.MaxItem})
	if err == nil {
		v.setCookie()
	}
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
