package edge

import (
	"encoding/base64"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/touchline/touchline/services/internal/registry"
)

// source finds out who sends, by the key in the Authorization header, else in the
// body, else in the query. Several may be stated, if they are the same.
func (e *Edge) source(c echo.Context, inBody string) (registry.Source, error) {
	header, ok := basicUser(c.Request().Header.Get(echo.HeaderAuthorization))
	if !ok {
		return registry.Source{}, unauthorized("the Authorization header must be Basic and the base64 of the write key and a colon")
	}
	key := ""
	inQuery, short := "", ""
	if c.Request().URL.RawQuery != "" { // as a rule there is none to read
		inQuery, short = c.QueryParam("writeKey"), c.QueryParam("key")
	}
	for _, stated := range [...]string{header, inBody, inQuery, short} {
		switch {
		case stated == "" || stated == key:
		case key == "":
			key = stated
		default:
			return registry.Source{}, unauthorized("the request states two different write keys: send one, in the Authorization header, as writeKey in the body or as ?writeKey=")
		}
	}
	if key == "" {
		return registry.Source{}, unauthorized("a write key is needed: as the user name of Basic authorization, as writeKey in the body or as ?writeKey=")
	}
	return e.byKey(c, key)
}

// byKey finds the source that may send with a key: callbacks are signed instead.
func (e *Edge) byKey(c echo.Context, key string) (registry.Source, error) {
	source, err := e.Directory.ByKey(c.Request().Context(), key)
	if err != nil {
		return registry.Source{}, err
	}
	switch source.Kind {
	case registry.KindPixel, registry.KindServer:
		return source, nil
	}
	return registry.Source{}, forbidden("this key belongs to a " + source.Kind + " source, which sends signed callbacks; use the key of a pixel or server source")
}

// serverSource is source for what only a server may say.
func (e *Edge) serverSource(c echo.Context) (registry.Source, error) {
	source, err := e.source(c, "")
	if err != nil {
		return registry.Source{}, err
	}
	if source.Kind != registry.KindServer {
		return registry.Source{}, forbidden("this key belongs to a " + source.Kind + " source, and anybody can read it off a page; register messages with the key of a server source")
	}
	return source, nil
}

// basicUser returns the user name of Basic authorization; empty when there is none,
// or another scheme (OAuth senders put the key into the body). ok is false when it
// can't be read.
func basicUser(header string) (user string, ok bool) {
	scheme, encoded, _ := strings.Cut(strings.TrimSpace(header), " ")
	if !strings.EqualFold(scheme, "basic") {
		return "", true
	}
	decoded, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
	if err != nil {
		return "", false
	}
	user, _, _ = strings.Cut(string(decoded), ":")
	return user, true
}
