package browser

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/touchline/touchline/services/e2e/stack"
)

// patience bounds every wait. It is never used up unless something is wrong.
const patience = 5 * time.Minute

// world is a shop and a visitor's browser before a running Touchline. Each test has a
// workspace of its own.
type world struct {
	t         testing.TB
	driver    *driver
	api       stack.Client
	workspace string
	key       string // write key of the pixel's source
	site      *site
	proxy     *proxy
	visitor   json.RawMessage
	last      page // that was set
}

func newWorld(t testing.TB, d *driver) *world {
	t.Helper()
	w := &world{t: t, driver: d}
	var made struct{ ID, Token string }
	platform := stack.Client{URL: suite.stack.APIURL, Token: suite.stack.AdminToken}
	platform.Post(t, "/v1/workspaces", map[string]any{"name": t.Name(), "currency": "NOK", "timezone": "Europe/Oslo", "country": "NO"}, &made)
	w.workspace, w.api = made.ID, stack.Client{URL: suite.stack.APIURL, Token: made.Token}
	var source struct {
		WriteKey string `json:"write_key"`
	}
	w.api.Post(t, "/v1/sources", map[string]any{"kind": "pixel", "name": "shop", "config": map[string]any{}}, &source)
	w.key = source.WriteKey
	w.proxy = newProxy(t, suite.stack.TrackingURL)
	w.site = newSite(t, w.tag, w.proxy)
	w.arrive()
	return w
}

// arrive has a new visitor come, who has been nowhere.
func (w *world) arrive() {
	w.t.Helper()
	if err := w.driver.call("visitor", nil, &w.visitor); err != nil {
		w.t.Fatal(err)
	}
}

// tag is the pixel's tag of a page. The tracking service is another host of the shop's site.
func (w *world) tag(p page) string {
	use := ""
	if p.use != "" {
		use = "?use=" + p.use
	}
	return fmt.Sprintf(`<script defer src="%s/p.js%s" data-key="%s" %s></script>`, host(w.proxy.server, "t.shop.localhost"), use, w.key, p.tag)
}

// tab opens an empty tab of the visitor.
func (w *world) tab() tab {
	w.t.Helper()
	b := tab{t: w.t, driver: w.driver}
	if err := w.driver.call("tab", map[string]any{"visitor": w.visitor}, &b.name); err != nil {
		w.t.Fatal(err)
	}
	return b
}

// visit makes the page of a path and opens it in a new tab.
func (w *world) visit(path string, p page) tab {
	w.t.Helper()
	bare, _, _ := strings.Cut(path, "?")
	bare, _, _ = strings.Cut(bare, "#")
	w.site.set(bare, p)
	w.last = p
	b := w.tab()
	b.open(w.site.url(path))
	return b
}

// offline takes the visitor's network away or gives it back: the browser's own where it
// has a switch for that, and always that between browser and edge.
func (w *world) offline(off bool) {
	w.t.Helper()
	w.proxy.outage(off)
	if err := w.driver.call("offline", map[string]any{"visitor": w.visitor, "off": off}, nil); err != nil {
		w.t.Fatal(err)
	}
}

// eventually polls until a condition holds.
func (w *world) eventually(what string, holds func() bool) {
	w.t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			seen := w.proxy.seen()
			w.t.Fatalf("not within %s: %s\nfacts: %s\n%d requests, the last: %+v",
				patience, what, strings.Join(names(w.facts()), ", "), len(seen), seen[max(0, len(seen)-8):])
		}
	}
}

// kept is how many events wait in the browser.
func (w *world) kept(b tab) (count int) {
	w.t.Helper()
	b.evaluate("Object.keys(localStorage).filter((name) => name.startsWith('_tlq')).length", &count)
	return count
}

// noFaults fails when the page's own scripts met an error or a violation of its policy.
func (w *world) noFaults(b tab) {
	w.t.Helper()
	var faults []string
	b.evaluate("window.faults", &faults)
	if len(faults) > 0 {
		w.t.Errorf("the page met %q", faults)
	}
}

// expect waits until facts of these names have arrived, then has the visitor open one more
// page, which takes along whatever still waits, and returns the facts but for that page's.
// They are exactly those names, each as often as it is listed; each was sent by the browser
// under its message id, everything that the edge took is there, and no copy was taken
// for another fact.
func (w *world) expect(want ...string) []fact {
	w.t.Helper()
	w.eventually(fmt.Sprintf("%d facts", len(want)), func() bool { return len(w.facts()) >= len(want) })
	last := w.last
	last.head, last.body, last.headers = "", "", nil
	w.site.set("/the-end", last)
	w.tab().open(w.site.url("/the-end"))
	const end = "page /the-end"
	w.eventually(end, func() bool { return slices.Contains(names(w.facts()), end) })
	w.settle()
	got := slices.DeleteFunc(w.facts(), func(f fact) bool { return f.name() == end })
	slices.Sort(want)
	have := names(got)
	slices.Sort(have)
	if !slices.Equal(have, want) {
		w.t.Fatalf("facts %q, want %q", have, want)
	}
	w.compare()
	return got
}

// compare holds the facts to what the browser sent.
func (w *world) compare() {
	w.t.Helper()
	taken := map[string]string{} // by message id
	for _, r := range w.proxy.seen() {
		for _, event := range r.Batch {
			if r.status == 200 {
				taken[event.MessageID] = event.Type + " " + event.Event
			}
		}
	}
	facts := w.facts()
	for _, f := range facts {
		event, sent := taken[f.ID]
		if !sent {
			w.t.Errorf("fact %s (%s) was never sent", f.ID, f.name())
		}
		if f.Event != nil && event != "track "+f.Event.Name {
			w.t.Errorf("fact %s is %s, and was sent as %s", f.ID, f.name(), event)
		}
	}
	if len(facts) != len(taken) {
		w.t.Errorf("%d facts of %d message ids that the edge took", len(facts), len(taken))
	}
}

// settle waits until the books have nothing pending, and holds them to no conflict and no
// rejection: a copy is a duplicate.
func (w *world) settle() {
	w.t.Helper()
	var books struct{ Accepted, Stored, Duplicate, Conflict, Rejected, Pending int64 }
	w.eventually("nothing pending", func() bool {
		w.api.Get(w.t, "/v1/ingestion", &books)
		return books.Accepted > 0 && books.Pending == 0
	})
	if books.Conflict != 0 || books.Rejected != 0 || books.Accepted != books.Stored+books.Duplicate {
		w.t.Errorf("books %+v", books)
	}
}
