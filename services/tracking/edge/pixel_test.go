package edge

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/touchline/touchline/services/internal/hit"
)

func TestCrossOrigin(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, path := range []string{"/v1/p", "/v1/page", "/e", "/beacon/v1/batch", "/v1/nothing"} {
		w := b.do(http.MethodOptions, path, "", "Origin", "https://shop.example",
			"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "AnonymousId, SentAt, Authorization")
		h := w.Header()
		if w.Code != http.StatusNoContent || h.Get("Access-Control-Allow-Origin") != "https://shop.example" ||
			h.Get("Access-Control-Allow-Headers") != "AnonymousId, SentAt, Authorization" ||
			!strings.Contains(h.Get("Access-Control-Allow-Methods"), "POST") || h.Get("Access-Control-Max-Age") == "" {
			t.Errorf("%s: %d %v", path, w.Code, h)
		}
		if h.Get("Access-Control-Allow-Credentials") != "" {
			t.Error("credentials allowed with any origin")
		}
		if !strings.Contains(strings.Join(h.Values("Vary"), ","), "Origin") {
			t.Error("a cache would mix up origins")
		}
	}
	// A simple request has no preflight and needs the header on whatever the answer is.
	for _, body := range []string{`{"writeKey":"pixel-key","anonymousId":"d","event":"E"}`, `nonsense`} {
		w := b.do(http.MethodPost, "/v1/t", body, "Origin", "https://shop.example", "Content-Type", "text/plain")
		if w.Header().Get("Access-Control-Allow-Origin") != "https://shop.example" {
			t.Errorf("%d: %v", w.Code, w.Header())
		}
	}
	for _, path := range []string{"/v1/messages", "/webhooks/webhook/" + webhookID} {
		w := b.do(http.MethodOptions, path, "", "Origin", "https://shop.example", "Access-Control-Request-Method", "POST")
		if w.Header().Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s is for servers", path)
		}
	}
}

func TestScript(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	w := b.do(http.MethodGet, "/p.js", "", "Accept-Encoding", "br, gzip;q=0.8")
	if w.Code != http.StatusOK || w.Body.String() != "packed" || w.Header().Get("Content-Encoding") != "gzip" {
		t.Errorf("%d %q %v", w.Code, w.Body, w.Header())
	}
	tag := w.Header().Get("ETag")
	if tag != `"sha384-x"` || !strings.Contains(w.Header().Get("Cache-Control"), "max-age=3600") {
		t.Errorf("%v", w.Header())
	}
	for _, accept := range []string{"", "gzip;q=0", "br"} {
		w = b.do(http.MethodGet, "/p.js", "", "Accept-Encoding", accept)
		if w.Body.String() != "plain" || w.Header().Get("Content-Encoding") != "" {
			t.Errorf("Accept-Encoding %q got %q", accept, w.Body)
		}
	}
	w = b.do(http.MethodHead, "/p.js", "")
	if w.Code != http.StatusOK || w.Header().Get("ETag") != tag {
		t.Errorf("HEAD: %d %v", w.Code, w.Header())
	}
	for _, stated := range []string{tag, "W/" + tag, `"x", ` + tag} {
		w = b.do(http.MethodGet, "/p.js", "", "If-None-Match", stated)
		if w.Code != http.StatusNotModified || w.Body.Len() != 0 {
			t.Errorf("If-None-Match %s: %d", stated, w.Code)
		}
	}
}

func TestScript_Modules(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, c := range []struct{ use, body, tag string }{
		{"", "plain", `"sha384-x"`},
		{",", "plain", `"sha384-x"`},
		{"forms", "plain+forms", `"sha384-forms"`},
		{" forms,,forms ", "plain+forms", `"sha384-forms"`},
		{"tcf,forms,ab-2", "/* Touchline: there is no module ab-2, tcf. This is the script without. */\nplain+forms", ""},
		{"*/alert(1)/*,tcf", "/* Touchline: there is no module (a name that is none), tcf. This is the script without. */\nplain", ""},
		{"Forms,<x>", "/* Touchline: there is no module (a name that is none). This is the script without. */\nplain", ""},
		{strings.Repeat("a", 33), "/* Touchline: there is no module (a name that is none). This is the script without. */\nplain", ""},
		{strings.Repeat("forms,", 50), "/* Touchline: there is no module (a name that is none). This is the script without. */\nplain+forms", ""},
	} {
		w := b.do(http.MethodGet, "/p.js?use="+url.QueryEscape(c.use), "")
		h := w.Header()
		if w.Code != http.StatusOK || w.Body.String() != c.body || h.Get("Content-Type") != "text/javascript; charset=utf-8" ||
			h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cross-Origin-Resource-Policy") != "cross-origin" {
			t.Errorf("use=%s: %d %q %v", c.use, w.Code, w.Body, h)
		}
		age := "max-age=3600"
		if c.tag == "" {
			age = "max-age=300"
		}
		if c.tag != "" && h.Get("ETag") != c.tag || !strings.Contains(h.Get("Cache-Control"), age) {
			t.Errorf("use=%s: %v", c.use, h)
		}
		again := b.do(http.MethodGet, "/p.js?use="+url.QueryEscape(c.use), "", "If-None-Match", h.Get("ETag"))
		if again.Code != http.StatusNotModified {
			t.Errorf("use=%s again: %d", c.use, again.Code)
		}
	}
}

