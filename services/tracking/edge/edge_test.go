package edge

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/internal/httpserver"
	"github.com/touchline/touchline/services/internal/registry"
	"github.com/touchline/touchline/services/tracking/edge/handover"
	"github.com/touchline/touchline/services/tracking/edge/message"
)

// directory is a registry of fixed sources; down makes it unavailable.
type directory struct {
	sources []registry.Source
	down    bool
}

func (d *directory) find(is func(registry.Source) bool) (registry.Source, error) {
	if d.down {
		return registry.Source{}, registry.ErrUnavailable
	}
	for _, s := range d.sources {
		if is(s) {
			return s, nil
		}
	}
	return registry.Source{}, registry.ErrUnknown
}

func (d *directory) ByKey(_ context.Context, key string) (registry.Source, error) {
	return d.find(func(s registry.Source) bool { return s.WriteKey == key })
}

func (d *directory) ByID(_ context.Context, id uuid.UUID) (registry.Source, error) {
	return d.find(func(s registry.Source) bool { return s.ID == id })
}

// appender remembers what was appended; err makes it refuse, encodes makes it refuse
// what the stream's encoding does.
type appender struct {
	mu    sync.Mutex
	calls [][]hit.Hit
	err   error

	encodes bool
}

var testEpoch = uuid.MustParse("00000000-0000-7000-8000-00000000000e")

func (a *appender) Append(_ context.Context, hits []hit.Hit) (hit.Receipt, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err != nil {
		return hit.Receipt{}, a.err
	}
	for i := range hits {
		if _, err := hit.Encode(nil, &hits[i]); a.encodes && err != nil {
			return hit.Receipt{}, err
		}
	}
	number := int64(1)
	for _, call := range a.calls {
		number += int64(len(call))
	}
	a.calls = append(a.calls, hits)
	return hit.Receipt{Epoch: testEpoch, Shard: 2, Number: number}, nil
}

// all returns every hit that was appended.
func (a *appender) all() []hit.Hit {
	a.mu.Lock()
	defer a.mu.Unlock()
	var all []hit.Hit
	for _, call := range a.calls {
		all = append(all, call...)
	}
	return all
}

const (
	whatsappID = "00000000-0000-4000-8000-0000000000a1"
	webhookID  = "00000000-0000-4000-8000-0000000000a2"
)

func testSources() []registry.Source {
	workspace := uuid.MustParse("00000000-0000-4000-8000-000000000001")
	return []registry.Source{
		{ID: uuid.MustParse("00000000-0000-4000-8000-0000000000a3"), Workspace: workspace, Kind: registry.KindPixel, WriteKey: "pixel-key", Country: "NO", Name: "Shop"},
		{ID: uuid.MustParse("00000000-0000-4000-8000-0000000000a4"), Workspace: workspace, Kind: registry.KindServer, WriteKey: "server-key", Country: "NO"},
		{ID: uuid.MustParse(whatsappID), Workspace: workspace, Kind: registry.KindWhatsApp, WriteKey: "whatsapp-key", Config: registry.SourceConfig{AppSecret: "old", AppSecrets: []string{"appsecret"}, VerifyToken: "verify"}},
		{ID: uuid.MustParse(webhookID), Workspace: workspace, Kind: registry.KindWebhook, WriteKey: "webhook-key", Config: registry.SourceConfig{Secret: "hush"}},
	}
}

// bench is an edge with fakes behind it.
type bench struct {
	directory directory
	appender  appender
	metrics   *prometheus.Registry
	router    *echo.Echo
	salts     salts
}

// salts is the same secret all the time.
type salts struct{ secret []byte }

func (s *salts) Of(time.Time) []byte { return s.secret }

func testHandover(t testing.TB) handover.Key {
	t.Helper()
	key, err := handover.NewKey([]byte("a secret"))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// testScripts has one module, forms.
func testScripts(modules []string) (s Script, missing []string) {
	s = Script{Plain: []byte("plain"), Gzip: []byte("packed"), Hash: "sha384-x"}
	for _, module := range modules {
		if module == "forms" {
			s = Script{Plain: []byte("plain+forms"), Gzip: []byte("packed+forms"), Hash: "sha384-forms"}
		} else {
			missing = append(missing, module)
		}
	}
	return s, missing
}

var testNow = time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)

