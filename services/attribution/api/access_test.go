package api_test

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/token"
)

// allowed is the table of who may do what, written a second time by hand: letters for
// platform, admin, analyst, viewer. A new call without a line here fails.
func allowed() map[string]string {
	return map[string]string{
		"POST /v1/workspaces":        "p",
		"DELETE /v1/workspaces/{id}": "pa",
		"GET /v1/workspaces/current": "panv",
		"GET /v1/sources":            "panv",
		"POST /v1/sources":           "pa",
		"GET /v1/policy":             "panv",
		"PUT /v1/policy":             "pa",
		"GET /v1/policy/versions":    "panv",
		"GET /v1/ingestion":          "panv",
		"GET /v1/quarantine":         "pa",
		"GET /v1/quarantine/{id}":    "pa",
		"POST /v1/quarantine/replay": "pa",
		"POST /v1/quarantine/drop":   "pa",
		"GET /v1/ingestion/gaps":     "p",
		"GET /v1/attributions":       "panv",
		"GET /v1/totals":             "panv",
		"GET /v1/diagnostics":        "panv",
		"GET /v1/identity/conflicts": "panv",
		"GET /v1/identity/shared":    "panv",
		"GET /v1/facts/conflicts":    "panv",

		"GET /v1/conversions/{id}/explanation":         "panv",
		"GET /v1/policy/versions/{version}/comparison": "panv",
	}
}

// spec lists the calls of the served document as "METHOD /path".
func (r *rig) spec() []string {
	r.t.Helper()
	document, err := openapi3.NewLoader().LoadFromData(r.call(http.MethodGet, "/openapi.yaml", "", nil).body)
	if err != nil {
		r.t.Fatal(err)
	}
	var calls []string
	for path, item := range document.Paths.Map() {
		for method := range item.Operations() {
			calls = append(calls, method+" "+path)
		}
	}
	return calls
}

// bodies that each call understands, so that what is refused is the caller.
func bodyOf(call string) any {
	switch call {
	case "POST /v1/workspaces":
		return map[string]any{"name": "n", "currency": "NOK", "timezone": "UTC"}
	case "POST /v1/sources":
		return map[string]any{"kind": "pixel", "name": "n"}
	case "POST /v1/quarantine/replay", "POST /v1/quarantine/drop":
		return map[string]any{"reason": "none"}
	case "PUT /v1/policy":
		return map[string]any{}
	}
	return nil
}

func TestAccess_EveryCallAndRole(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	workspace, _ := r.workspace(nil)
	other, _ := r.workspace(nil)
	letters := map[token.Role]string{token.Platform: "p", token.Admin: "a", token.Analyst: "n", token.Viewer: "v"}
	table := allowed()
	for _, call := range r.spec() {
		if _, listed := table[call]; !listed {
			t.Errorf("%s has no line in the table of this test", call)
			continue
		}
		method, path, _ := strings.Cut(call, " ")
		path = strings.NewReplacer("{id}", other.String(), "{version}", "1").Replace(path)
		for role, letter := range letters {
			var headers []string
			if role == token.Platform {
				if method == http.MethodDelete {
					continue // it would succeed, see TestDeleteWorkspace
				}
				headers = []string{"X-Workspace", workspace.String()}
			}
			got := r.call(method, path, r.token(role, workspace), bodyOf(call), headers...)
			may := strings.Contains(table[call], letter)
			refused := got.status == http.StatusForbidden
			if may == refused || got.status == http.StatusUnauthorized || got.status >= 500 {
				t.Errorf("%s as %s: %d %s\n%s", call, role, got.status, got.body, r.log)
			}
			if method == http.MethodDelete && may && got.status != http.StatusNotFound {
				t.Errorf("%s of another workspace as %s: %d", call, role, got.status)
			}
		}
	}
}

