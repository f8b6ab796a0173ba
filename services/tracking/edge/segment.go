package edge

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/internal/registry"
	"github.com/touchline/touchline/services/tracking/edge/segment"
)

// segment handles the calls of Segment's and RudderStack's SDKs.
func (e *Edge) segment(call segment.Call) echo.HandlerFunc {
	return func(c echo.Context) error {
		return e.calls(c, func(body []byte, meta segment.Meta) (segment.Request, error) {
			return segment.Decode(body, call, meta)
		})
	}
}

// calls reads a body of SDK calls, of which there may be one or many, and keeps them.
func (e *Edge) calls(c echo.Context, decode func([]byte, segment.Meta) (segment.Request, error)) error {
	at := hit.InstantOf(e.Now())
	body, err := e.body(c)
	if err != nil {
		return err
	}
	r, err := decode(body, segment.Meta{SentAt: c.Request().Header.Get("SentAt"), ReceivedAt: at})
	if err != nil {
		return err
	}
	source, err := e.source(c, r.WriteKey)
	if err != nil {
		return err
	}
	return e.answer(c, request{source: source, trust: source.Trust(), items: r.Items, at: at, maxItem: e.cfg.MaxItem})
}

// sdkMetrics takes what SDKs report of themselves, and keeps nothing.
func (e *Edge) sdkMetrics(c echo.Context) error {
	return c.JSON(http.StatusOK, accepted{Success: true})
}

// segmentSettings answers analytics-next, which does not start without its settings.
func (e *Edge) segmentSettings(c echo.Context) error {
	key, err := url.PathUnescape(c.Param("key"))
	if err != nil {
		return registry.ErrUnknown
	}
	if _, err := e.byKey(c, key); err != nil {
		return err
	}
	destination := map[string]any{"apiKey": key, "unbundledIntegrations": []string{}, "addBundledMetadata": true}
	if public, err := url.Parse(e.cfg.PublicURL); err == nil && public.Host != "" {
		destination["apiHost"] = public.Host + strings.TrimSuffix(public.Path, "/") + "/v1"
		destination["protocol"] = public.Scheme
	}
	shown := map[string]any{"enabled": true, "integrations": map[string]any{}}
	return e.settings(c, map[string]any{
		"integrations": map[string]any{"Segment.io": destination},
		"plan": map[string]any{
			"track":    map[string]any{"__default": shown},
			"identify": map[string]any{"__default": shown},
			"group":    map[string]any{"__default": shown},
		},
		"edgeFunction":              map[string]any{},
		"middlewareSettings":        map[string]any{},
		"enabledMiddleware":         map[string]any{},
		"remotePlugins":             []any{},
		"metrics":                   map[string]any{"sampleRate": 0},
		"legacyVideoPluginsEnabled": false,
	})
}

// rudderConfig answers RudderStack's browser SDK, which does nothing without it.
func (e *Edge) rudderConfig(c echo.Context) error {
	source, err := e.source(c, "")
	if err != nil {
		return err
	}
	off := map[string]any{"enabled": false}
	return e.settings(c, map[string]any{"source": map[string]any{
		"id": source.ID.String(), "name": source.Name, "enabled": true, "workspaceId": source.Workspace.String(),
		"writeKey": source.WriteKey, "destinations": []any{}, "connections": []any{},
		"config": map[string]any{"statsCollection": map[string]any{"errors": off, "metrics": off}},
	}})
}

// settings answers what an SDK starts with; it changes when a source does, so that
// minutes of caching are enough to matter and little enough to wait for.
func (e *Edge) settings(c echo.Context, body map[string]any) error {
	c.Response().Header().Set(echo.HeaderCacheControl, "private, max-age=300")
	return c.JSON(http.StatusOK, body)
}
