package edge

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/touchline/touchline/services/internal/corpustest"
)

// The corpora are large and the fields many: each string goes to every field, but the
// longer lists are spread over the fields, so that each of a list's inputs is sent to
// every endpoint and each field has several hundred.
const spread = 7

func TestCorpora_Values(t *testing.T) {
	t.Parallel()
	c := corpustest.Read(t)
	rest := corpustest.Corpus{Strings: c.Strings, Numbers: c.Numbers, Times: c.Times}
	texts := rest.Values()
	rest = corpustest.Corpus{Phones: c.Phones}
	phones := rest.Values()
	every(t, func(t *testing.T, b *bench, holes []hole) {
		for i, h := range holes {
			for n, value := range texts {
				if (n+i)%spread == 0 || strings.Contains(value, `\u00`) {
					h.send(t, b, h.body(h.With(value)))
				}
			}
			for n, value := range phones {
				if strings.Contains(h.With("!"), `"phone":!`) || strings.Contains(h.With("!"), `wa_id":!`) || (n+i)%(10*spread) == 0 {
					h.send(t, b, h.body(h.With(value)))
				}
			}
		}
		for n, value := range texts { // and everything between two good items
			if h := holes[n%len(holes)]; h.batch {
				among(t, b, h, h.With(value))
			}
		}
	})
}

func TestCorpora_Queries(t *testing.T) {
	t.Parallel()
	c := corpustest.Read(t)
	b := newBench(t)
	for _, list := range [][]string{c.Strings, c.Numbers, c.Times, c.Phones} {
		for _, s := range list {
			escaped := url.QueryEscape(s)
			b.judged(t, http.MethodGet, gifQuery(s), "")
			b.judged(t, http.MethodGet, "/e.gif?key="+escaped+"&did=d", "")
			b.judged(t, http.MethodPost, "/v1/track?writeKey="+escaped, `{"event":"E","userId":"u"}`)
			b.judged(t, http.MethodGet, "/sourceConfig?writeKey="+escaped, "")
			b.judged(t, http.MethodGet, "/v1/projects/"+url.PathEscape(s)+"/settings", "")
			b.judged(t, http.MethodPost, "/webhooks/webhook/"+url.PathEscape(s), "{}", headerSignature, sign("hush", "{}"))
			b.judged(t, http.MethodGet, "/webhooks/whatsapp/"+whatsappID+"?hub.mode=subscribe&hub.verify_token="+escaped+"&hub.challenge="+escaped, "")
			b.judged(t, http.MethodGet, "/webhooks/whatsapp/"+whatsappID+"?hub.mode=subscribe&hub.verify_token=verify&hub.challenge="+escaped, "")
		}
	}
}

// Headers as no client library would send them; the server would refuse some before us.
func TestCorpora_Headers(t *testing.T) {
	t.Parallel()
	c := corpustest.Read(t)
	b := newBench(t)
	names := []string{
		"User-Agent", "Referer", "Origin", "Authorization", "SentAt", "Content-Type", "Content-Encoding", "X-Forwarded-For", "X-Request-Id",
		headerMetaSignature, headerSignature, "If-None-Match", "Accept-Encoding", "Access-Control-Request-Headers",
	}
	body := `{"event":"E","userId":"u"}`
	for _, s := range slices.Concat(c.Strings, c.Times) {
		for _, name := range names {
			b.judged(t, http.MethodPost, "/v1/track?key=server-key", body, name, s)
		}
		b.judged(t, http.MethodGet, "/e.gif?key=pixel-key&did=d", "", "Referer", s)
		b.judged(t, http.MethodGet, "/p.js", "", "If-None-Match", s, "Accept-Encoding", s)
		b.judged(t, http.MethodPost, "/webhooks/whatsapp/"+whatsappID, "{}", headerMetaSignature, s)
	}
	for _, agent := range c.UserAgents {
		if w := b.judged(t, http.MethodPost, "/v1/track?key=server-key", body, "User-Agent", agent); w.Code != http.StatusOK {
			t.Errorf("%d for %q", w.Code, agent)
		}
		if w := b.judged(t, http.MethodGet, "/e.gif?key=pixel-key&did=d", "", "User-Agent", agent); w.Code != http.StatusOK {
			t.Errorf("%d for %q", w.Code, agent)
		}
	}
}

// free is what we do with texts that RFC 8259 leaves free. All of them are read but
// these: they are no JSON to us.
func free(name string) (accepted bool) {
	refused := []string{
		"i_string_UTF-16LE_with_BOM", "i_string_utf16BE_no_BOM", "i_string_utf16LE_no_BOM", // only UTF-8 is read
		"i_structure_UTF-8_BOM_empty_object", // and that without a mark
		"i_depth_100000",                     // no payload nests 10,000 deep
	}
	return !slices.Contains(refused, name)
}

// TestCorpora_JSON holds every endpoint to the JSON suite: as the body, and as a value
// in an item.
func TestCorpora_JSON(t *testing.T) {
	t.Parallel()
	c := corpustest.Read(t)
	every(t, func(t *testing.T, b *bench, holes []hole) {
		whatsapp := strings.HasPrefix(holes[0].name, "whatsapp") // which Meta signed: kept whatever it is
		for _, text := range c.JSON {
			accepted := text.Name[0] != 'n' && (text.Name[0] == 'y' || free(text.Name))
			h := holes[0].endpoint
			got := h.send(t, b, string(text.Body)).Code
			if got == http.StatusOK && !accepted && !whatsapp {
				t.Errorf("%s is read as JSON", text.Name)
			}
			item := strings.Replace(h.item, "{", `{"x":`+string(text.Body)+",", 1)
			got = h.send(t, b, h.body(item)).Code
			if refused := got == http.StatusBadRequest; refused == accepted && !whatsapp && !mended(h, text) {
				t.Errorf("%s in an item: %d", text.Name, got)
			}
		}
	})
}

// mended tells the texts that are refused as an item of a batch and not as the batch:
// those that are JSON but for the words that some languages write for numbers, or for
// how deep they nest.
func mended(h endpoint, text corpustest.Text) bool {
	plain := strings.NewReplacer("Infinity", "0       ", "NaN", "0  ").Replace(string(text.Body))
	return h.batch && (json.Valid([]byte(plain)) || text.Name == "i_depth_100000")
}