func newBench(t testing.TB, change ...func(*Config)) *bench {
	t.Helper()
	b := &bench{directory: directory{sources: testSources()}, metrics: prometheus.NewRegistry()}
	tokens, err := message.Tokens([]byte("a secret"))
	if err != nil {
		t.Fatal(err)
	}
	b.router = httpserver.New(httpserver.Config{Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	cfg := Config{
		MaxItem: 32 << 10, MaxBody: 500 << 10, MaxWebhook: 4 << 20,
		ScriptPath: "/p.js", EventPath: "/e", GIFPath: "/e.gif", PublicURL: "https://t.example.com",
	}
	for _, c := range change {
		c(&cfg)
	}
	New(cfg, Deps{
		Directory: &b.directory, Appender: &b.appender, Tokens: tokens,
		Scripts: testScripts, Salts: &b.salts, Handover: testHandover(t),
		Metrics: NewMetrics(b.metrics), Now: func() time.Time { return testNow },
	}).Register(b.router)
	return b
}

// do sends a request; headers come in pairs.
func (b *bench) do(method, target, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	b.router.ServeHTTP(w, r)
	return w
}

func basic(key string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(key+":"))
}

func sign(secret, body string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body))
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

func pack(t *testing.T, body string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(body)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// want checks a status and returns the body as JSON.
func want(t *testing.T, w *httptest.ResponseRecorder, status int) map[string]any {
	t.Helper()
	if w.Code != status {
		t.Fatalf("status %d, want %d: %s", w.Code, status, w.Body)
	}
	if status >= 400 && w.Header().Get("Content-Type") != httpserver.ContentType {
		t.Errorf("an error of type %q", w.Header().Get("Content-Type"))
	}
	var body map[string]any
	if w.Body.Len() > 0 && json.Unmarshal(w.Body.Bytes(), &body) != nil {
		t.Fatalf("not JSON: %s", w.Body)
	}
	return body
}

func TestSegment_EveryPath(t *testing.T) {
	t.Parallel()
	for path, call := range segmentPaths() {
		for _, suffix := range []string{"", "/"} {
			b := newBench(t)
			body := `{"userId":"u","messageId":"m","event":"E","previousId":"p","writeKey":"server-key"}`
			if call == "batch" {
				body = `{"writeKey":"server-key","batch":[{"type":"track","userId":"u","messageId":"m","event":"E"}]}`
			}
			w := b.do(http.MethodPost, path+suffix, body, "Content-Type", "text/plain")
			if answer := want(t, w, http.StatusOK); answer["success"] != true || answer["rejected"] != nil {
				t.Errorf("%s: %s", path+suffix, w.Body)
			}
			hits := b.appender.all()
			if len(hits) != 1 || hits[0].Fact.ID != "m" || hits[0].Fact.Trust != hit.TrustServer {
				t.Errorf("%s: %+v", path+suffix, hits)
			}
			if got := w.Header().Get("Receipt"); got != testEpoch.String()+"-2-1" {
				t.Errorf("%s: receipt %q", path, got)
			}
		}
	}
}

func TestSegment_TellsWhatItRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	body := `{"batch":[{"type":"track","event":"E"},{"type":"track","event":"E","userId":"u","messageId":"ok"},{"type":"nope","userId":"u"},
	 {"type":"track","userId":"u","event":"Big","messageId":"big","properties":{"x":"` + strings.Repeat("x", 33<<10) + `"}}]}`
	w := b.do(http.MethodPost, "/v1/batch", body, "Authorization", basic("pixel-key"))
	answer := want(t, w, http.StatusOK)
	rejected, _ := answer["rejected"].([]any)
	if len(rejected) != 3 || answer["success"] != true {
		t.Fatalf("%s", w.Body)
	}
	for i, wanted := range []struct {
		index  float64
		reason string
	}{{0, "no_identifier"}, {2, "unknown_type"}, {3, "too_large"}} {
		got, _ := rejected[i].(map[string]any)
		if got["index"] != wanted.index || got["reason"] != wanted.reason {
			t.Errorf("rejected %d: %v", i, got)
		}
	}
	if got := w.Header().Get("X-Hit-Dropped"); got != "no_identifier, unknown_type, too_large" {
		t.Errorf("X-Hit-Dropped %q", got)
	}
	hits := b.appender.all()
	if len(hits) != 4 || len(b.appender.calls) != 1 || w.Header().Get("Receipt-Count") != "4" {
		t.Fatalf("%d hits in %d calls", len(hits), len(b.appender.calls))
	}
	big := hits[3]
	if big.Rejection == nil || big.Rejection.Reason != "too_large" || len(big.Rejection.Raw) != 32<<10 || big.Fact.Kind != "" ||
		big.Fact.Source != testSources()[0].ID || big.Workspace != testSources()[0].Workspace {
		t.Errorf("a refused item must be a hit of its source with a capped rejection: %+v", big.Fact)
	}
	if hits[1].Rejection != nil || hits[1].Fact.Trust != hit.TrustBrowser {
		t.Errorf("%+v", hits[1])
	}
}

