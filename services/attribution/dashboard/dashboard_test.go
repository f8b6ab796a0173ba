package dashboard_test

import (
	"net/http"
	"net/http/httptest"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"github.com/touchline/touchline/services/attribution/dashboard"
)

func get(t *testing.T, path string, header http.Header) *httptest.ResponseRecorder {
	t.Helper()
	e := echo.New()
	if err := dashboard.Register(e); err != nil {
		t.Fatal(err)
	}
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	request.Header = header
	answer := httptest.NewRecorder()
	e.ServeHTTP(answer, request)
	return answer
}

func TestRegister_ServesAStrictPage(t *testing.T) {
	t.Parallel()
	page := get(t, "/", nil)
	if page.Code != http.StatusOK || !strings.HasPrefix(page.Header().Get("Content-Type"), "text/html") {
		t.Fatalf("%d %s", page.Code, page.Header().Get("Content-Type"))
	}
	policy := page.Header().Get("Content-Security-Policy")
	for _, wanted := range []string{"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"} {
		if !strings.Contains(policy, wanted) {
			t.Errorf("policy lacks %q: %s", wanted, policy)
		}
	}
	if strings.Contains(policy, "unsafe") {
		t.Errorf("policy: %s", policy)
	}
	inline := regexp.MustCompile(`(?i)<script(>| [^>]*>[^<])|<style|\son[a-z]+=|style=|javascript:`)
	if found := inline.FindString(page.Body.String()); found != "" {
		t.Errorf("the page has inline code: %q", found)
	}
}

// Every file that the page or a script of it names must be there.
func TestRegister_ServesAllThatThePageNames(t *testing.T) {
	t.Parallel()
	names := regexp.MustCompile(`(?:src|href)="(/dashboard/[^"]+)"|from "\./([^"]+)"`)
	seen := map[string]bool{}
	var walk func(path string)
	walk = func(path string) {
		if seen[path] {
			return
		}
		seen[path] = true
		answer := get(t, path, nil)
		if answer.Code != http.StatusOK {
			t.Errorf("%s: %d", path, answer.Code)
			return
		}
		if strings.HasSuffix(path, ".js") && answer.Header().Get("Content-Type") != "text/javascript; charset=utf-8" {
			t.Errorf("%s is %s", path, answer.Header().Get("Content-Type"))
		}
		for _, match := range names.FindAllStringSubmatch(answer.Body.String(), -1) {
			if match[1] != "" {
				walk(match[1])
			} else {
				walk("/dashboard/" + match[2])
			}
		}
	}
	walk("/")
	if len(seen) < 8 {
		t.Errorf("only %d files found", len(seen))
	}
}

func TestRegister_AnswersNotModified(t *testing.T) {
	t.Parallel()
	first := get(t, "/dashboard/app.js", nil)
	again := get(t, "/dashboard/app.js", http.Header{"If-None-Match": {first.Header().Get("ETag")}})
	if again.Code != http.StatusNotModified || again.Body.Len() != 0 {
		t.Errorf("%d with %d bytes", again.Code, again.Body.Len())
	}
}

// No text may become markup: what arrives over the network ends in text nodes.
func TestScripts_NeverWriteMarkup(t *testing.T) {
	t.Parallel()
	forbidden := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|localStorage`)
	for _, name := range []string{"app.js", "api.js", "books.js", "dom.js", "findings.js", "format.js", "table.js", "totals.js"} {
		if found := forbidden.FindString(get(t, "/dashboard/"+name, nil).Body.String()); found != "" {
			t.Errorf("%s uses %s", name, found)
		}
	}
}

func TestScripts_InNode(t *testing.T) {
	t.Parallel()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("skipped: there is no node to run the script's own tests")
	}
	out, err := exec.CommandContext(t.Context(), node, "--test", "test/format.test.mjs").CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
