package edge

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/touchline/touchline/services/internal/corpustest"
	"github.com/touchline/touchline/services/tracking/intake"
)

// hole is a place in the item of an endpoint that takes some value.
type hole struct {
	endpoint
	corpustest.Form // of the item
}

func holes(t testing.TB) []hole {
	t.Helper()
	var all []hole
	for _, p := range endpoints() {
		for _, form := range corpustest.Holes(t, p.item) {
			all = append(all, hole{p, form})
		}
	}
	return all
}

// every runs a test of each endpoint over one bench of its own.
func every(t *testing.T, run func(t *testing.T, b *bench, holes []hole)) {
	t.Helper()
	byName := map[string][]hole{}
	for _, h := range holes(t) {
		byName[h.name] = append(byName[h.name], h)
	}
	for name, holes := range byName {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, newBench(t), holes)
		})
	}
}

// Our own bad input, everywhere, alone and between two good items, which are kept.
func TestBadInput_Own(t *testing.T) {
	t.Parallel()
	own := corpustest.Own()
	every(t, func(t *testing.T, b *bench, holes []hole) {
		for _, h := range holes {
			for _, value := range own.Values() {
				h.send(t, b, h.body(h.With(value)))
				if h.batch {
					among(t, b, h, h.With(value))
				}
			}
		}
	})
}

// among sends an item between two good ones. Unless the whole is no JSON, those are
// kept.
func among(t *testing.T, b *bench, h hole, item string) {
	t.Helper()
	before, after := strings.Replace(h.item, `"m"`, `"before"`, 1), strings.Replace(h.item, `"m"`, `"after"`, 1)
	w := h.send(t, b, h.body(before+","+item+","+after))
	hits := b.appender.all()
	if w.Code != http.StatusOK {
		return
	}
	if n := len(hits); n < 3 || hits[0].Fact.ID != "before" || hits[n-1].Fact.ID != "after" || hits[0].Rejection != nil || hits[n-1].Rejection != nil {
		t.Errorf("%s: an item took others with it: %q: %s", h.name, item, w.Body)
	}
}