// The image renews the cookie of a page of the edge's own site, and keeps consent.
func TestPixelGIF_Cookie(t *testing.T) {
	t.Parallel()
	for query, cookie := range map[string]string{
		"did=" + freshDevice:                      "_tls=" + freshDevice + "; Path=/; Max-Age=34128000; HttpOnly; Secure; SameSite=Lax",
		"did=" + freshDevice + "&consent=denied":  "",
		"did=" + freshDevice + "&cookieless=1":    "",
		"consent=unknown":                         "",
		"did=" + freshDevice + "&consent=granted": "_tls=" + freshDevice + "; Path=/; Max-Age=34128000; HttpOnly; Secure; SameSite=Lax",
	} {
		b := newBench(t)
		w := b.do(http.MethodGet, "http://t.shop.example/e.gif?key=pixel-key&"+query, "", "Referer", "https://www.shop.example/")
		if got := w.Header().Get("Set-Cookie"); w.Code != http.StatusOK || got != cookie {
			t.Errorf("%s: %d %q, want %q", query, w.Code, got, cookie)
		}
		w = b.do(http.MethodGet, "http://t.shop.example/e.gif?key=pixel-key&"+query, "", "Referer", "https://shop.test/")
		if got := w.Header().Get("Set-Cookie"); w.Code != http.StatusOK || got != "" {
			t.Errorf("%s from another site: %d %q", query, w.Code, got)
		}
	}
}

func TestPixelEvents(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	body := `{"writeKey":"pixel-key","sentAt":"2026-09-01T12:00:00.000Z","batch":[{"type":"page","messageId":"m1","anonymousId":"d1","timestamp":"2026-09-01T11:59:59.900Z","properties":{"url":"https://shop.example/?mt=tk1"}},{"type":"identify","messageId":"m2","anonymousId":"d1","userId":"u","traits":{"email":"a@b.example"}}]}`
	want(t, b.do(http.MethodPost, "/e", body, "Content-Type", "text/plain;charset=UTF-8", "Origin", "https://shop.example"), http.StatusOK)
	hits := b.appender.all()
	if len(hits) != 2 || hits[0].Fact.Page.URL != "https://shop.example/?mt=tk1" || hits[1].Fact.Identify == nil || hits[0].Fact.Trust != hit.TrustBrowser {
		t.Errorf("%+v", hits)
	}
}

func TestPixelGIF(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for target, status := range map[string]int{
		"/e.gif?key=pixel-key&did=d1&url=https%3A%2F%2Fshop.example%2F": http.StatusOK,
		"/e.gif?key=pixel-key&mt=tk":                                    http.StatusOK,
		"/e.gif?key=nobody&did=d1":                                      http.StatusUnauthorized,
		"/e.gif":                                                        http.StatusUnauthorized,
		"/e.gif?key=webhook-key":                                        http.StatusForbidden,
	} {
		w := b.do(http.MethodGet, target, "", "Referer", "https://shop.example/p")
		if w.Code != status || !strings.HasPrefix(w.Body.String(), "GIF89a") || w.Header().Get("Content-Type") != "image/gif" ||
			w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %v", target, w.Code, w.Header())
		}
	}
	views := b.appender.all()
	if len(views) != 2 {
		t.Errorf("%d views kept, want 2", len(views))
	}
	for i := range views {
		if views[i].Fact.Trust != hit.TrustBrowser {
			t.Errorf("a key that anybody can read is trusted as %d", views[i].Fact.Trust)
		}
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	body := want(t, b.do(http.MethodGet, "/v1/projects/pixel-key/settings", "", "Origin", "https://shop.example"), http.StatusOK)
	integrations, _ := body["integrations"].(map[string]any)
	destination, _ := integrations["Segment.io"].(map[string]any)
	if destination["apiKey"] != "pixel-key" || destination["apiHost"] != "t.example.com/v1" || destination["protocol"] != "https" {
		t.Errorf("%v", destination)
	}
	want(t, b.do(http.MethodGet, "/v1/projects/nobody/settings", ""), http.StatusUnauthorized)
	for _, path := range []string{"/sourceConfig/?p=npm&writeKey=pixel-key", "/sourceConfig?writeKey=pixel-key"} {
		body = want(t, b.do(http.MethodGet, path, "", "Authorization", basic("pixel-key")), http.StatusOK)
		source, _ := body["source"].(map[string]any)
		if _, ok := source["destinations"].([]any); !ok || source["id"] == "" || source["config"] == nil || source["enabled"] != true {
			t.Errorf("%v", body)
		}
	}
	want(t, b.do(http.MethodPost, "/v1/m", `{"series":[]}`, "Content-Type", "text/plain"), http.StatusOK)
	if len(b.appender.all()) != 0 {
		t.Error("an SDK's own metrics were kept")
	}
}
