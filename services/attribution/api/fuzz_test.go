package api_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/touchline/touchline/services/internal/corpustest"
)

// fuzzBody fuzzes the body of a call, over the real router and a real database.
func fuzzBody(f *testing.F, call string) {
	f.Helper()
	flood := newFlood(f)
	c := corpustest.Seeds(f)
	values, n := c.Values(), 0
	for _, item := range bodies()[call] {
		for _, form := range corpustest.Holes(f, item) {
			for range 3 {
				f.Add(form.With(values[n%len(values)]))
				n += 7
			}
		}
		f.Add(item)
	}
	for _, text := range c.JSON {
		f.Add(string(text.Body))
	}
	_, path, _ := strings.Cut(call, " ")
	f.Fuzz(func(t *testing.T, body string) { flood.throw(t, call, path, body) })
}

func FuzzWorkspace(f *testing.F) { fuzzBody(f, "POST /v1/workspaces") }
func FuzzSource(f *testing.F)    { fuzzBody(f, "POST /v1/sources") }
func FuzzPolicy(f *testing.F)    { fuzzBody(f, "PUT /v1/policy") }

// fuzzAddress fuzzes a parameter of calls. Seeds are the strings of the corpus.
func fuzzAddress(f *testing.F, name string, calls map[string]string) {
	f.Helper()
	flood := newFlood(f)
	c := corpustest.Seeds(f)
	for _, list := range [][]string{c.Strings, c.Numbers, c.Times} {
		for _, s := range list {
			f.Add(s)
		}
	}
	f.Fuzz(func(t *testing.T, value string) {
		for call, target := range calls {
			flood.throw(t, call, strings.Replace(target, name, url.QueryEscape(value), 1), "")
		}
	})
}

// FuzzQuery fuzzes the whole query of the calls that have one.
func FuzzQuery(f *testing.F) {
	flood := newFlood(f)
	c := corpustest.Seeds(f)
	names := []string{"model", "conversion", "campaign", "template", "channel", "from", "to", "order", "limit", "cursor", "pii", "reason"}
	for i, s := range append(c.Strings, c.Times...) {
		f.Add(names[i%len(names)] + "=" + url.QueryEscape(s))
	}
	f.Fuzz(func(t *testing.T, query string) {
		if strings.ContainsAny(query, "# \x00\r\n") {
			t.Skip("no query of a request")
		}
		for _, path := range []string{"/v1/attributions", "/v1/totals", "/v1/diagnostics", "/v1/quarantine", "/v1/identity/conflicts"} {
			flood.throw(t, "GET "+path, path+"?"+query, "")
		}
	})
}

func FuzzCursor(f *testing.F) {
	fuzzAddress(f, "CURSOR", map[string]string{
		"GET /v1/attributions":       "/v1/attributions?cursor=CURSOR",
		"GET /v1/identity/conflicts": "/v1/identity/conflicts?cursor=CURSOR",
		"GET /v1/identity/shared":    "/v1/identity/shared?cursor=CURSOR",
		"GET /v1/facts/conflicts":    "/v1/facts/conflicts?cursor=CURSOR",
	})
}

func FuzzExplanation(f *testing.F) {
	fuzzAddress(f, "ID", map[string]string{"GET /v1/conversions/{id}/explanation": "/v1/conversions/ID/explanation"})
}

func FuzzComparison(f *testing.F) {
	fuzzAddress(f, "VERSION", map[string]string{"GET /v1/policy/versions/{version}/comparison": "/v1/policy/versions/VERSION/comparison"})
}