func TestSegment_Keys(t *testing.T) {
	t.Parallel()
	item := `"userId":"u","event":"E"}`
	for _, c := range []struct {
		name, target, body, authorization string
		status                            int
		says                              string
	}{
		{"in the header", "/v1/track", `{` + item, basic("server-key"), 200, ""},
		{"in header and body", "/v1/track", `{"writeKey":"server-key",` + item, basic("server-key"), 200, ""},
		{"in the query", "/v1/track?writeKey=server-key", `{` + item, "", 200, ""},
		{"in the body beside OAuth", "/v1/track", `{"writeKey":"server-key",` + item, "Bearer xyz", 200, ""},
		{"two that differ", "/v1/track", `{"writeKey":"pixel-key",` + item, basic("server-key"), 401, "two different write keys"},
		{"query and body differ", "/v1/track?writeKey=pixel-key", `{"writeKey":"server-key",` + item, "", 401, "two different write keys"},
		{"none", "/v1/track", `{` + item, "", 401, "is needed"},
		{"unknown", "/v1/track", `{` + item, basic("nobody"), 401, "no enabled source"},
		{"not base64", "/v1/track", `{` + item, "Basic ???", 401, "base64"},
		{"of a webhook source", "/v1/track", `{` + item, basic("webhook-key"), 403, "webhook source"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			headers := []string{"Origin", "https://shop.example"}
			if c.authorization != "" {
				headers = append(headers, "Authorization", c.authorization)
			}
			w := b.do(http.MethodPost, c.target, c.body, headers...)
			answer := want(t, w, c.status)
			detail, _ := answer["detail"].(string)
			if !strings.Contains(detail, c.says) {
				t.Errorf("says %q", detail)
			}
			if w.Header().Get("Access-Control-Allow-Origin") != "https://shop.example" {
				t.Error("a browser can't read this answer")
			}
			if kept := len(b.appender.all()); (kept == 1) != (c.status == 200) {
				t.Errorf("%d hits kept", kept)
			}
		})
	}
}

func TestSegment_Bodies(t *testing.T) {
	t.Parallel()
	good := `{"userId":"u","event":"E","messageId":"m"}`
	for _, c := range []struct {
		name, body string
		headers    []string
		status     int
	}{
		{"gzip labelled as a form", pack(t, good), []string{"Content-Encoding", "gzip", "Content-Type", "application/x-www-form-urlencoded"}, 200},
		{"gzip without a label", pack(t, good), nil, 200},
		{"plain labelled gzip", good, []string{"Content-Encoding", "gzip"}, 200},
		{"brotli", good, []string{"Content-Encoding", "br"}, 415},
		{"no JSON", `userId=u`, []string{"Content-Type", "application/x-www-form-urlencoded"}, 400},
		{"empty", ``, nil, 400},
		{"an array", `[]`, nil, 400},
		{"cut off", good[:20], nil, 400},
		{"over the limit", `{"userId":"u","event":"E","x":"` + strings.Repeat("x", 501<<10) + `"}`, nil, 413},
		{"a bomb", pack(t, `{"x":"`+strings.Repeat("x", 5<<20)+`"}`), []string{"Content-Encoding", "gzip"}, 413},
		{"too deep", `{"userId":"u","event":"E","properties":{"a":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}}`, nil, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			w := b.do(http.MethodPost, "/v1/track", c.body, append([]string{"Authorization", basic("server-key")}, c.headers...)...)
			want(t, w, c.status)
			if c.name == "too deep" && w.Header().Get("X-Hit-Dropped") != "malformed" {
				t.Errorf("%s", w.Body)
			}
		})
	}
}
