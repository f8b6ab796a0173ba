// Package shop serves the demo shop: one page with three products, a cart and a
// checkout, and Touchline's pixel as any shop would put it there. It keeps nothing.
// Called by app; imports nothing of the services.
package shop

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"time"
)

//go:embed web
var web embed.FS

// Config says where the pixel is and what it signs in with.
type Config struct {
	TrackingURL string // the tracking service as browsers reach it, e.g. http://127.0.0.1:4000
	WriteKey    string // of the demo's pixel source; public
	ScriptPath  string // of the pixel; default /p.js
	EventPath   string // that the pixel posts to; default: what it does without being told
}

// New makes the shop's handler. It fails when TrackingURL is no URL.
func New(config Config) (http.Handler, error) {
	tracking, err := url.Parse(config.TrackingURL)
	if err != nil || tracking.Host == "" {
		return nil, fmt.Errorf("read the tracking service's URL %q: %w", config.TrackingURL, err)
	}
	if config.ScriptPath == "" {
		config.ScriptPath = "/p.js"
	}
	page, err := template.ParseFS(web, "web/index.html")
	if err != nil {
		return nil, fmt.Errorf("read the shop's page: %w", err)
	}
	var rendered bytes.Buffer
	if err := page.Execute(&rendered, config); err != nil {
		return nil, fmt.Errorf("write the shop's page: %w", err)
	}
	files, err := fs.Sub(web, "web")
	if err != nil {
		return nil, fmt.Errorf("read the shop's files: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(rendered.Bytes()))
	})
	for _, name := range []string{"shop.css", "shop.js", "stub.js", "icon.svg", "mug.svg", "blanket.svg", "lamp.svg"} {
		mux.HandleFunc("GET /"+name, func(w http.ResponseWriter, r *http.Request) {
			http.ServeFileFS(w, r, files, name)
		})
	}
	return protect(mux, tracking.Scheme+"://"+tracking.Host), nil
}

// protect sets a content security policy under which nothing runs, loads or is
// sent but the shop's own files and the pixel: the pixel must work under it.
func protect(next http.Handler, tracking string) http.Handler {
	policy := "default-src 'none'; script-src 'self' " + tracking + "; connect-src " + tracking +
		"; img-src 'self' " + tracking + "; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "strict-origin-when-cross-origin")
		h.Set("Cache-Control", "no-cache")
		next.ServeHTTP(w, r)
	})
}
