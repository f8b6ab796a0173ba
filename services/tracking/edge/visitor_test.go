package edge

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/internal/httpserver"
	"github.com/touchline/touchline/services/internal/registry"
	"github.com/touchline/touchline/services/tracking/edge/handover"
)

// The devices of these tests: one that the script made, and that of a cookie.
const (
	freshDevice = "0198f3a2-0000-7c2e-8a54-2f6b1f0c9d11"
	keptDevice  = "0198f3a2-1111-7c2e-8a54-2f6b1f0c9d11"
)

// events is a beacon of page views with these fields each.
func events(fields ...string) string {
	var items []string
	for i, more := range fields {
		items = append(items, `{"type":"page","messageId":"m`+string(rune('a'+i))+`","properties":{"url":"https://www.shop.example/"}`+more+`}`)
	}
	return `{"writeKey":"pixel-key","batch":[` + strings.Join(items, ",") + `]}`
}

// send posts a beacon to t.shop.example from a page of the same site; headers come in
// pairs.
func (b *bench) send(body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "http://t.shop.example/e", strings.NewReader(body))
	r.Header.Set("Origin", "https://www.shop.example")
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	b.router.ServeHTTP(w, r)
	return w
}

// devices lists those of all hits, "" for none.
func (b *bench) devices() []string {
	var all []string
	for _, h := range b.appender.all() {
		device := ""
		if h.Fact.Device != nil {
			device = h.Fact.Device.Value
		}
		all = append(all, device)
	}
	return all
}

