package e2e_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/touchline/touchline/services/e2e/stack"
)

// answer is a response of the tracking service.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// post sends a body as it is, again when it is told to come back later.
func post(t *testing.T, url string, body []byte, header map[string]string) answer {
	t.Helper()
	for end := time.Now().Add(stack.Later); ; time.Sleep(250 * time.Millisecond) {
		if got := postOnce(t, url, body, header); !stack.Busy(got.status) || time.Now().After(end) {
			return got
		}
	}
}

func postOnce(t *testing.T, url string, body []byte, header map[string]string) answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range header {
		request.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, text}
}

// send posts JSON with the server key and fails unless it is taken whole.
func (w workspace) send(t *testing.T, path string, body any) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	got := post(t, w.tracking.URL+path, text, map[string]string{"Authorization": basic(w.sources["server"].WriteKey), "Content-Type": "application/json"})
	if got.status != http.StatusOK || got.header.Get("Receipt") == "" || bytes.Contains(got.body, []byte(`"rejected"`)) {
		t.Fatalf("POST %s answered %d, receipt %q: %s", path, got.status, got.header.Get("Receipt"), got.body)
	}
	w.took(t, got)
}

// took notes what an answer says to be safe, for settle.
func (w workspace) took(t *testing.T, got answer) {
	t.Helper()
	if got.header.Get("Receipt") == "" {
		return // there was nothing in it
	}
	n, err := strconv.ParseInt(got.header.Get("Receipt-Count"), 10, 64)
	if err != nil {
		t.Fatalf("receipt of how many: %v", err)
	}
	w.taken.Add(n)
}

// basic is the Authorization header that has a key as its user.
func basic(key string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(key+":")) }

// callback signs body as Meta does and delivers it.
func (w workspace) callback(t *testing.T, body []byte) answer {
	t.Helper()
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	got := post(t, w.tracking.URL+w.sources["whatsapp"].WebhookPath, body, map[string]string{
		"Content-Type": "application/json", "X-Hub-Signature-256": "sha256=" + hex.EncodeToString(mac.Sum(nil)),
	})
	w.took(t, got)
	return got
}
