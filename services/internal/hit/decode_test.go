package hit

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// sameAsJSON holds a read body against what encoding/json makes of it.
func sameAsJSON(t interface {
	Helper()
	Fatalf(format string, args ...any)
}, body []byte,
) (read bool) {
	t.Helper()
	var got Fact
	if !readContent(body, &got) {
		return false
	}
	var want Fact
	if err := json.Unmarshal(body, &want); err != nil {
		t.Fatalf("%s is read, and encoding/json refuses it: %v", body, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("%s (-encoding/json +read):\n%s", body, diff)
	}
	return true
}

// What is stored reads as encoding/json would read it, and most of it without that.
func TestReadContent_AsJSONDoes(t *testing.T) {
	t.Parallel()
	bodies, read := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		f := drawFact(t)
		body, _, err := Content(&f)
		if err != nil {
			t.Fatal(err)
		}
		bodies++
		if sameAsJSON(t, body) {
			read++
		}
	})
	if read < bodies {
		t.Errorf("only %d of %d bodies are read without encoding/json", read, bodies)
	}
}

func TestReadContent_LeavesOddBodies(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		``, `{`, `[]`, `null`, `{"id":"a"} `, `{"id":"a"}{}`, `{"kind":"page","id":"a"}`, `{"id":"a","id":"b"}`, `{"ID":"a"}`, `{"id":null}`,
		"{\"id\":\"\n\"}", `{"id":"\x"}`, `{"id":"\`, `{"id":"a",}`, `{"id":"a" }`, `{"new":1}`, `{"raw":{]}}`, `{"raw":1 }`, `{"raw":}`,
		`{"report":{"code":01}}`, `{"report":{"code":1.0}}`, `{"report":{"code":-}}`, `{"report":{"group":tru}}`, `{"inbound":[]}`, `{"inbound":null}`,
		`{"identifiers":[{"kind":"x"},]}`, `{"identifiers":[,]}`, `{"raw":"a`,
	} {
		if readContent([]byte(body), new(Fact)) {
			t.Errorf("%q was read", body)
		}
	}
	for _, body := range []string{
		`{}`, `{"id":"\u0041"}`, "{\"id\":\"\xff\"}", `{"kind":"\"page\""}`, `{"identifiers":[]}`, `{"device":{}}`, `{"raw":null}`, `{"raw":[{"a":"]\""},1]}`, `{"report":{"code":-7,"group":true,"machine":false}}`,
		`{"event":{"name":"æ","properties":{"a":[]}},"id":"e","kind":"event"}`,
	} {
		if !sameAsJSON(t, []byte(body)) {
			t.Errorf("%q was not read", body)
		}
	}
}

func FuzzReadContent(f *testing.F) {
	f.Add([]byte(`{"device":{"kind":"device","value":"d"},"id":"p","identifiers":[{"folded":"f","kind":"phone","value":"v"}],"kind":"page","page":{"properties":{"a":1},"url":"https://a.example/"}}`))
	f.Add([]byte(`{"channel":"whatsapp","id":"m","kind":"status","report":{"category":"marketing","code":1,"extra":{},"group":true,"payment":{"amount":{"amount":"1"}}},"status":"read"}`))
	f.Add([]byte(`{"channel":"whatsapp","id":"m","inbound":{"type":"text"},"kind":"inbound","consent":{"gpc":true}}`))
	f.Add([]byte(`{"id":"m","kind":"message","message":{"cost":{"amount":"1"},"template":{"language":"en","name":"t"}}}`))
	f.Fuzz(func(t *testing.T, body []byte) { sameAsJSON(t, body) })
}

func BenchmarkFromContent(b *testing.B) {
	body := []byte(`{"device":{"folded":"00112233445566778899aabbccddeeff","kind":"device","value":"00112233445566778899aabbccddeeff"},` +
		`"event":{"name":"Order Completed","properties":{"currency":"EUR","order_id":"order-17","products":[{"id":"p1","price":12.5}],"value":49.9}},` +
		`"id":"0b9bd1b1-3c1e-4a86-9bb0-6c9b5a2b8a01","identifiers":[{"folded":"ffeeddccbbaa99887766554433221100","kind":"phone","value":"ffeeddccbbaa99887766554433221100"}],"kind":"event"}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := FromContent(body); err != nil {
			b.Fatal(err)
		}
	}
}
