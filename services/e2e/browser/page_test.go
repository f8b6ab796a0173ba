package browser

import (
	"crypto/sha512"
	"encoding/base64"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/evanw/esbuild/pkg/api"
)

// reactShop bundles node/react-shop.mjs as its users would.
func reactShop(t testing.TB) string {
	t.Helper()
	built := api.Build(api.BuildOptions{
		EntryPoints: []string{"../node/react-shop.mjs"}, Bundle: true, MinifySyntax: true, MinifyWhitespace: true,
		Define: map[string]string{"process.env.NODE_ENV": `"development"`}, Format: api.FormatIIFE, Target: api.ES2020,
	})
	for _, fault := range built.Errors {
		t.Fatal(fault.Text)
	}
	return string(built.OutputFiles[0].Contents)
}

// A shop in React Router: one view for each change of path or query, whatever the router
// does to get there.
func TestPixel_ReactRouter(t *testing.T) {
	t.Parallel()
	in(t, both, func(t *testing.T, w *world) {
		w.site.file("/shop.js", reactShop(t))
		b := w.visit("/app?mt=tk1", page{body: `<div id="root"></div><script src="/shop.js"></script>`})
		present := func(selector string) {
			w.eventually(selector, func() bool {
				var there bool
				b.evaluate(`!!document.querySelector('`+selector+`')`, &there)
				return there
			})
		}
		at := func(path string) {
			w.eventually(path, func() bool {
				var address string
				b.evaluate("location.pathname + location.search", &address)
				return address == path
			})
		}
		present("#list")
		for _, step := range []struct{ click, path string }{
			{"#list", "/app/list?sort=price"},
			{"#filter", "/app/list?sort=name"},
			{"#item", "/app/item/7"},
			{"#old", "/app/new"},
			{"#replace", "/app/replaced"},
		} {
			present(step.click)
			b.click(step.click)
			at(step.path)
		}
		b.back()
		at("/app/item/7")
		w.noFaults(b)
		facts := w.expect("page /app?mt=tk1", "page /app/list?sort=price", "page /app/list?sort=name", "page /app/item/7",
			"page /app/new", "page /app/replaced", "page /app/item/7")
		for _, f := range facts {
			if f.session().Session != facts[0].session().Session {
				t.Errorf("%s is of another session", f.name())
			}
		}
	})
}

// The History API by hand: push, replace of the same address, pop, and a hash that is no
// navigation.
func TestPixel_History(t *testing.T) {
	t.Parallel()
	in(t, both, func(t *testing.T, w *world) {
		b := w.visit("/start", page{})
		b.run(`(() => {
			history.replaceState({scroll: 1}, '');
			history.pushState({}, '', '/a?x=1');
			history.replaceState({key: 1}, '', '/a?x=1');
			location.hash = '#part';
			history.pushState({}, '', '/b');
		})()`)
		b.back()
		facts := w.expect("page /start", "page /a?x=1", "page /b", "page /a?x=1")
		if got := one(facts, "page /b").Page.Referrer; got != w.site.url("/a?x=1#part") {
			t.Errorf("the view of /b came from %q", got)
		}
	})
}

// A page that comes back from the back/forward cache counts again, and the pixel does not
// keep it out of the cache.
func TestPixel_BackForwardCache(t *testing.T) {
	t.Parallel()
	in(t, both, func(t *testing.T, w *world) {
		w.site.set("/away", page{noTag: true})
		b := w.visit("/start?mt=tk1", page{})
		w.eventually("the view", func() bool { return len(w.facts()) == 1 })
		w.eventually("its answer", func() bool { return w.kept(b) == 0 }) // a request under way may keep a page out of the cache
		b.run("window.sameDocument = true")
		b.open(w.site.url("/away"))
		b.back()
		w.eventually("the first page", func() bool {
			var path string
			b.evaluate("location.pathname", &path)
			return path == "/start"
		})
		var same bool
		b.evaluate("window.sameDocument === true", &same)
		if !same {
			t.Error("the page was loaded anew")
		}
		w.expect("page /start?mt=tk1", "page /start")
	})
}