func TestCookie(t *testing.T) {
	t.Parallel()
	const (
		fresh, isNew = `,"anonymousId":"` + freshDevice + `"`, `,"device":"new"`
		other        = `,"anonymousId":"0198f3a2-2222-7c2e-8a54-2f6b1f0c9d11"`
		granted      = `,"consent":"granted"`
		kept         = "_tls=" + keptDevice
		attributes   = "; Path=/; Max-Age=34128000; HttpOnly; Secure; SameSite=Lax"
		setFresh     = "_tls=" + freshDevice + attributes
		setKept      = kept + attributes
		gone         = "_tls=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax"
	)
	for _, c := range []struct {
		name    string
		body    string
		headers []string
		devices []string
		cookie  string // Set-Cookie
		answer  string // anonymousId
	}{
		{name: "is set", body: events(fresh + granted), devices: []string{freshDevice}, cookie: setFresh},
		{name: "is set for a script of before", body: events(fresh), devices: []string{freshDevice}, cookie: setFresh},
		{name: "is not secure on a plain page", body: events(fresh), headers: []string{"Origin", "http://www.shop.example"}, devices: []string{freshDevice}, cookie: strings.Replace(setFresh, " Secure;", "", 1)},
		{name: "by the Referer of one without Origin", body: events(fresh), headers: []string{"Origin", "", "Referer", "https://shop.example/"}, devices: []string{freshDevice}, cookie: setFresh},
		{name: "not for another site", body: events(fresh + isNew), headers: []string{"Origin", "https://shop.test", "Cookie", kept}, devices: []string{freshDevice}},
		{name: "not for a page without origin", body: events(fresh + isNew), headers: []string{"Origin", "null", "Referer", "https://shop.example/", "Cookie", kept}, devices: []string{freshDevice}},
		{name: "not when consent is denied", body: events(fresh + `,"consent":"denied"`), devices: []string{""}},
		{name: "goes when consent is withdrawn", body: events(fresh+granted, `,"consent":"denied"`), headers: []string{"Cookie", kept}, devices: []string{freshDevice, ""}, cookie: gone},
		{name: "goes with a request that says no more", body: `{"writeKey":"pixel-key","batch":[],"consent":"denied"}`, headers: []string{"Cookie", kept}, cookie: gone},
		{name: "is not taken away where there is none", body: `{"writeKey":"pixel-key","batch":[],"consent":"denied"}`},
		{name: "goes whatever is in it", body: events(`,"consent":"denied"`), headers: []string{"Cookie", "_tls=x"}, devices: []string{""}, cookie: gone},
		{name: "comes when consent is given", body: events(`,"consent":"denied"`, fresh+granted), devices: []string{"", freshDevice}, cookie: setFresh},
		{name: "not where nothing is stored", body: events(`,"consent":"unknown"`), devices: []string{""}},
		{name: "not with Global Privacy Control", body: events(fresh + isNew + `,"signals":{"gpc":true}`), headers: []string{"Sec-GPC", "1", "Cookie", kept}, devices: []string{freshDevice}},
		{name: "not when the script says so", body: events(fresh + `,"signals":{"gpc":true}`), devices: []string{freshDevice}},
		{name: "not with an id that is none", body: events(`,"anonymousId":"a; b"`), devices: []string{"a; b"}},
		{name: "takes the place of a new device", body: events(fresh+isNew, fresh, other, fresh), headers: []string{"Cookie", kept}, devices: []string{keptDevice, keptDevice, "0198f3a2-2222-7c2e-8a54-2f6b1f0c9d11", keptDevice}, cookie: setKept, answer: keptDevice},
		{name: "but not of one that is stored", body: events(fresh), headers: []string{"Cookie", kept}, devices: []string{freshDevice}, cookie: setFresh},
		{name: "nor of one after a reset", body: events(fresh + `,"device":"reset"`), headers: []string{"Cookie", kept}, devices: []string{freshDevice}, cookie: setFresh},
		{name: "a reset after all", body: events(fresh+isNew, `,"anonymousId":"0198f3a2-2222-7c2e-8a54-2f6b1f0c9d11","device":"reset"`), headers: []string{"Cookie", kept}, devices: []string{keptDevice, "0198f3a2-2222-7c2e-8a54-2f6b1f0c9d11"}, cookie: "_tls=0198f3a2-2222-7c2e-8a54-2f6b1f0c9d11" + attributes},
		{name: "the same device", body: events(fresh + isNew), headers: []string{"Cookie", "_tls=" + freshDevice}, devices: []string{freshDevice}, cookie: setFresh},
		{name: "holds no device", body: events(fresh + isNew), headers: []string{"Cookie", "_tls=<script>alert(1)</script>"}, devices: []string{freshDevice}, cookie: setFresh},
		{name: "is too long", body: events(fresh + isNew), headers: []string{"Cookie", "_tls=" + strings.Repeat("a", 65)}, devices: []string{freshDevice}, cookie: setFresh},
		{name: "is empty", body: events(fresh + isNew), headers: []string{"Cookie", "_tls="}, devices: []string{freshDevice}, cookie: setFresh},
		{name: "not of a device that lasts a day", body: events(`,"cookieless":true`), headers: []string{"Cookie", kept}, devices: []string{"c02dc601c2ae7c8f863e20772372d2acb"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			w := b.send(c.body, c.headers...)
			body := want(t, w, http.StatusOK)
			if cookie := w.Header().Get("Set-Cookie"); cookie != c.cookie {
				t.Errorf("Set-Cookie %q, want %q", cookie, c.cookie)
			}
			if answer, _ := body["anonymousId"].(string); answer != c.answer {
				t.Errorf("anonymousId %q, want %q", answer, c.answer)
			}
			if got := b.devices(); !slices.Equal(got, c.devices) {
				t.Errorf("devices %q, want %q", got, c.devices)
			}
		})
	}
}

// A site may name the cookie, shorten its life and have none; a server's key has none.
func TestCookie_Configured(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind   string
		cookie *registry.Cookie
		want   string
	}{
		{registry.KindPixel, &registry.Cookie{Name: "__Host-id", Days: 1}, "__Host-id=" + freshDevice + "; Path=/; Max-Age=86400; HttpOnly; Secure; SameSite=Lax"},
		{registry.KindPixel, &registry.Cookie{Name: "_tls"}, ""},
		{registry.KindServer, nil, ""},
	} {
		b := newBench(t)
		b.directory.sources[0].Kind, b.directory.sources[0].Config.Cookie = c.kind, c.cookie
		w := b.send(events(`,"anonymousId":"` + freshDevice + `"`))
		if got := w.Header().Get("Set-Cookie"); w.Code != http.StatusOK || got != c.want {
			t.Errorf("%s %+v: %d %q, want %q", c.kind, c.cookie, w.Code, got, c.want)
		}
	}
}

