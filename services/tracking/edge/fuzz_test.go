package edge

import (
	"net/http"
	"net/url"
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
	fuzzQuery(f, "/e.gif", "key=pixel-key", "url", "ref", "mt", "did", "uid", "id", "title", "key")
}

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
