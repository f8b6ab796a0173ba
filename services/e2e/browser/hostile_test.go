package browser

import (
	"fmt"
	"strings"
	"testing"
)

// hostilities are what pages do to the language before the pixel loads. Functions that
// the browser's own parts need as well are left whole.
var hostilities = map[string]string{
	"json-throws": `JSON.stringify = JSON.parse = function () { throw new Error('no') }`,
	"json-lies":   `JSON.stringify = function () { return '"stolen"' }`,
	"to-json": `[Object, Array, String, Number].forEach(function (type) {
		Object.defineProperty(type.prototype, 'toJSON', {value: function () { return 'broken' }, configurable: true, writable: true}) })`,
	"array-throws": `['push', 'map', 'forEach', 'slice', 'splice', 'join', 'concat', 'filter', 'some', 'every', 'indexOf', 'includes', 'shift', 'pop'].forEach(
		(function (array) { return function (name) { array[name] = function () { throw new Error('no ' + name) } } })(Array.prototype))`,
	"no-iteration":  `Array.prototype[Symbol.iterator] = function () { throw new Error('no') }`,
	"inherited":     `Object.prototype.inherited = Array.prototype.inherited = 'x'`,
	"fetch-throws":  `window.fetch = function () { throw new Error('no') }`,
	"fetch-rejects": `window.fetch = function () { return Promise.reject(new Error('no')) }`,
	"no-fetch":      `window.fetch = window.Request = undefined`,
	"no-observer":   `window.MutationObserver = undefined`,
	"observer":      `window.MutationObserver = function () { throw new Error('no') }`,
	"history":       `history.pushState = history.replaceState = function () { throw new Error('no') }`,
	"no-locks":      `Object.defineProperty(navigator, 'locks', {value: undefined})`,
}

// A page that overrides what scripts are made of, before ours is loaded, loses neither
// the view nor what it tracks, nor does it meet an error of ours.
func TestPixel_HostilePage(t *testing.T) {
	t.Parallel()
	in(t, both, func(t *testing.T, w *world) {
		// The page itself makes the call: what drives a browser needs a whole language.
		const call = `<script>(function call() {
			window.touchline ? touchline('track', 'bought', {n: '-%s', list: [1, {a: 'b'}], order_id: 'o1'}) : setTimeout(call, 10)
		})()</script>`
		w.site.set("/left", page{})
		var want []string
		for name, does := range hostilities {
			b := w.visit("/"+name, page{head: "<script>" + does + "</script>", body: fmt.Sprintf(call, name)})
			want = append(want, "page /"+name, "bought-"+name)
			if name == "fetch-rejects" { // which nothing can send from: the next page has to
				w.eventually("both events kept", func() bool { return w.kept(b) == 2 })
				b.open(w.site.url("/left"))
			}
		}
		w.last = page{}
		for _, f := range w.expect(append(want, "page /left")...) {
			if f.Event == nil {
				continue
			}
			if list := strings.ReplaceAll(string(f.Event.Properties.List), " ", ""); list != `[1,{"a":"b"}]` || f.Event.Properties.OrderID != "o1" {
				t.Errorf("%s arrived with list %s and order %q", f.name(), list, f.Event.Properties.OrderID)
			}
		}
	})
}

// Who replaces everything once the pixel runs neither stops it nor reads what it sends.
func TestPixel_HostilePageLater(t *testing.T) {
	t.Parallel()
	in(t, both, func(t *testing.T, w *world) {
		b := w.visit("/start", page{body: `<script>
			addEventListener('load', function () {
				var steal = function (first, second) { document.title += ' stolen ' + first + (second && (second.body || second)); throw new Error('stolen') };
				window.fetch = window.XMLHttpRequest = navigator.sendBeacon = JSON.stringify = JSON.parse = steal;
				Object.keys = Array.isArray = steal;
				touchline('track', 'x', {order_id: 's3cret'});
			})
		</script>`})
		facts := w.expect("page /start", "x")
		if got := one(facts, "x").Event.Properties.OrderID; got != "s3cret" {
			t.Errorf("x arrived with order %q", got)
		}
		var title string
		b.evaluate("document.title", &title)
		if strings.Contains(title, "s3cret") {
			t.Errorf("the page read what was sent: %s", title)
		}
	})
}
