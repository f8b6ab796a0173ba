package browser

import (
	"fmt"
	"testing"
	"time"
)

// track has the page make so many events, "x1" and so on.
func track(b tab, count int) (names []string) {
	b.t.Helper()
	for n := range count {
		names = append(names, fmt.Sprintf("x%d", n+1))
	}
	b.run(fmt.Sprintf(`(() => { for (let n = 1; n <= %d; n++) touchline('track', 'x', {n}) })()`, count))
	return names
}

// offlineAndBack makes events without a network, and expects them after it is back. Their
// times are from before: the edge corrects them by the browser's clock, to the latency of
// the request that brought them. Without a network for so short a time nothing follows.
func offlineAndBack(w *world, atLeast time.Duration) {
	w.t.Helper()
	b := w.visit("/start", page{})
	w.eventually("the page view", func() bool { return len(w.facts()) == 1 })
	w.eventually("its answer", func() bool { return w.kept(b) == 0 }) // which going offline would cut off
	w.offline(true)
	events := track(b, 5)
	w.eventually("all of them kept", func() bool { return w.kept(b) == len(events) })
	if w.driver != chromium.shared { // whose own switch is nearer: nothing comes to the proxy
		w.eventually("a request that fails", func() bool { return w.proxy.refused() > 0 })
	}
	time.Sleep(atLeast) // as long as the case is about
	back := time.Now()
	w.offline(false)
	for _, f := range w.expect(append(events, "page /start")...) {
		if lasted := back.Sub(f.At); atLeast > 0 && lasted < atLeast/2 {
			w.t.Errorf("%s is kept as of %s before the network was back, after %s without", f.name(), lasted, atLeast)
		}
	}
}

// What happens without a network is kept, and arrives with the time when it happened.
func TestPixel_OfflineAndBack(t *testing.T) {
	t.Parallel()
	in(t, engines, func(_ *testing.T, w *world) { offlineAndBack(w, 0) })
}

// The same with a whole minute, beside the other tests.
func TestPixel_OfflineForAMinute(t *testing.T) {
	t.Parallel()
	offlineAndBack(newWorld(t, chromium.driver(t)), time.Minute)
}

// The first 30 % of the requests are answered 503.
func TestPixel_Refusals(t *testing.T) {
	t.Parallel()
	in(t, engines, func(t *testing.T, w *world) {
		const visits, refused = 20, 6
		w.proxy.set(func(n int, _ *request) verdict {
			if n < refused {
				return refuse
			}
			return pass
		})
		b := w.visit("/start", page{})
		want := []string{"page /start"}
		for n := 1; n < visits; n++ {
			b.run(fmt.Sprintf(`touchline('track', 'x', {n: %d})`, n))
			want = append(want, fmt.Sprintf("x%d", n))
			w.eventually("its request", func() bool { return len(w.proxy.seen()) > n })
		}
		w.expect(want...)
		for n, r := range w.proxy.seen() {
			if n < refused && r.verdict != refuse {
				t.Errorf("request %d was let through", n)
			}
		}
	})
}

// Answers that get lost have the browser send again what is there already: the copies
// are recognised by their ids.
func TestPixel_LostAnswers(t *testing.T) {
	t.Parallel()
	in(t, both, func(t *testing.T, w *world) {
		w.proxy.set(func(n int, _ *request) verdict {
			if n < 3 {
				return lose
			}
			return pass
		})
		b := w.visit("/start", page{})
		want := append(track(b, 5), "page /start")
		w.eventually("a second sending", func() bool {
			sent := map[string]int{}
			for _, r := range w.proxy.seen() {
				for _, event := range r.Batch {
					sent[event.MessageID]++
				}
			}
			for _, times := range sent {
				if times > 1 {
					return true
				}
			}
			return false
		})
		w.expect(want...)
	})
}

// A tab that is closed 20 ms after a click, and one that is left by the click.
func TestPixel_TabClosedAfterClick(t *testing.T) {
	t.Parallel()
	in(t, engines, func(_ *testing.T, w *world) {
		b := w.visit("/start", page{body: `<button data-tl-event="tap">tap</button>`})
		b.click("button")
		time.Sleep(20 * time.Millisecond) // as long as the case is about
		b.close()
		c := w.visit("/leave", page{body: `<a href="/next" data-tl-event="leave">leave</a>`})
		w.site.set("/next", page{noTag: true})
		c.click("a")
		w.expect("page /start", "tap", "page /leave", "leave")
	})
}

// Tabs that share what waits do not send it twice.
func TestPixel_TwoTabs(t *testing.T) {
	t.Parallel()
	in(t, both, func(t *testing.T, w *world) {
		w.site.set("/other", page{})
		first := w.visit("/start", page{})
		second := w.tab()
		second.open(w.site.url("/other"))
		w.eventually("both views", func() bool { return len(w.facts()) == 2 })
		w.eventually("their answers", func() bool { return w.kept(first) == 0 })
		w.offline(true)
		first.run(`touchline('track', 'first')`)
		second.run(`touchline('track', 'second')`)
		w.offline(false)
		facts := w.expect("page /start", "page /other", "first", "second")
		for _, f := range facts {
			if f.session().Session.ID != facts[0].session().Session.ID || string(f.Device) != string(facts[0].Device) {
				t.Errorf("%s is of another session or device", f.name())
			}
		}
		times := map[string]int{}
		for _, r := range w.proxy.seen() {
			for _, event := range r.Batch {
				times[event.Event]++
			}
		}
		if times["first"] != 1 || times["second"] != 1 {
			t.Errorf("sent so often: %v", times)
		}
	})
}
