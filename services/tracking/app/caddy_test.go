package app

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/touchline/touchline/services/internal/redistest"
)

func findCaddy(t *testing.T) string {
	t.Helper()
	if named := os.Getenv("TOUCHLINE_CADDY"); named != "" {
		return named
	}
	path, err := exec.LookPath("caddy")
	if err != nil {
		t.Skip("skipped: the Caddyfile of pixel/docs/first-party.md is not tested, because caddy is not installed; install it or name it in TOUCHLINE_CADDY")
	}
	return path
}

var caddyfile = regexp.MustCompile("(?s)```caddyfile\n(.*?)```")

// startCaddy runs the example of the pixel's docs before an edge, and returns its address.
func startCaddy(t *testing.T, edge string) string {
	t.Helper()
	program := findCaddy(t)
	docs, err := os.ReadFile("../../../pixel/docs/first-party.md")
	if err != nil {
		t.Fatal(err)
	}
	example := caddyfile.FindSubmatch(docs)
	if example == nil {
		t.Fatal("first-party.md has no Caddyfile")
	}
	port := freePort(t)
	text := string(example[1])
	for _, change := range []struct{ old, now string }{
		{"shop.example {", ":" + port + " {\n\tbind 127.0.0.1"},
		{"https://t.example.com", edge},
	} {
		if !strings.Contains(text, change.old) {
			t.Fatalf("the Caddyfile has no %q", change.old)
		}
		text = strings.ReplaceAll(text, change.old, change.now)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "Caddyfile")
	if err := os.WriteFile(file, []byte("{\n\tadmin off\n}\n"+text), 0o600); err != nil {
		t.Fatal(err)
	}
	address := net.JoinHostPort("127.0.0.1", port)
	run := exec.Command(program, "run", "--config", file, "--adapter", "caddyfile")
	run.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
	listening(t, run, address)
	return address
}

// The Caddyfile of the pixel's docs before a real edge: script, events, cookie, handover,
// image, and who visits.
func TestCaddy(t *testing.T) {
	t.Parallel()
	findCaddy(t)
	prefix := newSite(t)
	p := startReady(t, environment("REDIS_URL", os.Getenv(redistest.Env), "TOUCHLINE_STREAM_PREFIX", prefix, "TOUCHLINE_TRUSTED_PROXIES", "127.0.0.1/32"))
	caddy := startCaddy(t, p.public)
	const visitor, device = "127.0.0.2", "0198f3a2-0000-7c2e-8a54-2f6b1f0c9d11"

	script := from(t, visitor, http.MethodGet, caddy, "/s/site.js?use=nothing", "")
	if script.status != http.StatusOK || !strings.HasPrefix(script.body, "/* Touchline: there is no module nothing.") {
		t.Errorf("script: %d %.100q", script.status, script.body)
	}
	set := from(t, visitor, http.MethodPost, caddy, "/s/in", pageView("first", `,"anonymousId":"`+device+`","device":"new"`))
	if set.status != http.StatusOK || !strings.HasPrefix(set.header.Get("Set-Cookie"), "_tls="+device+";") {
		t.Errorf("event: %d %s %v", set.status, set.body, set.header)
	}
	token := from(t, visitor, http.MethodGet, caddy, "/s/in/handover?k=key&to=pay.example&d="+device, "")
	if token.status != http.StatusOK || !strings.HasPrefix(token.body, device+".") {
		t.Errorf("handover: %d %s", token.status, token.body)
	}
	image := from(t, visitor, http.MethodGet, caddy, "/s/view.gif?key=key&id=image&did="+device, "", "Origin", "", "Referer", "https://www.shop.example/")
	if image.status != http.StatusOK || image.header.Get("Set-Cookie") == "" {
		t.Errorf("image: %d %v", image.status, image.header)
	}
	daily := `,"cookieless":true`
	withinADay()
	for _, c := range []struct{ id, local, forwarded string }{
		{"one", visitor, ""},
		{"one, who says to be another", visitor, "203.0.113.9"},
		{"two", "127.0.0.3", ""},
	} {
		if got := from(t, c.local, http.MethodPost, caddy, "/s/in", pageView(c.id, daily), "X-Forwarded-For", c.forwarded); got.status != http.StatusOK {
			t.Errorf("%s: %d %s", c.id, got.status, got.body)
		}
	}
	devices := devicesOf(t, prefix, 5)
	if devices["first"] != device || devices["image"] != device {
		t.Errorf("devices %v", devices)
	}
	if devices["one"] != devices["one, who says to be another"] || devices["one"] == devices["two"] {
		t.Errorf("who visits: %v", devices)
	}
	if err := p.stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
}