func TestAccess_NothingForAForgedToken(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	workspace, _ := r.workspace(nil)
	good := r.token(token.Admin, workspace)
	claims := func(change func(jwt.MapClaims)) jwt.MapClaims {
		c := jwt.MapClaims{
			"iss": "touchline", "aud": "touchline-api", "sub": "x", "role": "admin", "ws": workspace.String(),
			"exp": time.Now().Add(time.Hour).Unix(),
		}
		change(c)
		return c
	}
	sign := func(method jwt.SigningMethod, kid string, c jwt.MapClaims) string {
		unsigned := jwt.NewWithClaims(method, c)
		unsigned.Header["kid"] = kid
		var key any = jwtSecret
		if method == jwt.SigningMethodNone {
			key = jwt.UnsafeAllowNoneSignatureType
		}
		return must(unsigned.SignedString(key))(t)
	}
	same := func(jwt.MapClaims) {}
	forged := map[string]string{
		"none":           "",
		"nonsense":       "x.y.z",
		"expired":        sign(jwt.SigningMethodHS256, "k1", claims(func(c jwt.MapClaims) { c["exp"] = time.Now().Add(-time.Minute).Unix() })),
		"wrong audience": sign(jwt.SigningMethodHS256, "k1", claims(func(c jwt.MapClaims) { c["aud"] = "other" })),
		"alg none":       sign(jwt.SigningMethodNone, "k1", claims(same)),
		"alg HS512":      sign(jwt.SigningMethodHS512, "k1", claims(same)),
		"unknown kid":    sign(jwt.SigningMethodHS256, "k2", claims(same)),
		"role changed":   swapBody(good, `{"role":"platform"}`),
	}
	for _, call := range r.spec() {
		method, path, _ := strings.Cut(call, " ")
		path = strings.ReplaceAll(path, "{id}", workspace.String())
		for name, bearer := range forged {
			got := r.call(method, path, bearer, bodyOf(call), "X-Workspace", workspace.String())
			if got.status != http.StatusUnauthorized || got.header.Get("WWW-Authenticate") == "" {
				t.Errorf("%s with %s: %d %s", call, name, got.status, got.body)
			}
		}
		// A token does not stand in an address.
		if got := r.call(method, path+"?access_token="+good, "", bodyOf(call)); got.status != http.StatusUnauthorized {
			t.Errorf("%s with the token in the address: %d", call, got.status)
		}
	}
}

// swapBody keeps header and signature of a token.
func swapBody(text, body string) string {
	parts := strings.Split(text, ".")
	parts[1] = base64.RawURLEncoding.EncodeToString([]byte(body))
	return strings.Join(parts, ".")
}

// Another workspace's object and one that does not exist answer alike.
func TestAccess_OtherWorkspacesAreNotThere(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	workspace, _ := r.workspace(nil)
	other, _ := r.workspace(nil)
	for _, call := range r.spec() {
		method, path, _ := strings.Cut(call, " ")
		if call == "POST /v1/workspaces" || call == "GET /v1/ingestion/gaps" || strings.Contains(path, "{id}") {
			continue // of no one workspace, or of one object
		}
		path = strings.ReplaceAll(path, "{version}", "1")
		theirs := r.call(method, path, r.token(token.Admin, workspace), bodyOf(call), "X-Workspace", other.String())
		nobodys := r.call(method, path, r.token(token.Admin, workspace), bodyOf(call), "X-Workspace", uuid.NewString())
		if theirs.status != http.StatusNotFound || string(theirs.body) != string(nobodys.body) {
			t.Errorf("%s: %d %s, of none %d %s", call, theirs.status, theirs.body, nobodys.status, nobodys.body)
		}
		gone := r.call(method, path, r.token(token.Platform, uuid.Nil), bodyOf(call), "X-Workspace", uuid.NewString())
		if gone.status != http.StatusNotFound {
			t.Errorf("%s in a workspace that is not there: %d %s", call, gone.status, gone.body)
		}
	}
	for _, header := range []string{"", "no-uuid"} {
		var headers []string
		if header != "" {
			headers = []string{"X-Workspace", header}
		}
		got := r.call(http.MethodGet, "/v1/policy", r.token(token.Platform, uuid.Nil), nil, headers...)
		if got.status != http.StatusBadRequest {
			t.Errorf("platform with X-Workspace %q: %d", header, got.status)
		}
	}
}

