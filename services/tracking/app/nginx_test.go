package app

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/touchline/touchline/services/internal/redistest"
)

// findNginx returns the program; it is not always in the path of who is not root.
func findNginx(t *testing.T) string {
	t.Helper()
	if named := os.Getenv("TOUCHLINE_NGINX"); named != "" {
		return named
	}
	for _, name := range []string{"nginx", "/usr/sbin/nginx", "/usr/local/sbin/nginx"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("skipped: the example of docs/nginx.conf is not tested, because nginx is not installed; install it or name it in TOUCHLINE_NGINX")
	return ""
}

// startNginx runs the example of the docs before an edge, and returns its address.
func startNginx(t *testing.T, edge string) string {
	t.Helper()
	program := findNginx(t)
	example, err := os.ReadFile("../docs/nginx.conf")
	if err != nil {
		t.Fatal(err)
	}
	address := net.JoinHostPort("127.0.0.1", freePort(t))
	text := string(example)
	for old, now := range map[string]string{"server 127.0.0.1:8080;": "server " + edge + ";", "listen 80;": "listen " + address + ";"} {
		if strings.Count(text, old) != 1 {
			t.Fatalf("docs/nginx.conf has not one %q", old)
		}
		text = strings.ReplaceAll(text, old, now)
	}
	dir := t.TempDir()
	whole := "daemon off; master_process off; pid " + dir + "/pid; error_log stderr info;\nevents {}\nhttp {\n"
	for _, use := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		whole += use + "_temp_path " + dir + "/" + use + ";\n"
	}
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(whole+"access_log off;\n"+text+"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	listening(t, exec.Command(program, "-p", dir, "-e", "stderr", "-c", file), address)
	return address
}

// The example of the docs before a real edge: script, events, image, cookie, handover,
// and who visits.
func TestNginx(t *testing.T) {
	t.Parallel()
	findNginx(t)
	prefix := newSite(t)
	p := startReady(t, environment("REDIS_URL", os.Getenv(redistest.Env), "TOUCHLINE_STREAM_PREFIX", prefix,
		"TOUCHLINE_PIXEL_SCRIPT_PATH", "/m/s.js", "TOUCHLINE_PIXEL_EVENT_PATH", "/m/v", "TOUCHLINE_PIXEL_GIF_PATH", "/m/v.gif",
		"TOUCHLINE_TRUSTED_PROXIES", "127.0.0.1/32"))
	edge := strings.TrimPrefix(p.public, "http://")
	nginx := startNginx(t, edge)
	const visitor = "127.0.0.2"

	script := from(t, visitor, http.MethodGet, nginx, "/m/s.js?use=nothing", "")
	if script.status != http.StatusOK || !strings.HasPrefix(script.body, "/* Touchline: there is no module nothing.") || script.header.Get("ETag") == "" {
		t.Errorf("script: %d %.100q %v", script.status, script.body, script.header)
	}
	if old := from(t, visitor, http.MethodGet, nginx, "/p.js", ""); old.status != http.StatusNotFound {
		t.Errorf("the name of before: %d", old.status)
	}

	const device, kept = "0198f3a2-0000-7c2e-8a54-2f6b1f0c9d11", "0198f3a2-1111-7c2e-8a54-2f6b1f0c9d11"
	set := from(t, visitor, http.MethodPost, nginx, "/m/v", pageView("first", `,"anonymousId":"`+device+`","device":"new"`), "Cookie", "session=secret; _tls="+kept+"; x=y")
	if want := "_tls=" + kept + "; Path=/; Max-Age=34128000; HttpOnly; Secure; SameSite=Lax"; set.status != http.StatusOK ||
		set.header.Get("Set-Cookie") != want || !strings.Contains(set.body, `"anonymousId":"`+kept+`"`) || set.header.Get("Receipt") == "" {
		t.Errorf("event: %d %s %v", set.status, set.body, set.header)
	}
	token := from(t, visitor, http.MethodGet, nginx, "/m/v/handover?k=key&to=pay.example&d="+device, "")
	if token.status != http.StatusOK || !strings.HasPrefix(token.body, device+".") {
		t.Errorf("handover: %d %s", token.status, token.body)
	}
	if image := from(t, visitor, http.MethodGet, nginx, "/m/v.gif?key=key&id=image&did="+device, "", "Origin", "", "Referer", "https://www.shop.example/"); image.status != http.StatusOK || image.header.Get("Set-Cookie") == "" {
		t.Errorf("image: %d %v", image.status, image.header)
	}

	daily := `,"cookieless":true`
	withinADay()
	for _, c := range []struct{ id, local, to, forwarded string }{
		{"one", visitor, nginx, ""},
		{"one, who says to be another", visitor, nginx, "203.0.113.9"},
		{"one, past nginx", visitor, edge, ""},
		{"one, past nginx, who says to be another", visitor, edge, "203.0.113.9"},
		{"two", "127.0.0.3", nginx, ""},
	} {
		if got := from(t, c.local, http.MethodPost, c.to, "/m/v", pageView(c.id, daily), "X-Forwarded-For", c.forwarded); got.status != http.StatusOK || got.header.Get("Set-Cookie") != "" {
			t.Errorf("%s: %d %v", c.id, got.status, got.header)
		}
	}
	devices := devicesOf(t, prefix, 7)
	if devices["first"] != kept || devices["image"] != device {
		t.Errorf("devices %v", devices)
	}
	one := devices["one"]
	for _, id := range []string{"one, who says to be another", "one, past nginx", "one, past nginx, who says to be another"} {
		if devices[id] != one {
			t.Errorf("%s is another visitor", id)
		}
	}
	if devices["two"] == one || !strings.HasPrefix(one, "c") {
		t.Errorf("all visitors are one: %v", devices)
	}
	if err := p.stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
}
