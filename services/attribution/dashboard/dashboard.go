// Package dashboard is the first page at the API's address: plain files, embedded,
// that read the REST API with the token of whoever looks at them. The page has no
// rights of its own and keeps nothing on the server.
package dashboard

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"

	"github.com/labstack/echo/v4"
)

//go:embed static
var files embed.FS

// policy lets the page load its own files and call its own API, and nothing else. No
// script or style stands in the page, and no text can become either: with trusted
// types required and none defined, assigning to innerHTML throws.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// Register serves the page at / and its files at /dashboard/.
func Register(e *echo.Echo) error {
	entries, err := fs.ReadDir(files, "static")
	if err != nil {
		return fmt.Errorf("read the dashboard: %w", err)
	}
	for _, entry := range entries {
		content, err := files.ReadFile(path.Join("static", entry.Name()))
		if err != nil {
			return fmt.Errorf("read the dashboard: %w", err)
		}
		route := "/dashboard/" + entry.Name()
		if entry.Name() == "index.html" {
			route = "/"
		}
		serve := file(entry.Name(), content)
		e.GET(route, serve)
		e.HEAD(route, serve)
	}
	return nil
}

// file serves one file with a validator, so that a browser asks each time and is told
// "not modified" until the binary is replaced.
func file(name string, content []byte) echo.HandlerFunc {
	sum := sha256.Sum256(content)
	etag := `"` + hex.EncodeToString(sum[:8]) + `"`
	contentType := mime.TypeByExtension(path.Ext(name))
	if path.Ext(name) == ".js" {
		contentType = "text/javascript; charset=utf-8" // some systems' tables say otherwise
	}
	return func(c echo.Context) error {
		header := c.Response().Header()
		header.Set("ETag", etag)
		header.Set("Cache-Control", "no-cache")
		header.Set("Content-Security-Policy", policy)
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		if c.Request().Header.Get("If-None-Match") == etag {
			return c.NoContent(http.StatusNotModified)
		}
		return c.Blob(http.StatusOK, contentType, content)
	}
}
