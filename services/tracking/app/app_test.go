package app

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/internal/redistest"
	"github.com/touchline/touchline/services/internal/registry"
	"github.com/touchline/touchline/services/internal/stream"
)

var testKey = base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))

func environment(more ...string) map[string]string {
	e := map[string]string{
		"REDIS_URL": "redis://127.0.0.1:6379", "TOUCHLINE_REGISTRY_KEY": testKey,
		"TOUCHLINE_ADDR": "127.0.0.1:0", "TOUCHLINE_ADMIN_ADDR": "127.0.0.1:0",
		"TOUCHLINE_REDIS_TIMEOUT": "15s", // of the 20 s in which an answer is written
	}
	for i := 0; i+1 < len(more); i += 2 {
		e[more[i]] = more[i+1]
	}
	return e
}

func TestFromEnv_Defaults(t *testing.T) {
	t.Parallel()
	cfg, err := FromEnv(map[string]string{"REDIS_URL": "redis://r", "TOUCHLINE_REGISTRY_KEY": testKey})
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Addr != ":8080" || cfg.MaxItem != 32<<10 || cfg.MaxBody != 512_000 || cfg.MaxWebhook != 4<<20 ||
		cfg.StreamPrefix != "touchline" || cfg.StreamShards != 4 || cfg.PixelEventPath != "/e" || cfg.RedisEmbedded {
		t.Errorf("%+v", cfg)
	}
}

func TestFromEnv_TellsEveryFault(t *testing.T) {
	t.Parallel()
	_, err := FromEnv(map[string]string{"TOUCHLINE_STREAM_SHARDS": "many"})
	for _, name := range []string{"REDIS_URL", "TOUCHLINE_REGISTRY_KEY", "TOUCHLINE_STREAM_SHARDS"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s is not named: %v", name, err)
		}
	}
	_, err = FromEnv(environment("TOUCHLINE_PIXEL_EVENT_PATH", "e", "TOUCHLINE_MAX_WEBHOOK_BYTES", "100",
		"TOUCHLINE_TRACKING_URL", "t.example.com", "TOUCHLINE_STREAM_SHARDS", "0"))
	for _, name := range []string{"TOUCHLINE_PIXEL_EVENT_PATH", "TOUCHLINE_MAX_WEBHOOK_BYTES", "TOUCHLINE_TRACKING_URL", "TOUCHLINE_STREAM_SHARDS"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s is not named: %v", name, err)
		}
	}
}

func TestReadme_Settings(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	fields := reflect.TypeFor[Config]()
	for i := range fields.NumField() {
		tag := fields.Field(i).Tag
		name, _, _ := strings.Cut(tag.Get("env"), ",")
		if name == "-" {
			continue
		}
		value := tag.Get("envDefault")
		if !strings.Contains(string(readme), "| `"+name+"` | "+value) {
			t.Errorf("README.md has no row for %s with the default %q", name, value)
		}
	}
}

// running is the program in this process.
type running struct {
	public, admin string
	stop          func() error
}

func start(t *testing.T, environ map[string]string) running {
	t.Helper()
	cfg, err := FromEnv(environ)
	if err != nil {
		t.Fatal(err)
	}
	addresses := make(chan [2]string, 1)
	cfg.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	cfg.Listening = func(public, admin string) { addresses <- [2]string{public, admin} }
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, cfg) }()
	select {
	case a := <-addresses:
		return running{"http://" + a[0], "http://" + a[1], func() error { cancel(); return <-ended }}
	case err := <-ended:
		cancel()
		t.Fatalf("did not start: %v", err)
	case <-time.After(2 * time.Minute):
		cancel()
		t.Fatal("did not start in two minutes")
	}
	return running{}
}

// startReady is start, and waits until the program takes hits.
func startReady(t *testing.T, environ map[string]string) running {
	t.Helper()
	p := start(t, environ)
	for deadline := time.Now().Add(time.Minute); send(t, http.MethodGet, p.admin+"/readyz", "").status != http.StatusOK; <-time.After(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not ready within a minute")
		}
	}
	return p
}

// answer is a response that has been read.
type answer struct {
	status int
	header http.Header
	body   string
}

func send(t *testing.T, method, url, body string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return answered(t, http.DefaultTransport, r)
}