// A page that Chromium renders ahead counts when it is looked at, and not when it never is.
func TestPixel_Prerender(t *testing.T) {
	t.Parallel()
	in(t, []*engine{chromium}, func(t *testing.T, w *world) {
		w.site.set("/ahead", page{})
		w.site.set("/never", page{})
		b := w.visit("/start", page{head: `<script type="speculationrules">{"prerender": [{"source": "list", "urls": ["/ahead", "/never"], "eagerness": "immediate"}]}</script>`})
		w.eventually("both rendered ahead", func() bool { return len(w.site.visits("/ahead")) > 0 && len(w.site.visits("/never")) > 0 })
		if got := w.site.visits("/ahead")[0].purpose; !strings.Contains(got, "prerender") {
			t.Fatalf("/ahead was asked for as %q", got)
		}
		b.run(`void setTimeout(() => location.href = '/ahead')`)
		w.expect("page /start", "page /ahead")
		if got := len(w.site.visits("/ahead")); got != 1 {
			t.Errorf("/ahead was asked for %d times: what was rendered ahead was not shown", got)
		}
	})
}

// The strictest policy that lets the pixel's script and endpoint in is enough, with
// Trusted Types and all modules.
func TestPixel_ContentSecurityPolicy(t *testing.T) {
	t.Parallel()
	in(t, both, func(t *testing.T, w *world) {
		edge := host(w.proxy.server, "t.shop.localhost")
		w.site.file("/watch.js", `window.faults = []; document.addEventListener('securitypolicyviolation', function (e) { faults.push(e.violatedDirective + ' ' + e.blockedURI) })`)
		w.site.set("/start", page{})
		b := w.visit("/start?mt=tk1", page{
			use: "domains,forms,ga4,gcm,links,tcf", head: `<script src="/watch.js"></script>`,
			headers: map[string]string{"Content-Security-Policy": "default-src 'none'; img-src 'self'; script-src 'self' " + edge + "; connect-src " + edge +
				"; require-trusted-types-for 'script'; trusted-types 'none'"},
			body: `<button data-tl-event="tap">tap</button><form id="f"><input name="a"></form>`,
		})
		b.click("button")
		b.click("input")
		b.run(`document.querySelector('input').dispatchEvent(new InputEvent('input', {bubbles: true}))`)
		w.noFaults(b)
		// The closing page's tag has the modules too, and no form.
		w.expect("page /start?mt=tk1", "tap", "Form Started")
	})
}

// A tag with the hash of the script (SRI) has it run, and one with another hash has not.
func TestPixel_Integrity(t *testing.T) {
	t.Parallel()
	in(t, engines, func(t *testing.T, w *world) {
		sum := sha512.Sum384([]byte(served(t, host(w.proxy.server, "localhost")+"/p.js")))
		hash := `crossorigin integrity="sha384-` + base64.StdEncoding.EncodeToString(sum[:]) + `"`
		w.visit("/other", page{tag: strings.Replace(hash, "sha384-", "sha384-AAAA", 1)})
		b := w.visit("/start", page{tag: hash})
		w.noFaults(b)
		w.expect("page /start")
	})
}

// Where scripts do not run the image counts the view, for the page's origin, which is all
// that browsers tell another host.
func TestPixel_NoScript(t *testing.T) {
	t.Parallel()
	docs, err := os.ReadFile("../../../pixel/docs/install.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := regexp.MustCompile("<noscript>.*</noscript>").Find(docs)
	if documented == nil {
		t.Fatal("install.md has no noscript")
	}
	for _, e := range both {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, e.own(t, func(s *settings) { s.NoScript = true }))
			tag := strings.NewReplacer("https://t.example.com", host(w.proxy.server, "t.shop.localhost"), "WRITE_KEY", w.key).Replace(string(documented))
			w.visit("/start", page{body: tag})
			w.eventually("the view", func() bool { return len(w.facts()) > 0 })
			w.settle()
			facts := w.facts()
			if got := names(facts); !slices.Equal(got, []string{"page /"}) || len(facts[0].Device) == 0 {
				t.Errorf("facts %q, of device %s", got, facts[0].Device)
			}
			if posts := len(w.proxy.seen()); posts != 0 {
				t.Errorf("a script sent %d requests: the test shows nothing", posts)
			}
		})
	}
}
