package e2e_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"testing"
)

// Every WhatsApp payload that others published is taken and kept; one without a
// signature is not.
func TestFixtures_WhatsApp(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, shared)
	sent := 0
	for name, body := range fixtures(t, "whatsapp") {
		var envelope struct {
			Object string          `json:"object"`
			Entry  json.RawMessage `json:"entry"`
		}
		if json.Unmarshal(body, &envelope) != nil || envelope.Object == "" {
			continue // a send request, a response or the inside of a change
		}
		sent++
		if got := w.callback(t, body); got.status != http.StatusOK || got.header.Get("Receipt") == "" || got.header.Get("X-Hit-Dropped") != "" {
			t.Errorf("%s answered %d, receipt %q, dropped %q: %s", name, got.status, got.header.Get("Receipt"), got.header.Get("X-Hit-Dropped"), got.body)
		}
		unsigned := post(t, w.tracking.URL+w.sources["whatsapp"].WebhookPath, body, nil)
		if unsigned.status < 400 || unsigned.status > 499 {
			t.Errorf("%s without a signature answered %d", name, unsigned.status)
		}
	}
	if sent < 80 {
		t.Fatalf("only %d payloads have an envelope", sent)
	}
	b := w.settle(t)
	t.Logf("%d payloads: %+v", sent, b)
	if b.Rejected != 0 || b.Stored == 0 {
		t.Errorf("books: %+v; nothing may be rejected", b)
	}
}

// fixtures reads a folder of published payloads, where there is one.
func fixtures(t *testing.T, kind string) map[string][]byte {
	t.Helper()
	corpus := os.Getenv("TOUCHLINE_CORPUS")
	if corpus == "" {
		t.Skip("skipped: TOUCHLINE_CORPUS does not name the folder of published payloads")
	}
	paths, err := filepath.Glob(filepath.Join(corpus, "fixtures", kind, "*.json"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no payloads in %s: %v", corpus, err)
	}
	bodies := make(map[string][]byte, len(paths))
	for _, path := range paths {
		if bodies[filepath.Base(path)], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
	return bodies
}

// Every captured or published call of a Segment or RudderStack SDK is replayed as
// it was sent, with our keys in place of theirs.
func TestFixtures_Segment(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, shared)
	items := int64(0)
	for name, text := range fixtures(t, "segment") {
		var call struct {
			Method, Path string
			Headers      map[string]string
			Body         json.RawMessage
			Batch        []any
		}
		if err := json.Unmarshal(text, &call); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if call.Batch != nil { // the body alone
			call.Method, call.Path, call.Body = http.MethodPost, "/v1/batch", text
		}
		if call.Method != http.MethodPost {
			continue
		}
		key := w.sources["server"].WriteKey
		got := post(t, w.tracking.URL+call.Path, replay(t, call.Body, call.Headers, key), headersOf(call.Headers, key))
		if got.status != http.StatusOK || got.header.Get("Receipt") == "" || got.header.Get("X-Hit-Dropped") != "" {
			t.Errorf("%s answered %d, receipt %q, dropped %q: %s", name, got.status, got.header.Get("Receipt"), got.header.Get("X-Hit-Dropped"), got.body)
		}
		items++
	}
	if items < 20 {
		t.Fatalf("only %d calls were replayed", items)
	}
	b := w.settle(t)
	t.Logf("%d calls: %+v", items, b)
	if b.Rejected != 0 || b.Accepted < items || b.Stored == 0 {
		t.Errorf("books: %+v; nothing may be rejected", b)
	}
}

// replay is the body as the SDK would send it with key: compressed where it was.
func replay(t *testing.T, body json.RawMessage, headers map[string]string, key string) []byte {
	t.Helper()
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		t.Fatal(err)
	}
	if _, names := fields["writeKey"]; names {
		fields["writeKey"] = json.RawMessage(`"` + key + `"`)
	}
	text, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	if headers["content-encoding"] != "gzip" {
		return text
	}
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	if _, err := zip.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

// headersOf are those that an SDK set itself, its key replaced.
func headersOf(captured map[string]string, key string) map[string]string {
	headers := map[string]string{"Authorization": basic(key)}
	for _, name := range []string{"content-type", "content-encoding", "origin", "anonymousid", "sentat", "user-agent"} {
		if value, set := captured[name]; set {
			headers[name] = value
		}
	}
	return headers
}