func TestValidation_NamesEveryFault(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	workspace, admin := r.workspace(nil)
	platform := r.token(token.Platform, uuid.Nil)
	for name, c := range map[string]struct {
		method, path, bearer string
		body                 any
		status               int
		pointers             []string
	}{
		"workspace":         {"POST", "/v1/workspaces", platform, map[string]any{"name": "", "currency": "nok", "timezone": "UTC"}, 422, []string{"/currency", "/name"}},
		"names that do not": {"POST", "/v1/workspaces", platform, map[string]any{"name": " ", "currency": "QQQ", "timezone": "Mars/Base", "country": "QX"}, 422, []string{"/country", "/currency", "/name", "/timezone"}},
		"local time":        {"POST", "/v1/workspaces", platform, map[string]any{"name": "x", "currency": "NOK", "timezone": "Local"}, 422, []string{"/timezone"}},
		"no JSON":           {"POST", "/v1/workspaces", platform, "{", 400, []string{}},
		"source kind":       {"POST", "/v1/sources", admin, map[string]any{"kind": "fax", "name": "x"}, 422, []string{"/kind"}},
		"whatsapp config":   {"POST", "/v1/sources", admin, map[string]any{"kind": "whatsapp", "name": "x"}, 422, []string{"/config/app_secret", "/config/verify_token"}},
		"useless config":    {"POST", "/v1/sources", admin, map[string]any{"kind": "pixel", "name": "x", "config": map[string]any{"secret": "12345678"}}, 422, []string{"/config/secret"}},
		"useless cookie":    {"POST", "/v1/sources", admin, map[string]any{"kind": "server", "name": "x", "config": map[string]any{"cookie": map[string]any{}}}, 422, []string{"/config/cookie"}},
		"cookie":            {"POST", "/v1/sources", admin, map[string]any{"kind": "pixel", "name": "x", "config": map[string]any{"cookie": map[string]any{"name": "a=b", "days": 401}}}, 422, []string{"/config/cookie/days", "/config/cookie/name"}},
		"limit":             {"GET", "/v1/attributions?limit=1001", admin, nil, 400, []string{"?limit"}},
		"unknown model":     {"GET", "/v1/attributions?model=lats_touch", admin, nil, 400, []string{"?model"}},
		"limit zero":        {"GET", "/v1/attributions?limit=0", admin, nil, 400, []string{"?limit"}},
		"time":              {"GET", "/v1/attributions?from=yesterday", admin, nil, 400, []string{"?from"}},
		"times swapped":     {"GET", "/v1/attributions?from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z", admin, nil, 400, []string{"?to"}},
		"unknown filter":    {"GET", "/v1/attributions?filter=linear", admin, nil, 400, []string{"?filter"}},
		"filter twice":      {"GET", "/v1/attributions?model=linear&model=x", admin, nil, 400, []string{"?model"}},
		"cursor":            {"GET", "/v1/attributions?cursor=abc", admin, nil, 400, []string{"?cursor"}},
		"policy":            {"PUT", "/v1/policy", admin, map[string]any{"models": []string{"magic"}, "windows": []any{map[string]any{"seconds": -1}}}, 422, []string{"/models/0", "/windows/0/seconds"}},
		"policy no object":  {"PUT", "/v1/policy", admin, "[]", 400, []string{}},
		"policy no JSON":    {"PUT", "/v1/policy", admin, "{", 400, []string{}},
		"path":              {"DELETE", "/v1/workspaces/no-uuid", platform, nil, 400, []string{"path id"}},
	} {
		got := r.pointers(r.call(c.method, c.path, c.bearer, c.body), c.status)
		slices.Sort(got)
		if !slices.Equal(got, c.pointers) {
			t.Errorf("%s: %v, want %v", name, got, c.pointers)
		}
	}
	form := r.call("POST", "/v1/sources", admin, "kind=pixel", "Content-Type", "application/x-www-form-urlencoded")
	if form.status != http.StatusUnsupportedMediaType {
		t.Errorf("a form: %d %s", form.status, form.body)
	}
	large := r.call("PUT", "/v1/policy", admin, `{"x":"`+strings.Repeat("a", 1<<20)+`"}`)
	if large.status != http.StatusRequestEntityTooLarge {
		t.Errorf("a large body: %d", large.status)
	}
	_ = workspace
}

func TestDocs_AreServedWithoutInlineScript(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for path, contentType := range map[string]string{
		"/openapi.yaml": "application/yaml", "/openapi.json": "application/json", "/docs": "text/html",
		"/docs/start.js": "text/javascript", "/docs/swagger-ui.css": "text/css", "/docs/swagger-ui-bundle.js": "text/javascript",
	} {
		got := r.call(http.MethodGet, path, "", nil)
		if got.status != http.StatusOK || !strings.HasPrefix(got.header.Get("Content-Type"), contentType) || len(got.body) < 100 {
			t.Errorf("%s: %d %s, %d bytes", path, got.status, got.header.Get("Content-Type"), len(got.body))
		}
		if policy := got.header.Get("Content-Security-Policy"); !strings.Contains(policy, "script-src 'self';") {
			t.Errorf("%s: policy %q", path, policy)
		}
	}
	var document struct {
		OpenAPI string `json:"openapi"`
	}
	r.call(http.MethodGet, "/openapi.json", "", nil).into(t, http.StatusOK, &document)
	if !strings.HasPrefix(document.OpenAPI, "3.1") {
		t.Errorf("version %q", document.OpenAPI)
	}
}
