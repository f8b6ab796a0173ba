package browser

import "testing"

// keeps lists what the browser keeps of the pixel's for the page.
const keeps = `(() => {
	try { return [...Object.keys(localStorage), ...document.cookie.split('; ')].filter((name) => name.startsWith('_tl')) } catch (e) { return [] }
})()`

func (w *world) keepsNothing(b tab) {
	w.t.Helper()
	var kept []string
	b.evaluate(keeps, &kept)
	if len(kept) > 0 {
		w.t.Errorf("the browser keeps %q", kept)
	}
}

// nobody fails unless a fact has neither device nor identifiers.
func (w *world) nobody(f fact, state string) {
	w.t.Helper()
	if len(f.Device) > 0 || len(f.Identifiers) > 0 {
		w.t.Errorf("%s is somebody's: device %s, %d identifiers", f.name(), f.Device, len(f.Identifiers))
	}
	if f.Consent.State != state {
		w.t.Errorf("%s has consent %q, want %q", f.name(), f.Consent.State, state)
	}
}

// Before consent a visitor is nobody, with it somebody, and after its withdrawal nobody
// again; the state is with every fact.
func TestPixel_Consent(t *testing.T) {
	t.Parallel()
	in(t, engines, func(t *testing.T, w *world) {
		b := w.visit("/start?mt=tk1", page{tag: `data-consent="required"`})
		b.run(`touchline('track', 'before')`)
		b.run(`touchline('identify', 'u1')`)
		w.eventually("what came before consent", func() bool { return len(w.facts()) == 2 })
		w.keepsNothing(b)
		b.run(`touchline('consent', 'granted')`)
		b.run(`touchline('track', 'between')`)
		w.eventually("what came with consent", func() bool { return len(w.facts()) == 5 })
		b.run(`touchline('consent', 'denied')`)
		b.run(`touchline('track', 'after')`)
		w.eventually("the withdrawal", func() bool { return len(w.facts()) == 7 })
		w.keepsNothing(b)
		facts := w.expect("page /start?mt=tk1", "before", "page /start?mt=tk1", "identify", "between", "Consent Withdrawn", "after")
		w.nobody(one(facts, "before"), "unknown")
		w.nobody(one(facts, "after"), "denied")
		w.nobody(one(facts, "Consent Withdrawn"), "denied")
		between := one(facts, "between")
		if len(between.Device) == 0 || len(between.Identifiers) != 1 || between.Consent.State != "granted" {
			t.Errorf("between consent and withdrawal: %+v", between)
		}
		somebody := 0
		for _, f := range facts {
			if f.Page != nil && len(f.Device) > 0 {
				somebody++
			}
		}
		if somebody != 1 {
			t.Errorf("%d of the two views are somebody's, want that with consent", somebody)
		}
	})
}

// Without storage and ids a visitor is known for a day, by the edge.
func TestPixel_Cookieless(t *testing.T) {
	t.Parallel()
	in(t, both, func(t *testing.T, w *world) {
		b := w.visit("/start", page{tag: "data-cookieless"})
		b.run(`touchline('track', 'x')`)
		facts := w.expect("page /start", "x")
		if string(facts[0].Device) != string(facts[1].Device) || len(facts[0].Device) == 0 {
			t.Errorf("devices %s and %s", facts[0].Device, facts[1].Device)
		}
		w.keepsNothing(b)
	})
}

// Global Privacy Control makes nobody of a visitor, whatever the page says of consent.
// Firefox has the switch; Chromium has it by extensions, which do as the page does here.
func TestPixel_GlobalPrivacyControl(t *testing.T) {
	t.Parallel()
	for _, e := range both {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, e.own(t, func(s *settings) { s.GPC = true }))
			shown := page{}
			if e == chromium {
				shown.head = `<script>Object.defineProperty(navigator, 'globalPrivacyControl', {value: true})</script>`
			}
			b := w.visit("/start?mt=tk1", shown)
			b.run(`touchline('consent', 'granted')`)
			b.run(`touchline('identify', 'u1')`)
			b.run(`touchline('track', 'x')`)
			w.eventually("both", func() bool { return len(w.facts()) == 2 })
			w.keepsNothing(b)
			for _, f := range w.expect("page /start?mt=tk1", "x") {
				if len(f.Device) > 0 || len(f.Identifiers) > 0 || !f.Consent.GPC {
					t.Errorf("%s: device %s, %d identifiers, GPC %v", f.name(), f.Device, len(f.Identifiers), f.Consent.GPC)
				}
			}
		})
	}
}

// A browser that blocks all cookies refuses localStorage too, by an error. Events arrive
// all the same, also those of a request that was refused at first.
func TestPixel_CookiesBlocked(t *testing.T) {
	t.Parallel()
	for _, e := range both {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, e.own(t, func(s *settings) { s.NoCookies = true }))
			w.proxy.set(func(n int, _ *request) verdict {
				if n == 0 {
					return refuse
				}
				return pass
			})
			b := w.visit("/start?mt=tk1", page{})
			var refused bool
			b.evaluate(`(() => { try { return !localStorage } catch (e) { return true } })()`, &refused)
			if !refused {
				t.Fatal("this browser grants storage: the test shows nothing")
			}
			b.run(`touchline('track', 'x')`)
			w.noFaults(b)
			facts := w.expect("page /start?mt=tk1", "x")
			if len(facts[0].Device) == 0 || string(facts[0].Device) != string(facts[1].Device) {
				t.Errorf("devices %s and %s: a page knows its own visitor", facts[0].Device, facts[1].Device)
			}
		})
	}
}

// storages are ways in which a page finds localStorage of no use.
var storages = map[string]string{
	"full": `for (var size = 5e6, n = 0; size > 0; n++) {
		try { localStorage.setItem('fill' + n, 'x'.repeat(size)) } catch (e) { size = Math.floor(size / 2) }
	}`,
	"forbidden": `Object.defineProperty(window, 'localStorage', {get: function () { throw new DOMException('denied', 'SecurityError') }})`,
	"missing":   `Object.defineProperty(window, 'localStorage', {value: null})`,
}

// Without a localStorage that takes anything, the next page still knows the visitor.
func TestPixel_Storage(t *testing.T) {
	t.Parallel()
	in(t, both, func(t *testing.T, w *world) {
		for name, does := range storages {
			w.arrive()
			w.visit("/"+name, page{head: "<script>" + does + "</script>"}).open(w.site.url("/" + name + "?again"))
		}
		w.last = page{}
		var want []string
		for name := range storages {
			want = append(want, "page /"+name, "page /"+name+"?again")
		}
		facts := w.expect(want...)
		for name := range storages {
			first, again := one(facts, "page /"+name), one(facts, "page /"+name+"?again")
			if len(first.Device) == 0 || string(first.Device) != string(again.Device) {
				t.Errorf("with localStorage %s: devices %s and %s", name, first.Device, again.Device)
			}
		}
	})
}
