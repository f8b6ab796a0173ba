package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/attribution/token"
	"github.com/touchline/touchline/services/internal/corpustest"
)

// flood throws bad input at the API and judges the answers.
type flood struct {
	r      *rig
	bearer map[string]string // by method and path of a call, a token that may make it
	taken  map[string]int    // calls that were answered with 2xx
}

func newFlood(t testing.TB) *flood {
	t.Helper()
	r := newRig(t)
	workspace, admin := r.workspace(nil)
	f := &flood{r: r, bearer: map[string]string{}, taken: map[string]int{}}
	platform := r.token(token.Platform, uuid.Nil)
	for path, item := range document(t).Paths.Map() {
		for method := range item.Operations() {
			f.bearer[method+" "+path] = r.token(token.Admin, workspace)
			if strings.HasPrefix(path, "/v1/workspaces") && path != "/v1/workspaces/current" {
				f.bearer[method+" "+path] = platform
			}
		}
	}
	f.bearer["GET /v1/sources"] = admin
	return f
}

func document(t testing.TB) *openapi3.T {
	t.Helper()
	return must(openapi3.NewLoader().LoadFromFile("openapi.yaml"))(t)
}

// throw makes a call and holds what must be true whatever it says: an answer in time
// that is no failure, in JSON that anybody can read, with a reason when it is no.
func (f *flood) throw(t testing.TB, call, target, body string, headers ...string) int {
	t.Helper()
	method, _, _ := strings.Cut(call, " ")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, f.r.url+target, strings.NewReader(body))
	if err != nil {
		return 0 // no client can ask for that
	}
	request.Header.Set("Authorization", "Bearer "+f.bearer[call])
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		if ctx.Err() != nil {
			t.Errorf("%s %.300q hangs", call, target)
		}
		return 0 // a header that no client can send
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Errorf("%s %.300q: %v", call, target, err)
	}
	if fault := faultOf(response, answer); fault != "" {
		t.Errorf("%s %.300q: %s\nsent %.1000q %q\nanswered %d %.1000s", call, target, fault, body, headers, response.StatusCode, answer)
	}
	if response.StatusCode < http.StatusMultipleChoices {
		f.taken[call]++
	}
	return response.StatusCode
}

// faultOf says what is wrong with an answer.
func faultOf(response *http.Response, answer []byte) string {
	kind := response.Header.Get("Content-Type")
	switch {
	case response.StatusCode >= http.StatusInternalServerError:
		return "a failure of ours"
	case response.StatusCode >= http.StatusBadRequest:
		var p problem
		if kind != "application/problem+json" || json.Unmarshal(answer, &p) != nil || p.Detail == "" && len(p.Errors) == 0 {
			return "refused without a reason"
		}
		if !utf8.Valid(answer) || bytes.Contains(answer, []byte("SQLSTATE")) {
			return "a reason that nobody should read"
		}
	case strings.HasPrefix(kind, "application/json") && (!json.Valid(answer) || !utf8.Valid(answer)):
		return "the answer is no JSON"
	}
	return ""
}

// parameters lists every parameter of every call as a function from a value to the
// address that has it, so that a new call is flooded too.
func parameters(t testing.TB) (calls []string, targets []func(value string) string) {
	t.Helper()
	for path, item := range document(t).Paths.Map() {
		for method, operation := range item.Operations() {
			filled := path
			for _, p := range operation.Parameters {
				if p.Value.In == openapi3.ParameterInPath {
					filled = strings.Replace(filled, "{"+p.Value.Name+"}", "1", 1)
				}
			}
			for _, p := range operation.Parameters {
				var target func(string) string
				switch p.Value.In {
				case openapi3.ParameterInPath:
					target = func(value string) string {
						return strings.Replace(path, "{"+p.Value.Name+"}", url.PathEscape(value), 1)
					}
				case openapi3.ParameterInQuery:
					target = func(value string) string { return filled + "?" + p.Value.Name + "=" + url.QueryEscape(value) }
				default:
					continue
				}
				calls, targets = append(calls, method+" "+path), append(targets, target)
			}
		}
	}
	if len(calls) < 30 {
		t.Fatalf("only %d parameters", len(calls))
	}
	return calls, targets
}

// bodies are the calls that take one, with every field that they read.
func bodies() map[string][]string {
	standard := policy.Default()
	return map[string][]string{
		"POST /v1/workspaces": {`{"name":"W","currency":"NOK","timezone":"Europe/Oslo","country":"NO","demo":false}`},
		"POST /v1/sources": {
			`{"kind":"whatsapp","name":"N","country":"NO","config":{"app_secret":"0123456789","app_secrets":["0123456789"],"verify_token":"v"}}`,
			`{"kind":"webhook","name":"N","config":{"secret":"0123456789"}}`,
		},
		"PUT /v1/policy": {
			string(standard.Document()), `{"models":["linear"],"half_life_seconds":604800}`,
			`{"conversions":[{"name":"n","event":"E","refund_event":"R"}]}`,
		},
	}
}

