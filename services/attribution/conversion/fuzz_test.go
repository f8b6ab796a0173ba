package conversion

import (
	"encoding/json"
	"math/big"
	"strings"
	"testing"

	"github.com/cockroachdb/apd/v3"

	"github.com/touchline/touchline/services/internal/hit"
)

// An amount is exactly what was written, has no trailing zeros, and is read back from
// every way of writing it.
func FuzzParseAmount(f *testing.F) {
	for _, seed := range []string{"100.00", " -0.0005 ", "1e3", "NaN", "-0", "1e999", "1,5", "+5", "0x10", "1_0"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, ok := ParseAmount(text)
		if !ok {
			if d != nil {
				t.Fatalf("%q is refused and %s", text, d)
			}
			return
		}
		if exact, known := new(big.Rat).SetString(strings.TrimSpace(text)); known {
			if got, _ := new(big.Rat).SetString(d.Text('f')); got == nil || got.Cmp(exact) != 0 {
				t.Fatalf("%q became %s", text, d)
			}
		}
		if d.Form != apd.Finite || d.IsZero() && (d.Negative || d.Exponent != 0) {
			t.Fatalf("%q became %#v", text, d)
		}
		for _, form := range []byte("feg") {
			again, ok := ParseAmount(d.Text(form))
			if !ok || again.Cmp(d) != 0 || again.Exponent != d.Exponent {
				t.Fatalf("%q is written %s, which reads as %v", text, d.Text(form), again)
			}
		}
		if back := Subtract(Subtract(d, d), Subtract(apd.New(0, 0), d)); back.Cmp(d) != 0 {
			t.Fatalf("0 - -(%s) = %s", d, back)
		}
	})
}

// Properties are total, and agree with encoding/json on what is there.
func FuzzProperties(f *testing.F) {
	f.Add([]byte(`{"value": " 1.50 ", "currency": null, "x": {}, "y": [1], "z": true}`), "value")
	f.Add([]byte(`[1]`), "")
	f.Fuzz(func(t *testing.T, raw []byte, name string) {
		p := ParseProperties(raw)
		if p == nil {
			t.Fatal("nil")
		}
		var has map[string]any
		if json.Unmarshal(raw, &has) != nil {
			has = nil
		}
		if p.has(name) != (has[name] != nil) {
			t.Fatalf("%s in %s: %v", name, raw, p.has(name))
		}
		text, isText := p.text(name)
		if want, is := has[name].(string); is && (!isText || text != want) {
			t.Fatalf("%s in %s is %q %v, want %q", name, raw, text, isText, want)
		}
		if isText && !p.has(name) {
			t.Fatalf("%s in %s has a text and is not there", name, raw)
		}
		if d, ok := p.amount(name); ok != (d != nil) || ok && !isText {
			t.Fatalf("%s in %s is the amount %v %v", name, raw, d, ok)
		}
	})
}

// However often and in whatever order copies come, events are the same, every copy is
// in one event, and the value is one that a copy states.
func FuzzEvents(f *testing.F) {
	f.Add([]byte(`{"order_id":"1","value":2}`), []byte(`{"value":3}`), uint8(2), uint8(3))
	f.Add([]byte(`{"order_id":1}`), []byte(`{"order_id":" 1 "}`), uint8(1), uint8(1))
	f.Fuzz(func(t *testing.T, first, second []byte, trustA, trustB uint8) {
		a := event("Buy", "1", hit.Trust(trustA%3+1), 5, string(first), "anna")
		b := event("Buy", "1", hit.Trust(trustB%3+1), 5, string(second))
		b.Source[0]++
		one, two := eventsOf(a, b), eventsOf(b, a)
		if len(one) != len(two) {
			t.Fatalf("%d events, %d the other way round", len(one), len(two))
		}
		copies := 0
		for i, e := range one {
			copies += len(e.Copies)
			if e.Lead().Fact.Source != two[i].Lead().Fact.Source || e.OrderID != two[i].OrderID {
				t.Fatalf("event %d: %+v, the other way round %+v", i, e.Lead(), two[i].Lead())
			}
			for j := range e.Copies {
				if e.Copies[j].OrderID != e.OrderID || j > 0 && e.Copies[j-1].compare(&e.Copies[j]) > 0 {
					t.Fatalf("copies of %q out of order: %+v", e.OrderID, e.Copies)
				}
			}
		}
		if copies != 2 {
			t.Fatalf("%d copies", copies)
		}
	})
}
