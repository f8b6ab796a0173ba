package edge

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/touchline/touchline/services/internal/corpustest"
)

// fuzzBody fuzzes the body of the endpoints with a path, over the real router. Seeds
// are their items with a bad input in some field, and bad JSON whole.
func fuzzBody(f *testing.F, path string) {
	f.Helper()
	c := corpustest.Seeds(f)
	var send endpoint
	n := 0
	texts := c.Values()
	for _, h := range holes(f) {
		if before, _, _ := strings.Cut(h.path, "?"); before != path {
			continue
		}
		send = h.endpoint
		f.Add([]byte(h.body(h.item)))
		for range 5 { // of each field some, so that the targets start in seconds
			f.Add([]byte(h.body(h.With(texts[n%len(texts)]))))
			n += 7
		}
	}
	if n == 0 {
		f.Fatalf("nothing has the path %s", path)
	}
	for _, text := range c.JSON {
		f.Add(text.Body)
	}
	b := newBench(f)
	f.Fuzz(func(t *testing.T, body []byte) { send.send(t, b, string(body)) })
}

func FuzzTrack(f *testing.F)    { fuzzBody(f, "/v1/track") }
func FuzzPage(f *testing.F)     { fuzzBody(f, "/v1/page") }
func FuzzScreen(f *testing.F)   { fuzzBody(f, "/v1/screen") }
func FuzzIdentify(f *testing.F) { fuzzBody(f, "/v1/identify") }
func FuzzGroup(f *testing.F)    { fuzzBody(f, "/v1/group") }
func FuzzAlias(f *testing.F)    { fuzzBody(f, "/v1/alias") }
func FuzzBatch(f *testing.F)    { fuzzBody(f, "/v1/batch") }
func FuzzPixel(f *testing.F)    { fuzzBody(f, "/e") }
func FuzzMessages(f *testing.F) { fuzzBody(f, "/v1/messages") }
func FuzzStatuses(f *testing.F) { fuzzBody(f, "/v1/messages/statuses") }
func FuzzWhatsApp(f *testing.F) { fuzzBody(f, "/webhooks/whatsapp/"+whatsappID) }
func FuzzWebhook(f *testing.F)  { fuzzBody(f, "/webhooks/webhook/"+webhookID) }

// fuzzQuery fuzzes what follows the question mark.
func fuzzQuery(f *testing.F, path, fixed string, names ...string) {
	f.Helper()
	c := corpustest.Seeds(f)
	for _, list := range [][]string{c.Strings, c.Numbers, c.Times, c.Phones} {
		for i, s := range list {
			f.Add(url.Values{names[i%len(names)]: {s}}.Encode(), s)
		}
	}
	b := newBench(f)
	f.Fuzz(func(t *testing.T, query, referer string) {
		if strings.ContainsAny(query, "# \x00\r\n") {
			t.Skip("no query of a request")
		}
		b.judged(t, http.MethodGet, path+"?"+fixed+"&"+query, "", "Referer", referer)
	})
}

func FuzzGIF(f *testing.F) {
	fuzzQuery(f, "/e.gif", "key=pixel-key", "url", "ref", "mt", "did", "uid", "id", "title", "key", "consent", "cookieless")
}

func FuzzHandover(f *testing.F) { fuzzQuery(f, "/e/handover", "k=pixel-key", "d", "to", "k") }

func FuzzScript(f *testing.F) { fuzzQuery(f, "/p.js", "x=1", "use") }

// FuzzVisitor fuzzes what the edge reads of a browser beside its events.
func FuzzVisitor(f *testing.F) {
	for _, s := range corpustest.Seeds(f).Strings {
		f.Add(s, "https://edge.example", s, s)
	}
	f.Add("_tls=0198f3a2-1111-7c2e-8a54-2f6b1f0c9d11", "https://www.edge.example", "", "d1234567.tkopfc.R4HwHryHfkFo30olfgjDfw")
	b := newBench(f)
	f.Fuzz(func(t *testing.T, cookie, origin, referer, token string) {
		quoted, err := json.Marshal(token)
		if err != nil {
			t.Fatal(err)
		}
		w := b.judged(t, http.MethodPost, "/e", `{"writeKey":"pixel-key","batch":[{"type":"page","anonymousId":"d1234567","device":"new"},{"type":"page","anonymousId":"d1234567","handover":`+string(quoted)+`},{"type":"page","cookieless":true}]}`,
			"Cookie", cookie, "Origin", origin, "Referer", referer)
		if set := w.Header().Get("Set-Cookie"); set != "" && !cookieSet.MatchString(set) {
			t.Errorf("Set-Cookie: %q", set)
		}
	})
}

// cookieSet is what the edge may set, whatever it was sent.
var cookieSet = regexp.MustCompile(`^_tls=[A-Za-z0-9._-]{8,64}; Path=/; Max-Age=34128000; HttpOnly; (Secure; )?SameSite=Lax$`)

func FuzzVerify(f *testing.F) {
	fuzzQuery(f, "/webhooks/whatsapp/"+whatsappID, "hub.mode=subscribe", "hub.verify_token", "hub.challenge", "hub.mode")
}

func FuzzSettings(f *testing.F) { fuzzQuery(f, "/sourceConfig", "x=1", "writeKey", "key") }

// FuzzHeaders fuzzes the headers that the edge reads, before a body that is good.
func FuzzHeaders(f *testing.F) {
	c := corpustest.Seeds(f)
	for i, s := range c.Strings {
		f.Add(s, c.UserAgents[i%len(c.UserAgents)], c.Times[i%len(c.Times)], s)
	}
	f.Add(basic("server-key"), "", "", "gzip")
	b := newBench(f)
	f.Fuzz(func(t *testing.T, authorization, agent, sentAt, encoding string) {
		b.judged(t, http.MethodPost, "/v1/track", `{"event":"E","userId":"u","timestamp":"2026-09-01T11:00:00Z"}`,
			"Authorization", authorization, "User-Agent", agent, "SentAt", sentAt, "Content-Encoding", encoding, "Origin", agent)
	})
}
