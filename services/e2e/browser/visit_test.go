package browser

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/touchline/touchline/services/e2e/stack"
)

const shopBody = `<button data-tl-event="tap" data-tl-prop-n="7">tap</button> <a id="next" href="/next">next</a>`

// What a visit leaves: its views, events and who it was, all of one device and one
// session that knows how it began.
func TestPixel_Visit(t *testing.T) {
	t.Parallel()
	in(t, engines, func(t *testing.T, w *world) {
		w.site.set("/next", page{})
		b := w.visit("/start?utm_source=mail&mt=tk1", page{body: shopBody})
		b.click("button")
		b.run(`touchline('identify', 'u1', {email: 'a@example.com'})`)
		var address string
		b.evaluate("location.href", &address)
		if want := w.site.url("/start?utm_source=mail"); address != want {
			t.Errorf("the address bar shows %s, want %s", address, want)
		}
		w.noFaults(b)
		b.click("#next")
		facts := w.expect("page /start?utm_source=mail&mt=tk1", "tap7", "identify", "page /next")
		for _, f := range facts {
			if string(f.Device) != string(facts[0].Device) || len(f.Device) == 0 {
				t.Errorf("%s is of device %s, the first of %s", f.name(), f.Device, facts[0].Device)
			}
			if f.Identify != nil {
				continue
			}
			if got, first := f.session().Session, facts[0].session().Session; got != first || got.ID == "" {
				t.Errorf("%s is of session %+v, the first of %+v", f.name(), got, first)
			}
			if landing := f.session().Session.Landing; landing != w.site.url("/start?utm_source=mail&mt=tk1") {
				t.Errorf("%s landed at %s", f.name(), landing)
			}
		}
		if got := len(one(facts, "identify").Identifiers); got != 2 {
			t.Errorf("identify names %d identifiers, want user id and e-mail", got)
		}
		if got := one(facts, "page /next").Page.Referrer; !strings.HasPrefix(got, w.site.url("/start")) {
			t.Errorf("the second view came from %q", got)
		}
	})
}

// A message's click token is read from the address, and the order that follows is
// credited to the message, whose recipient nobody named on the page.
func TestPixel_ClickToken(t *testing.T) {
	t.Parallel()
	in(t, engines, func(t *testing.T, w *world) {
		var server struct {
			WriteKey string `json:"write_key"`
		}
		w.api.Post(t, "/v1/sources", map[string]any{"kind": "server", "name": "sender", "config": map[string]any{}}, &server)
		sender := stack.Client{URL: suite.stack.TrackingURL}
		status, text := sender.Do(t, http.MethodPost, "/v1/messages?writeKey="+server.WriteKey, map[string]any{"messages": []any{map[string]any{
			"channel": "whatsapp", "message_id": "m1", "to": map[string]any{"phone": "+4790000001"}, "template": map[string]any{"name": "spring", "language": "nb"},
			"campaign": "c1", "click_token": "token-spring", "sender": "1001", "sent_at": time.Now().UTC().Add(-time.Minute).Format(time.RFC3339Nano),
		}}})
		if status != http.StatusOK {
			t.Fatalf("the message was answered %d: %s", status, text)
		}
		b := w.visit("/start?mt=token-spring", page{})
		// Nobody buys within a request's time. Who did may be taken to have bought first: a
		// time is what is left of the receipt's after the browser's clock is taken off, to the
		// request's latency.
		w.eventually("the page view", func() bool { return len(w.facts()) == 2 })
		b.run(`touchline('track', 'Order Completed', {order_id: 'o1', total: '19.90', currency: 'NOK'})`)
		type row struct {
			OrderID   string `json:"order_id"`
			MessageID string `json:"message_id"`
			Value     string `json:"credited_value"`
		}
		var rows struct{ Data []row }
		w.eventually("the order's credit", func() bool {
			w.api.Get(t, "/v1/attributions?model=last_touch&limit=10", &rows)
			return len(rows.Data) > 0 && rows.Data[0].MessageID != ""
		})
		if got := rows.Data[0]; got.OrderID != "o1" || got.MessageID != "m1" || !strings.HasPrefix(got.Value, "19.9") {
			t.Errorf("credited %+v", got)
		}
	})
}

// 200 clicks as fast as a page can make them are 200 facts.
func TestPixel_RapidClicks(t *testing.T) {
	t.Parallel()
	in(t, both, func(t *testing.T, w *world) {
		b := w.visit("/start", page{body: `<button data-tl-event="tap">tap</button>`})
		w.eventually("the view", func() bool { return len(w.facts()) == 1 })
		// A click is sent at once when no request is under way: then every quick answer would
		// cost one.
		w.proxy.slow(250 * time.Millisecond)
		b.run(`(async () => {
			const begun = performance.now();
			for (let n = 0; n < 200; n++) {
				document.querySelector('button').click();
				await new Promise((resolve) => setTimeout(resolve, 1));
			}
			window.took = performance.now() - begun;
		})()`)
		want := []string{"page /start"}
		for range 200 {
			want = append(want, "tap")
		}
		w.expect(want...)
		var took float64 // milliseconds
		b.evaluate("window.took", &took)
		// One each 250 ms while others are under way, and some more as a request has room for
		// some 40.
		if got := len(w.proxy.seen()); float64(got) > 20+took/250 {
			t.Errorf("%d requests in %.0f ms", got, took)
		}
	})
}