// all throws the inputs at every place, or each at a few when there are many.
func (f *flood) all(t *testing.T, c corpustest.Corpus, spread int) {
	t.Helper()
	n := 0
	due := func() bool { n++; return n%spread == 0 } // asked before the input is made: some are long
	calls, targets := parameters(t)
	for _, s := range slices.Concat(c.Strings, c.Numbers, c.Times, c.Phones) {
		for i, call := range calls {
			if due() {
				f.throw(t, call, targets[i](s), "")
			}
		}
		for _, name := range []string{"X-Workspace", "Accept", "User-Agent", "Authorization", "X-Request-Id", "Content-Type"} {
			if due() {
				f.throw(t, "GET /v1/attributions", "/v1/attributions", "", name, s)
			}
		}
	}
	values := c.Values()
	for call, items := range bodies() {
		_, path, _ := strings.Cut(call, " ")
		var forms []corpustest.Form
		for _, item := range items {
			forms = append(forms, corpustest.Holes(t, item)...)
		}
		for _, form := range forms {
			f.fill(t, call, path, form, slices.DeleteFunc(slices.Clone(values), func(string) bool { return !due() }))
		}
	}
	f.readBack(t)
}

// fill throws values at one place of a body.
func (f *flood) fill(t *testing.T, call, path string, form corpustest.Form, values []string) {
	t.Helper()
	for _, value := range values {
		f.throw(t, call, path, form.With(value))
	}
}

// readBack reads what was accepted.
func (f *flood) readBack(t testing.TB) {
	t.Helper()
	for _, call := range []string{"POST /v1/sources", "POST /v1/workspaces", "PUT /v1/policy", "GET /v1/attributions", "GET /v1/quarantine"} {
		if f.taken[call] == 0 {
			t.Errorf("%s took nothing: is it flooded at all? %v", call, f.taken)
		}
	}
	for _, path := range []string{"/v1/sources", "/v1/policy", "/v1/policy/versions", "/v1/workspaces/current", "/v1/attributions", "/v1/totals", "/v1/diagnostics"} {
		call := "GET " + path
		bearer := f.bearer[call]
		if got := f.r.call(http.MethodGet, path, bearer, nil); got.status != http.StatusOK || !json.Valid(got.body) || !utf8.Valid(got.body) {
			t.Errorf("%s: %d %.500s", path, got.status, got.body)
		}
	}
}

func TestBadInput_Own(t *testing.T) {
	t.Parallel()
	newFlood(t).all(t, corpustest.Own(), 5)
}

func TestCorpora(t *testing.T) {
	t.Parallel()
	newFlood(t).all(t, corpustest.Read(t), 1009)
}

// The JSON suite as the body of every call that takes one: what is no JSON is 400.
func TestCorpora_JSON(t *testing.T) {
	t.Parallel()
	c := corpustest.Read(t)
	f := newFlood(t)
	for call := range bodies() {
		_, path, _ := strings.Cut(call, " ")
		for _, text := range c.JSON {
			if len(text.Body) == 0 {
				continue // which is no body
			}
			got := f.throw(t, call, path, string(text.Body))
			if text.Name[0] == 'n' && got != http.StatusBadRequest || got >= 200 && got < 300 && string(bytes.TrimSpace(text.Body)) != "{}" {
				t.Errorf("%s: %s answered %d", call, text.Name, got)
			}
		}
	}
}

// A source with a bad name or secret is refused, or is there under that name.
func TestBadInput_SourcesAreReadBack(t *testing.T) {
	t.Parallel()
	f := newFlood(t)
	made := map[string]string{}
	for _, s := range corpustest.Own().Strings {
		body := fmt.Sprintf(`{"kind":"webhook","name":%s,"config":{"secret":%s}}`, corpustest.Quote(s), corpustest.Quote("12345678"+s))
		got := f.r.call(http.MethodPost, "/v1/sources", f.bearer["POST /v1/sources"], body)
		if got.status != http.StatusCreated {
			continue
		}
		var source struct{ ID string }
		got.into(t, http.StatusCreated, &source)
		made[source.ID] = strings.TrimSpace(strings.ToValidUTF8(s, "\ufffd"))
	}
	var list struct{ Data []struct{ ID, Name string } }
	f.r.call(http.MethodGet, "/v1/sources", f.bearer["GET /v1/sources"], nil).into(t, http.StatusOK, &list)
	found := 0
	for _, source := range list.Data {
		if name, ok := made[source.ID]; ok {
			found++
			if strings.ReplaceAll(source.Name, "\ufffd", "") != strings.ReplaceAll(name, "\ufffd", "") {
				t.Errorf("%q became %q", name, source.Name)
			}
		}
	}
	if found != len(made) || found < 15 {
		t.Errorf("%d of %d sources are there", found, len(made))
	}
}
