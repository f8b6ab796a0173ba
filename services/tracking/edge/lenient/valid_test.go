package lenient

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// valids are texts that are JSON, or nearly.
func valids() []string {
	deep := func(n int, inner string) string { return strings.Repeat("[", n) + inner + strings.Repeat("]", n) }
	return []string{
		``, ` `, `null`, `nul`, `nulll`, `true`, `false`, ` true `, `truefalse`, `{}`, `{ }`, `{]`, `[}`, `[]`, `[ ]`, `[,]`, `[1,]`, `[1 2]`, `[1`, `[`,
		`{"a":1}`, `{"a" : 1 , "b":[]}`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{a:1}`, `{"a":1 "b":2}`, `{,}`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `{1:2}`, `{"a":1}}`,
		`0`, `-`, `-0`, `00`, `01`, `-01`, `1.`, `.1`, `1.5`, `1.5.5`, `1e`, `1e+`, `1e5`, `1E-5`, `1e5.5`, `1.e5`, `+1`, `--1`, `1-`, `0x1`, `NaN`, `Infinity`, `1e5e5`, `0e0`, `-0.0E+0`,
		`""`, `"`, `"a`, `"a"b`, `"\"`, `"\""`, `"\x"`, `"\u12"`, `"\u12g4"`, `"\u12aF"`, `"\u`, `"\`, "\"\n\"", "\"\x00\"", "\"\x1f\"", "\"\x7f\xff\xc3\"", `"\/\b\f\n\r\t\\"`,
		"\t\r\n 1\t\r\n", "\v1", "1\f", "\ufeff1", "[1]\x00",
		deep(9_999, ""), deep(10_000, ""), deep(10_001, ""), deep(9_999, "{}"), deep(10_000, "{}"), deep(10_000, "1"), deep(10_001, "1"), deep(20_000, ""),
		strings.Repeat(`{"a":`, 10_000) + "1" + strings.Repeat("}", 10_000), strings.Repeat(`{"a":`, 10_001) + "1" + strings.Repeat("}", 10_001),
	}
}

func TestValid_IsThatOfEncodingJSON(t *testing.T) {
	t.Parallel()
	for _, text := range valids() {
		if got, want := Valid([]byte(text)), json.Valid([]byte(text)); got != want {
			t.Errorf("%.60q: %v, want %v", text, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) { // pieces of JSON in any order
		pieces := []string{"{", "}", "[", "]", ",", ":", `"`, `"a"`, `"a":`, "1", "-", ".", "e", "0", "true", "null", " ", `\`, `\u00`, "\n", "\x01"}
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 12).Draw(t, "pieces"), "")
		if got, want := Valid([]byte(text)), json.Valid([]byte(text)); got != want {
			t.Fatalf("%q: %v, want %v", text, got, want)
		}
	})
}

func FuzzValid(f *testing.F) {
	for _, seed := range valids() {
		if len(seed) < 100 {
			f.Add([]byte(seed))
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if got, want := Valid(body), json.Valid(body); got != want {
			t.Fatalf("%q: %v, want %v", body, got, want)
		}
	})
}

func BenchmarkValid(b *testing.B) {
	body := []byte(`{"messageId":"ajs-next-1795290789387","userId":"u1","type":"track","event":"Order Completed","timestamp":"2026-09-01T11:00:00.000Z","properties":{"order_id":"o1","total":27.5,"currency":"NOK"}}`)
	b.Run("ours", func(b *testing.B) {
		for b.Loop() {
			Valid(body)
		}
	})
	b.Run("encoding/json", func(b *testing.B) {
		for b.Loop() {
			json.Valid(body)
		}
	})
}