// The server's own cookie, which scripts can't read, makes a visitor whose browser has
// forgotten what scripts stored the same device again: where the tracking service is
// another host of the site, and where it is a path of the page's own.
func TestPixel_ForgottenStorage(t *testing.T) {
	t.Parallel()
	forgotten := func(tag string) func(t *testing.T, w *world) {
		return func(t *testing.T, w *world) { forgottenStorage(t, w, page{tag: tag}) }
	}
	t.Run("another host", func(t *testing.T) {
		t.Parallel()
		// WebKitGTK knows no site below localhost.
		in(t, both, forgotten(`data-cookie="include"`))
	})
	t.Run("own path", func(t *testing.T) {
		t.Parallel()
		in(t, engines, forgotten(`data-endpoint="/e"`))
	})
}

func forgottenStorage(t *testing.T, w *world, p page) {
	w.site.set("/again", p)
	b := w.visit("/start", p)
	w.eventually("the id's confirmation", func() bool {
		var unconfirmed any
		b.evaluate("localStorage.getItem('_tld')", &unconfirmed)
		return unconfirmed == nil
	})
	b.run("localStorage.clear()")
	b.open(w.site.url("/again"))
	facts := w.expect("page /start", "page /again")
	if string(facts[0].Device) != string(facts[1].Device) || len(facts[0].Device) == 0 {
		t.Errorf("devices %s and %s", facts[0].Device, facts[1].Device)
	}
	var cookie string
	b.evaluate("document.cookie", &cookie)
	if cookie != "" {
		t.Errorf("scripts can read %q", cookie)
	}
}

// A visitor whose clock is a day ahead, or behind, is believed about intervals alone.
func TestPixel_WrongClock(t *testing.T) {
	t.Parallel()
	in(t, both, func(t *testing.T, w *world) {
		for path, wrong := range map[string]string{"/ahead": "864e5", "/behind": "-864e5"} {
			w.visit(path, page{head: `<script>(function () {
				var Real = Date;
				window.Date = function () { return arguments.length ? new Real(arguments[0]) : new Real(Real.now() + ` + wrong + `) };
				Date.now = function () { return Real.now() + ` + wrong + ` };
				Date.parse = Real.parse;
				Date.prototype = Real.prototype;
			})()</script>`})
		}
		w.last = page{}
		for _, f := range w.expect("page /ahead", "page /behind") {
			if off := time.Since(f.At); off < 0 || off > 12*time.Hour { // half of what the clock is wrong by
				t.Errorf("%s happened %s ago", f.name(), off)
			}
		}
	})
}

// A visitor who follows a link to another host of the business stays one device, by a
// token of the tracking service; who comes to that host by themselves is another.
func TestPixel_OtherDomain(t *testing.T) {
	t.Parallel()
	in(t, both, func(t *testing.T, w *world) {
		shown := page{use: "domains", tag: `data-domains="pay.localhost"`}
		w.site.set("/landing", shown)
		pay := host(w.site.server, "pay.localhost")
		shown.body = `<a id="to" href="` + pay + `/landing?sig=A%2fb">pay</a>`
		b := w.visit("/start", shown)
		w.eventually("the view", func() bool { return len(w.facts()) == 1 })
		b.run(`document.querySelector('#to').focus()`)
		w.eventually("a token", func() bool {
			var there bool
			b.evaluate(`performance.getEntriesByType('resource').some((e) => e.name.includes('/handover?') && e.responseEnd > 0)`, &there)
			return there
		})
		b.click("#to")
		w.eventually("the other host", func() bool { return len(w.facts()) == 2 })
		var address string
		b.evaluate("location.href", &address)
		if want := pay + "/landing?sig=A%2fb"; address != want {
			t.Errorf("the address bar shows %s, want %s", address, want)
		}
		w.arrive()
		w.tab().open(pay + "/landing?alone")
		facts := w.expect("page /start", "page /landing?sig=A%2fb", "page /landing?alone")
		here, there, alone := one(facts, "page /start"), one(facts, "page /landing?sig=A%2fb"), one(facts, "page /landing?alone")
		if string(here.Device) != string(there.Device) || len(here.Device) == 0 || len(there.Flags) > 0 {
			t.Errorf("devices %s and %s, flags %q", here.Device, there.Device, there.Flags)
		}
		if string(alone.Device) == string(here.Device) {
			t.Errorf("who came alone is device %s too", alone.Device)
		}
	})
}
