package browser

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// meanwhile is what pages do in the very task in which the script has run: it begins in two
// halves, and here the second has not come. Each leaves the events that are listed.
var meanwhile = map[string]struct {
	does string
	want []string
}{
	"nothing": {want: []string{"page /nothing?mt=tk1"}},
	"calls":   {does: `touchline('track', 'called', {n: 1})`, want: []string{"page /calls?mt=tk1", "called1"}},
	"clicks":  {does: `document.querySelector('button').click()`, want: []string{"page /clicks?mt=tk1", "tap7"}},
	"moves":   {does: `history.pushState({}, '', '/moved')`, want: []string{"page /moves?mt=tk1", "page /moved"}},
	"steals": {
		does: `var steal = function (first, second) { localStorage.stolen = first + (second && (second.body || second)); throw new Error('stolen') };
			window.fetch = window.XMLHttpRequest = navigator.sendBeacon = JSON.stringify = JSON.parse = steal;
			Object.keys = Array.isArray = history.replaceState = window.addEventListener = steal;
			touchline('track', 'stolen', {n: 2})`,
		want: []string{"page /steals?mt=tk1", "stolen2"},
	},
}

// A page that does something right after the script has run, and leaves in the same task,
// loses neither that nor its view.
func TestPixel_FirstTask(t *testing.T) {
	t.Parallel()
	in(t, engines, func(t *testing.T, w *world) {
		script := served(t, host(w.proxy.server, "localhost")+"/p.js")
		w.site.set("/gone", page{noTag: true})
		b := w.visit("/start", page{noTag: true})
		var want []string
		for name, c := range meanwhile {
			// One file is one task.
			w.site.file("/"+name+".js", script+c.does+";location.href = '/gone'")
			tag := `<script defer src="/` + name + `.js" data-key="` + w.key + `" data-endpoint="` + host(w.proxy.server, "t.shop.localhost") + `/e"></script>`
			w.site.set("/"+name, page{noTag: true, head: tag, body: shopBody})
			left := len(w.site.visits("/gone"))
			b.run(`void setTimeout(() => location.href = '/` + name + `?mt=tk1')`)
			w.eventually("the page after /"+name, func() bool {
				var there bool
				err := b.try("location.pathname === '/gone' && document.readyState === 'complete'", &there)
				return err == nil && there && len(w.site.visits("/gone")) > left
			})
			want = append(want, c.want...)
		}
		w.last = page{}
		for _, f := range w.expect(want...) {
			if strings.HasPrefix(f.name(), "page /moved") && f.Page.Referrer != w.site.url("/moves") {
				t.Errorf("the view of /moved came from %q", f.Page.Referrer)
			}
		}
		var stolen string
		b.evaluate("localStorage.stolen || ''", &stolen)
		if strings.Contains(stolen, "writeKey") {
			t.Errorf("the page read what was sent: %s", stolen)
		}
	})
}

// served is a script as the tracking service serves it.
func served(t *testing.T, url string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s was answered %d, error %v", url, answer.StatusCode, err)
	}
	return string(text)
}