// What the issue names, in one item of three: kept clean, or refused with the reason
// told, and the others kept.
func TestBadInput_OneOfThree(t *testing.T) {
	t.Parallel()
	deep := func(n int) string { return strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n) }
	for _, c := range []struct {
		name, properties string
		kept             string // what becomes of properties; empty: refused as malformed
	}{
		{"U+0000", `{"a":"x\u0000y","b\u0000":1}`, "{\"a\":\"x\ufffdy\",\"b\ufffd\":1}"},
		{"lone surrogates", `{"a":"\ud800","b":"\udc00\ud800x"}`, "{\"a\":\"\ufffd\",\"b\":\"\ufffd\ufffdx\"}"},
		{"bytes that are no UTF-8", "{\"a\":\"\xff\xed\xa0\x80\"}", "{\"a\":\"\ufffd\ufffd\ufffd\ufffd\"}"},
		{"a number beyond floats", `{"total":1e999}`, `{"total":1e+999}`},
		{"a number beyond exponents", `{"total":1e10000}`, ""},
		{"more digits than a float has", `{"total":9007199254740993.10}`, `{"total":9007199254740993.1}`},
		{"minus nothing", `{"total":-0.0}`, `{"total":0}`},
		{"as deep as allowed", deep(30), deep(30)},
		{"32 levels with its item", deep(31), ""},
		{"100,000 levels", strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000), ""},
		{"the same key twice", `{"a":1,"b":2,"a":{"c":1,"c":2}}`, `{"a":{"c":2},"b":2}`},
		{"the same key twice, spelt differently", `{"a":1,"\u0061":2}`, `{"a":2}`},
		{"no number", `{"total":NaN}`, ""},
		{"no finite number", `{"total":-Infinity,"x":Infinity}`, ""},
		{"the words of a text", `{"a":"NaN, \"-Infinity\""}`, `{"a":"NaN, \"-Infinity\""}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			item := func(id, properties string) string {
				return `{"type":"track","event":"E","userId":"u","messageId":"` + id + `","properties":` + properties + `}`
			}
			body := `{"batch":[` + item("before", "{}") + "," + item("bad", c.properties) + "," + item("after", "{}") + `]}`
			w := b.judged(t, http.MethodPost, "/v1/batch?key=server-key", body)
			hits := b.appender.all()
			if w.Code != http.StatusOK || len(hits) != 3 || hits[0].Fact.ID != "before" || hits[2].Fact.ID != "after" {
				t.Fatalf("%d %s: %d hits", w.Code, w.Body, len(hits))
			}
			if r := hits[1].Rejection; c.kept == "" {
				if r == nil || r.Reason != string(intake.Malformed) || !strings.Contains(w.Body.String(), `"index":1,"reason":"malformed"`) {
					t.Errorf("not refused: %s", w.Body)
				}
				return
			}
			if hits[1].Rejection != nil || string(hits[1].Fact.Event.Properties) != c.kept {
				t.Errorf("%s, kept %s", w.Body, hits[1].Fact.Event.Properties)
			}
		})
	}
}

// The same of the other wire formats that take several items.
func TestBadInput_NoNumberInABatch(t *testing.T) {
	t.Parallel()
	for _, p := range endpoints() {
		if !p.batch {
			continue
		}
		b := newBench(t)
		bad := strings.Replace(p.item, "{", `{"x":[NaN,-Infinity],`, 1)
		w := p.send(t, b, p.body(p.item+","+bad+","+p.item))
		hits := b.appender.all()
		if w.Code != http.StatusOK || len(hits) != 3 || hits[0].Rejection != nil || hits[2].Rejection != nil {
			t.Errorf("%s: %d %s", p.name, w.Code, w.Body)
			continue
		}
		if r := hits[1].Rejection; r == nil || r.Reason != string(intake.Malformed) || string(r.Raw) != bad {
			t.Errorf("%s: kept %+v", p.name, r)
		}
	}
}

// Times that can't be become the time of receipt, with a flag, or are refused where the
// sender can mend them.
func TestBadInput_Times(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, text := range corpustest.Own().Times {
		for _, value := range []string{corpustest.Quote(text), text} {
			b.judged(t, http.MethodPost, "/v1/track?key=server-key", `{"event":"E","userId":"u","timestamp":`+value+`,"sentAt":`+value+`}`)
			for _, h := range b.appender.all() {
				if at := h.Fact.At.Time(); at.After(testNow.AddDate(0, 0, 1)) || at.Year() < 2010 {
					t.Errorf("%s became %s", value, at)
				}
			}
		}
	}
}

// A request of 10,000 keys, wherever they stand, is one like any other.
func TestBadInput_ManyKeys(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var keys strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&keys, `"k%d":%d,`, i%5000, i)
	}
	for _, body := range []string{
		`{` + keys.String() + `"event":"E","userId":"u"}`,
		`{"event":"E","userId":"u","properties":{` + keys.String() + `"z":1}}`,
		`{"event":"E","userId":"u","context":{` + keys.String() + `"z":1}}`,
	} {
		b.judged(t, http.MethodPost, "/v1/track?key=server-key", body)
	}
	query := strings.Repeat("a=1&", 10_000)
	b.judged(t, http.MethodGet, "/e.gif?key=pixel-key&did=d&"+query, "")
	b.judged(t, http.MethodPost, "/v1/track?"+query+"key=server-key", `{"event":"E","userId":"u"}`)
}

func TestMethods(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	allowed := map[string][]string{}
	for _, route := range b.router.Routes() {
		allowed[route.Path] = append(allowed[route.Path], route.Method)
	}
	for path, methods := range allowed {
		target := strings.NewReplacer(":source", whatsappID, ":key", "pixel-key").Replace(path)
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "FOO"} {
			w := httptest.NewRecorder()
			b.router.ServeHTTP(w, httptest.NewRequest(method, target, strings.NewReader("{}")))
			known := strings.Contains(strings.Join(methods, " "), method)
			allow := w.Header().Get("Allow")
			switch {
			case known && w.Code == http.StatusMethodNotAllowed, method == "OPTIONS" && w.Code != http.StatusNoContent,
				!known && method != "OPTIONS" && w.Code != http.StatusMethodNotAllowed:
				t.Errorf("%s %s: %d", method, target, w.Code)
			case !known && !strings.Contains(allow, methods[0]):
				t.Errorf("%s %s: Allow %q, want %v", method, target, allow, methods)
			}
		}
	}
	if w := b.do(http.MethodPost, "/nowhere", ""); w.Code != http.StatusNotFound {
		t.Errorf("what is not there: %d", w.Code)
	}
}
