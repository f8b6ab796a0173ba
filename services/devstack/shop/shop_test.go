package shop_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/touchline/touchline/services/devstack/shop"
)

func TestNew_EveryFileOfThePageIsServed(t *testing.T) {
	t.Parallel()
	handler, err := shop.New(shop.Config{TrackingURL: "http://127.0.0.1:4000", WriteKey: "wk<1>"})
	if err != nil {
		t.Fatal(err)
	}
	page := get(handler, "/?mt=tk1")
	body := page.Body.String()
	for _, want := range []string{`src="http://127.0.0.1:4000/p.js"`, `data-key="wk&lt;1&gt;"`} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	links := regexp.MustCompile(`(?:src|href)="(/[^"]+)"`).FindAllStringSubmatch(body, -1)
	if len(links) < 6 {
		t.Fatalf("found %d links to own files: %v", len(links), links)
	}
	for _, link := range links {
		if got := get(handler, link[1]); got.Code != http.StatusOK {
			t.Errorf("%s answers %d", link[1], got.Code)
		}
	}
	if got := get(handler, "/index.html"); got.Code != http.StatusNotFound {
		t.Errorf("the page's template answers %d", got.Code)
	}
}

func TestNew_RenamedPaths(t *testing.T) {
	t.Parallel()
	handler, err := shop.New(shop.Config{TrackingURL: "http://127.0.0.1:4000", WriteKey: "wk", ScriptPath: "/m/s.js", EventPath: "/m/v"})
	if err != nil {
		t.Fatal(err)
	}
	if body := get(handler, "/").Body.String(); !strings.Contains(body, `src="http://127.0.0.1:4000/m/s.js" data-endpoint="http://127.0.0.1:4000/m/v" data-key="wk"`) {
		t.Errorf("the page does not name the paths:\n%s", body)
	}
}

func TestNew_PolicyAllowsThePixelAndNothingInline(t *testing.T) {
	t.Parallel()
	handler, err := shop.New(shop.Config{TrackingURL: "http://127.0.0.1:4000", WriteKey: "wk"})
	if err != nil {
		t.Fatal(err)
	}
	page := get(handler, "/")
	policy := page.Header().Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "script-src 'self' http://127.0.0.1:4000;", "connect-src http://127.0.0.1:4000;"} {
		if !strings.Contains(policy, want) {
			t.Errorf("policy %q lacks %q", policy, want)
		}
	}
	if strings.Contains(policy, "unsafe") {
		t.Errorf("policy %q allows inline code", policy)
	}
	if inline := regexp.MustCompile(`<script>|<style|\son[a-z]+=|\sstyle=`).FindString(page.Body.String()); inline != "" {
		t.Errorf("the page has inline code or style: %s", inline)
	}
}

func TestNew_RefusesWhatIsNoURL(t *testing.T) {
	t.Parallel()
	if _, err := shop.New(shop.Config{TrackingURL: "tracking"}); err == nil {
		t.Error("a tracking URL without a host was taken")
	}
}

func get(handler http.Handler, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w
}