func answered(t *testing.T, by http.RoundTripper, r *http.Request) answer {
	t.Helper()
	response, err := by.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, string(text)}
}

func TestRun(t *testing.T) {
	t.Parallel()
	client, prefix := redistest.New(t)
	source := registry.Source{ID: uuid.New(), Workspace: uuid.New(), Kind: registry.KindServer, WriteKey: "key"}
	if err := registry.NewPublisher(client, prefix, bytes.Repeat([]byte{7}, 32)).Replace(t.Context(), []registry.Source{source}); err != nil {
		t.Fatal(err)
	}
	p := startReady(t, environment("REDIS_URL", os.Getenv(redistest.Env), "TOUCHLINE_STREAM_PREFIX", prefix))
	got := send(t, http.MethodPost, p.public+"/v1/batch", `{"writeKey":"key","batch":[{"type":"track","event":"E","userId":"u","messageId":"m1"},{"type":"track","event":"E"}]}`)
	if got.status != http.StatusOK {
		t.Fatalf("status %d", got.status)
	}
	entries := readAll(t, newReader(t, prefix), 2)
	first, err := hit.Decode(entries[0].Payload)
	if err != nil {
		t.Fatal(err)
	}
	second, err := hit.Decode(entries[1].Payload)
	if err != nil {
		t.Fatal(err)
	}
	if first.Fact.ID != "m1" || first.Fact.Source != source.ID || first.Workspace != source.Workspace || second.Rejection == nil {
		t.Errorf("%+v and %+v", first, second)
	}
	r := entries[0].Receipt
	if want := fmt.Sprintf("%s-%d-%d", r.Epoch, r.Shard, r.Number); got.header.Get("Receipt") != want {
		t.Errorf("receipt %q, the entry has %q", got.header.Get("Receipt"), want)
	}
	if ready := send(t, http.MethodGet, p.admin+"/readyz", ""); ready.status != http.StatusOK {
		t.Errorf("readyz %d", ready.status)
	}
	if metrics := send(t, http.MethodGet, p.admin+"/metrics", "").body; !strings.Contains(metrics, `touchline_edge_items_total{kind="server",outcome="rejected"} 1`) {
		t.Errorf("metrics:\n%s", metrics)
	}
	if script := send(t, http.MethodGet, p.public+"/p.js", ""); script.status != http.StatusOK || script.header.Get("ETag") == "" {
		t.Errorf("p.js %d", script.status)
	}
	if err := p.stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
}

func newReader(t *testing.T, prefix string) *stream.Reader {
	t.Helper()
	client, err := stream.NewReaderClient(os.Getenv(redistest.Env), 4)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return stream.NewReader(client, stream.Config{Prefix: prefix}, "test", uuid.New())
}

// readAll reads every shard until it has n entries.
func readAll(t *testing.T, reader *stream.Reader, n int) []stream.Entry {
	t.Helper()
	var all []stream.Entry
	for deadline := time.Now().Add(2 * time.Minute); len(all) < n && time.Now().Before(deadline); {
		for shard := range 4 {
			entries, err := reader.Read(t.Context(), shard, 100, time.Millisecond)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, entries...)
		}
	}
	if len(all) != n {
		t.Fatalf("%d entries in the stream, want %d", len(all), n)
	}
	return all
}

func TestRun_WithoutRedis(t *testing.T) {
	t.Parallel()
	p := start(t, environment("REDIS_URL", "redis://127.0.0.1:1", "TOUCHLINE_REDIS_TIMEOUT", "1s"))
	if healthy := send(t, http.MethodGet, p.admin+"/healthz", ""); healthy.status != http.StatusOK {
		t.Errorf("healthz %d", healthy.status)
	}
	if ready := send(t, http.MethodGet, p.admin+"/readyz", ""); ready.status != http.StatusServiceUnavailable {
		t.Errorf("readyz %d", ready.status)
	}
	got := send(t, http.MethodPost, p.public+"/v1/track", `{"writeKey":"key","userId":"u","event":"E"}`)
	if got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") != "1" {
		t.Errorf("status %d, Retry-After %q", got.status, got.header.Get("Retry-After"))
	}
	if err := p.stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
}
