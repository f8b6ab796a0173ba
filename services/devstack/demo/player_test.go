package demo_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/touchline/touchline/services/devstack/demo"
)

var keys = demo.Keys{
	PixelKey: "pk", ServerKey: "sk", WebhookPath: "/webhooks/webhook/1", WhatsAppPath: "/webhooks/whatsapp/2",
	WebhookSecret: "webhook-secret", AppSecret: "app-secret",
}

// edge takes what the tracking service would and counts the items in it.
type edge struct {
	t     *testing.T
	mu    sync.Mutex
	items map[string]int
	busy  atomic.Int32 // answers 503 this many times first
}

func (e *edge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if e.busy.Add(-1) >= 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		e.t.Error(err)
	}
	var in struct {
		Batch, Messages []json.RawMessage
		Entry           []struct {
			Changes []struct {
				Value struct{ Statuses, Messages []json.RawMessage }
			}
		}
	}
	if err := json.Unmarshal(body, &in); err != nil {
		e.t.Errorf("%s: %v", r.URL.Path, err)
	}
	n := len(in.Batch) + len(in.Messages)
	user, _, _ := r.BasicAuth()
	name := r.URL.Path + " " + user
	switch r.URL.Path {
	case keys.WhatsAppPath:
		e.proof(r.Header.Get("X-Hub-Signature-256"), keys.AppSecret, body)
		v := in.Entry[0].Changes[0].Value
		n = len(v.Statuses) + len(v.Messages)
	case keys.WebhookPath:
		e.proof(r.Header.Get("X-Signature-256"), keys.WebhookSecret, body)
		n = 1
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.items[name] += n
}

func (e *edge) proof(got, secret string, body []byte) {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	if want := "sha256=" + hex.EncodeToString(mac.Sum(nil)); got != want {
		e.t.Errorf("signature %s, want %s", got, want)
	}
}

func TestPlayAtOnce_EverythingArrivesWithItsProof(t *testing.T) {
	t.Parallel()
	e := &edge{t: t, items: map[string]int{}}
	e.busy.Store(3)
	srv := httptest.NewServer(e)
	defer srv.Close()
	hits := demo.Week(1, end)
	p := demo.Player{URL: srv.URL, Keys: keys}
	var sent atomic.Int64
	if err := p.PlayAtOnce(context.Background(), hits, func(n int) { sent.Add(int64(n)) }); err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, n := range e.items {
		total += n
	}
	if total != len(hits) || sent.Load() != int64(len(hits)) {
		t.Errorf("%d hits, %d said to be sent, %d arrived: %v", len(hits), sent.Load(), total, e.items)
	}
	for _, door := range []string{"/v1/messages sk", "/v1/batch pk", "/v1/batch sk", keys.WebhookPath + " ", keys.WhatsAppPath + " "} {
		if e.items[door] == 0 {
			t.Errorf("nothing arrived at %q: %v", door, e.items)
		}
	}
}

func TestPlay_StopsWhenTheSenderIsUnknown(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }))
	defer srv.Close()
	p := demo.Player{URL: srv.URL, Keys: keys}
	if err := p.PlayAtOnce(context.Background(), demo.Week(1, end), nil); !errors.Is(err, demo.ErrRefused) {
		t.Errorf("error = %v, want ErrRefused", err)
	}
}
