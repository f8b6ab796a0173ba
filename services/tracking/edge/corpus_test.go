package edge

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/touchline/touchline/services/internal/corpustest"
	"github.com/touchline/touchline/services/internal/registry"
)

// fixtures lists payloads of a wire format from public sources, which are not ours to
// commit.
func fixtures(t *testing.T, folder string) []string {
	t.Helper()
	root := os.Getenv(corpustest.Env)
	if root == "" {
		t.Skipf("skipped: %s is not set, and this test replays the payloads of that folder", corpustest.Env)
	}
	files, err := filepath.Glob(filepath.Join(root, "fixtures", folder, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no payloads under %s: %v", corpustest.Env, err)
	}
	return files
}

func TestCorpus_WhatsApp(t *testing.T) {
	t.Parallel()
	for _, file := range fixtures(t, "whatsapp") {
		name := filepath.Base(file)
		if strings.HasPrefix(name, "send_") {
			continue // of the send API: what a business says, not what Meta calls us with
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := callbackOf(t, name, file)
			b := newBench(t)
			path := "/webhooks/whatsapp/" + whatsappID
			answer := want(t, b.do(http.MethodPost, path, body, "X-Hub-Signature-256", sign("appsecret", body)), http.StatusOK)
			if answer["rejected"] != nil {
				t.Errorf("refused: %v", answer)
			}
			if len(b.appender.all()) == 0 || len(b.appender.calls) != 1 {
				t.Errorf("%d hits in %d appends", len(b.appender.all()), len(b.appender.calls))
			}
			for _, h := range b.appender.all() {
				if h.Rejection != nil || h.Fact.Kind == "" {
					t.Errorf("not kept: %+v", h)
				}
			}
			want(t, b.do(http.MethodPost, path, body), http.StatusUnauthorized)
		})
	}
}

// callbackOf returns the body that a file stands for: files named …_value hold the
// inside of a change only.
func callbackOf(t *testing.T, name, file string) string {
	t.Helper()
	body, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	field, _, isValue := strings.Cut(name, "_value__")
	if !isValue {
		return string(body)
	}
	wrapped, err := json.Marshal(map[string]any{
		"object": "whatsapp_business_account",
		"entry":  []any{map[string]any{"id": "1", "changes": []any{map[string]any{"field": field, "value": json.RawMessage(body)}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(wrapped)
}

// capture is one request of an SDK as it was recorded.
type capture struct {
	Method  string            `json:"method"`
	Path    string            `json:"path"`
	Headers map[string]string `json:"headers"`
	Body    json.RawMessage   `json:"body"`
}

func TestCorpus_Segment(t *testing.T) {
	t.Parallel()
	for _, file := range fixtures(t, "segment") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var c capture
			if err := json.Unmarshal(text, &c); err != nil {
				t.Fatal(err)
			}
			if c.Method == "" { // a body alone, which goes to the batch path with a key
				c = capture{Method: http.MethodPost, Path: "/v1/batch", Body: text, Headers: map[string]string{"authorization": basic("WRITE_KEY")}}
			}
			replay(t, c)
		})
	}
}

// replay sends a recorded request with its own headers and checks the answer.
func replay(t *testing.T, c capture) {
	t.Helper()
	b := newBench(t)
	for i, key := range []string{"WRITE_KEY", "1aBcDeFgHiJkLmNoPqRsTuVwXyZ"} {
		b.directory.sources = append(b.directory.sources, registry.Source{ID: testSources()[i].ID, Workspace: testSources()[0].Workspace, Kind: registry.KindPixel, WriteKey: key})
	}
	body := ""
	if c.Method == http.MethodPost {
		body = string(c.Body)
	}
	if c.Headers["content-encoding"] == "gzip" {
		body = pack(t, body)
	}
	var headers []string
	for name, value := range c.Headers {
		if name != "content-length" && name != "host" {
			headers = append(headers, name, value)
		}
	}
	w := b.do(c.Method, c.Path, body, headers...)
	if origin := c.Headers["origin"]; w.Header().Get("Access-Control-Allow-Origin") != origin {
		t.Errorf("the browser at %s can't read the answer", origin)
	}
	if c.Method == http.MethodOptions {
		if w.Code != http.StatusNoContent || w.Header().Get("Access-Control-Allow-Headers") != c.Headers["access-control-request-headers"] {
			t.Errorf("preflight: %d %v", w.Code, w.Header())
		}
		return
	}
	answer := want(t, w, http.StatusOK)
	if c.Method == http.MethodGet {
		return
	}
	hits := b.appender.all()
	if len(hits) == 0 || answer["success"] != true || answer["rejected"] != nil {
		t.Fatalf("%d hits: %v", len(hits), answer)
	}
	for _, h := range hits {
		if h.Rejection != nil || h.Fact.ID == "" {
			t.Errorf("not kept: %+v", h)
		}
	}
}