// What is not kept has no cookie: its sender sends the same again.
func TestCookie_NotKept(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.appender.err = registry.ErrUnavailable
	w := b.send(events(`,"anonymousId":"`+freshDevice+`","device":"new"`), "Cookie", "_tls="+keptDevice)
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Set-Cookie") != "" || w.Header().Get("Access-Control-Allow-Credentials") != "true" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

func TestCrossOrigin_Credentials(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, c := range []struct {
		path, origin string
		want         string
	}{
		{"/e", "https://www.shop.example", "true"},
		{"/e", "http://t.shop.example:8080", "true"},
		{"/e/handover", "https://www.shop.example", "true"},
		{"/e", "https://shop.test", ""},
		{"/e", "https://notshop.example", ""},
		{"/e", "https://t.shop.example.evil.test", ""},
		{"/e", "null", ""},
		{"/v1/p", "https://www.shop.example", ""},
		{"/p.js", "https://www.shop.example", ""},
	} {
		for _, method := range []string{http.MethodPost, http.MethodOptions} {
			r := httptest.NewRequest(method, "http://t.shop.example"+c.path, strings.NewReader("{}"))
			r.Header.Set("Origin", c.origin)
			r.Header.Set("Access-Control-Request-Method", "POST")
			w := httptest.NewRecorder()
			b.router.ServeHTTP(w, r)
			if h := w.Header(); h.Get("Access-Control-Allow-Credentials") != c.want || h.Get("Access-Control-Allow-Origin") != c.origin {
				t.Errorf("%s %s from %s: %v", method, c.path, c.origin, h)
			}
		}
	}
}

// A device that lasts a day is the same for the same source, address, browser and site,
// and for no other.
func TestCookieless(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.salts.secret = []byte("today")
	device := func(headers ...string) string {
		t.Helper()
		want(t, b.send(events(`,"cookieless":true,"consent":"denied"`), headers...), http.StatusOK)
		all := b.devices()
		return all[len(all)-1]
	}
	first := device("User-Agent", "a")
	if len(first) != 33 || first[0] != 'c' {
		t.Fatalf("%q", first)
	}
	if device("User-Agent", "a") != first {
		t.Error("the same visitor is another device")
	}
	if device("User-Agent", "a", "Origin", "", "Referer", "https://www.shop.example/x") != first {
		t.Error("by the Referer it is another device")
	}
	if device("User-Agent", "b") == first || device("User-Agent", "a", "Origin", "https://shop.example") == first {
		t.Error("another browser or site is the same device")
	}
	b.directory.sources[0].ID = uuid.Max
	if device("User-Agent", "a") == first {
		t.Error("another source is the same device")
	}
	b.directory.sources[0].ID = testSources()[0].ID
	b.salts.secret = []byte("tomorrow")
	if device("User-Agent", "a") == first {
		t.Error("tomorrow it is the same device")
	}
	for _, h := range b.appender.all() {
		if strings.Contains(h.Fact.Page.URL+h.Fact.Device.Value, "192.0.2.1") {
			t.Error("the address was kept")
		}
	}
}

// A proxy's word for the address counts when it is trusted, and nobody else's.
func TestCookieless_BehindProxy(t *testing.T) {
	t.Parallel()
	for _, trusted := range []bool{false, true} {
		b := newBench(t)
		if trusted {
			b.router.IPExtractor = httpserver.New(httpserver.Config{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}).IPExtractor
		}
		for _, address := range []string{"203.0.113.1", "203.0.113.2"} {
			want(t, b.send(events(`,"cookieless":true`), "X-Forwarded-For", address), http.StatusOK)
		}
		if all := b.devices(); (all[0] != all[1]) != trusted {
			t.Errorf("trusted %v: %v", trusted, all)
		}
	}
}

func TestHandover(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	w := b.do(http.MethodGet, "/e/handover?k=pixel-key&d="+freshDevice+"&to=Pay.Example:443", "", "Origin", "https://www.shop.example")
	token := w.Body.String()
	if w.Code != http.StatusOK || !strings.HasPrefix(token, freshDevice+".") || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") ||
		w.Header().Get("Access-Control-Allow-Origin") == "" || w.Header().Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %q %v", w.Code, token, w.Header())
	}
	for target, status := range map[string]int{
		"":                                 http.StatusUnauthorized,
		"?k=nobody&d=12345678&to=a.b":      http.StatusUnauthorized,
		"?k=webhook-key&d=12345678&to=a.b": http.StatusForbidden,
		"?k=pixel-key&d=short&to=a.b":      http.StatusBadRequest,
		"?k=pixel-key&d=12345678":          http.StatusBadRequest,
		"?k=pixel-key&d=12345678&to=a/":    http.StatusBadRequest,
	} {
		want(t, b.do(http.MethodGet, "/e/handover"+target, ""), status)
	}
	expired := testHandover(t).Sign(freshDevice, handover.Target{Source: testSources()[0].ID, Host: "pay.example"}, testNow.Add(-handover.Valid-time.Second))
	// Its next events say that the device is new until the edge has answered. The cookie of
	// this site, of a visit long ago, must not take the place of who just came over.
	b = newBench(t)
	w = b.do(http.MethodPost, "http://t.pay.example/e", events(`,"anonymousId":"`+freshDevice+`","device":"new","handover":"`+token+`"`, `,"anonymousId":"`+freshDevice+`","device":"new"`),
		"Origin", "https://pay.example", "Cookie", "_tls="+keptDevice)
	if !strings.HasPrefix(w.Header().Get("Set-Cookie"), "_tls="+freshDevice) {
		t.Errorf("Set-Cookie %q", w.Header().Get("Set-Cookie"))
	}
	want(t, w, http.StatusOK)
	if got := b.devices(); !slices.Equal(got, []string{freshDevice, freshDevice}) {
		t.Errorf("devices %q", got)
	}
	event := func(token, more string) string {
		return `,"anonymousId":"` + freshDevice + `","handover":"` + token + `"` + more
	}
	for _, c := range []struct {
		name, origin, token, more string
		refused                   bool
	}{
		{name: "holds", origin: "https://pay.example", token: token},
		{name: "holds after a redirect", origin: "https://www.pay.example", token: token},
		{name: "of another site", origin: "https://www.shop.example", token: token, refused: true},
		{name: "forged", origin: "https://pay.example", token: freshDevice + ".zzzzzz.AAAAAAAAAAAAAAAAAAAAAA", refused: true},
		{name: "expired", origin: "https://pay.example", token: expired, refused: true},
		{name: "expired while it waited for a network", origin: "https://pay.example", token: expired, more: `,"timestamp":"2026-09-01T11:59:50Z"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			body := want(t, b.send(events(event(c.token, c.more), `,"anonymousId":"`+freshDevice+`"`), "Origin", c.origin), http.StatusOK)
			devices, flags := []string{freshDevice, freshDevice}, []string(nil)
			if c.refused {
				devices, flags = []string{"", ""}, []string{hit.FlagHandoverRefused}
			}
			if got := b.devices(); !slices.Equal(got, devices) {
				t.Errorf("devices %q, want %q", got, devices)
			}
			if got := b.appender.all()[0].Fact.Flags; !slices.Equal(got, flags) {
				t.Errorf("flags %v, want %v", got, flags)
			}
			// Its script has to go on with another device, else the next event has the one refused.
			answer, _ := body["anonymousId"].(string)
			if (answer != "") != c.refused || answer == freshDevice {
				t.Errorf("anonymousId %q", answer)
			}
		})
	}
}
