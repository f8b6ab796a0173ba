package api

import (
	"compress/gzip"
	_ "embed"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/labstack/echo/v4"
	"github.com/swaggest/swgui/v5/static"
)

//go:embed openapi.yaml
var openapiYAML []byte

//go:embed docs/index.html
var docsPage []byte

//go:embed docs/start.js
var docsScript []byte

// docsPolicy lets the page use what this server has and nothing else. Swagger UI
// shows its pictures as data and sets styles on elements.
const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
	"connect-src 'self'; font-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// spec is the OpenAPI document in the forms it is used in.
type spec struct {
	document *openapi3.T
	json     []byte
}

func loadSpec() (*spec, error) {
	document, err := openapi3.NewLoader().LoadFromData(openapiYAML)
	if err != nil {
		return nil, fmt.Errorf("read openapi.yaml: %w", err)
	}
	asJSON, err := document.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("write openapi.json: %w", err)
	}
	return &spec{document: document, json: asJSON}, nil
}

// operation finds the call of a method and a path of the document.
func (s *spec) operation(method, path string) (*openapi3.PathItem, *openapi3.Operation) {
	item := s.document.Paths.Find(path)
	if item == nil {
		return nil, nil
	}
	return item, item.GetOperation(method)
}

func (s *spec) register(e *echo.Echo) {
	blob := func(contentType string, content []byte) echo.HandlerFunc {
		return func(c echo.Context) error {
			secureDocs(c.Response().Header())
			return c.Blob(http.StatusOK, contentType, content)
		}
	}
	e.GET("/openapi.yaml", blob("application/yaml; charset=utf-8", openapiYAML))
	e.GET("/openapi.json", blob("application/json", s.json))
	e.GET("/docs", blob("text/html; charset=utf-8", docsPage))
	e.GET("/docs/start.js", blob("text/javascript; charset=utf-8", docsScript))
	for name, contentType := range map[string]string{
		"swagger-ui.css":       "text/css; charset=utf-8",
		"swagger-ui-bundle.js": "text/javascript; charset=utf-8",
	} {
		e.GET("/docs/"+name, packed(name, contentType))
	}
}

// packed serves a file that swgui holds compressed.
func packed(name, contentType string) echo.HandlerFunc {
	return func(c echo.Context) error {
		secureDocs(c.Response().Header())
		file, err := static.FS.Open(path.Clean(name) + ".gz")
		if err != nil {
			return notFound()
		}
		defer func() { _ = file.Close() }()
		c.Response().Header().Set("Vary", "Accept-Encoding")
		c.Response().Header().Set("Cache-Control", "max-age=3600")
		if strings.Contains(c.Request().Header.Get("Accept-Encoding"), "gzip") {
			c.Response().Header().Set("Content-Encoding", "gzip")
			return c.Stream(http.StatusOK, contentType, file)
		}
		var plain io.ReadCloser
		if plain, err = gzip.NewReader(file); err != nil {
			return fmt.Errorf("unpack %s: %w", name, err)
		}
		defer func() { _ = plain.Close() }()
		return c.Stream(http.StatusOK, contentType, plain)
	}
}

func secureDocs(header http.Header) {
	header.Set("Content-Security-Policy", docsPolicy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
}
