package edge

import (
	"bytes"
	"crypto/sha512"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"
)

// Script is one file of the pixel as it is served.
type Script struct {
	Plain, Gzip []byte
	Hash        string // entity tag, without quotes
}

// Scripts offers the pixel's core together with modules, in one file. The names are
// sorted and none is there twice; those that it does not know it returns as missing, and
// leaves out. It answers from memory.
type Scripts func(modules []string) (s Script, missing []string)

// Limits of ?use=, which anybody can write. There are six modules.
const (
	maxModules = 32
	maxModule  = 32 // bytes of a name
)

// unreadable stands for a name that must not be repeated in a script.
const unreadable = "(a name that is none)"

// script serves the pixel. A page that asks for a module that is not there works on
// without it, and says why to who looks.
func (e *Edge) script(c echo.Context) error {
	modules, missing := readModules(c.QueryParam("use"))
	s, unknown := e.Scripts(modules)
	if missing = append(missing, unknown...); len(missing) > 0 {
		s = explained(s, missing)
	}
	header := c.Response().Header()
	tag := `"` + s.Hash + `"`
	header.Set("ETag", tag)
	header.Set(echo.HeaderCacheControl, "public, max-age=3600, stale-while-revalidate=86400")
	if len(missing) > 0 { // it may be there after an upgrade
		header.Set(echo.HeaderCacheControl, "public, max-age=300")
	}
	header.Set("Cross-Origin-Resource-Policy", "cross-origin")
	header.Add(echo.HeaderVary, echo.HeaderAcceptEncoding)
	request := c.Request().Header
	if matches(request.Get("If-None-Match"), tag) {
		return c.NoContent(http.StatusNotModified)
	}
	body := s.Plain
	if len(s.Gzip) > 0 && acceptsGzip(request.Get(echo.HeaderAcceptEncoding)) {
		header.Set(echo.HeaderContentEncoding, "gzip")
		body = s.Gzip
	}
	return c.Blob(http.StatusOK, "text/javascript; charset=utf-8", body)
}

// readModules reads the names of modules, by comma, in any order and however often.
func readModules(use string) (modules, missing []string) {
	if use == "" {
		return nil, nil
	}
	names := strings.Split(use, ",")
	if len(names) > maxModules {
		names, missing = names[:maxModules], []string{unreadable}
	}
	for _, name := range names {
		name = strings.TrimSpace(name)
		switch {
		case name == "":
		case isModule(name):
			modules = append(modules, name)
		case !slices.Contains(missing, unreadable):
			missing = append(missing, unreadable)
		}
	}
	slices.Sort(modules)
	return slices.Compact(modules), missing
}

// isModule reports whether text may be the name of a module.
func isModule(text string) bool {
	return len(text) <= maxModule && strings.Trim(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// explained is a script with a comment before it. It is not compressed: it is what a
// mistake in a tag gets.
func explained(s Script, missing []string) Script {
	plain := bytes.Join([][]byte{
		[]byte("/* Touchline: there is no module " + strings.Join(missing, ", ") + ". This is the script without. */"), s.Plain,
	}, []byte("\n"))
	sum := sha512.Sum384(plain)
	return Script{Plain: plain, Hash: "sha384-" + base64.StdEncoding.EncodeToString(sum[:])}
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
