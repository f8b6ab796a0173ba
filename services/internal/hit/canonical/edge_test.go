package canonical

import (
	"slices"
	"strings"
	"testing"
)

func TestJSON_Edges(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat(`{"a":`, MaxDepth-1) + `{}` + strings.Repeat("}", MaxDepth-1)
	for in, want := range map[string]string{
		"{ \"a\" : 1 , \n \"b\" : 2 }":     `{"a":1,"b":2}`,
		deep:                               deep,
		`"\u0020\u0039\u00AF\u00fa\u0041"`: "\" 9\u00afúA\"",
		`"\u001f\u0010"`:                   `"\u001f\u0010"`,
		"\"a\x80z\x7f\"":                   "\"a\uFFFDz\x7f\"",
		// Nothing but an escape can be the second half of a pair.
		`"\ud83dxyde00"`:   "\"\uFFFDxyde00\"",
		`"\ud83dxude00"`:   "\"\uFFFDxude00\"",
		`"\ud83d\nde00"`:   "\"\uFFFD\\nde00\"",
		`"\ud83d\u0041"`:   "\"\uFFFDA\"",
		`["\ude00\ud83d"]`: "[\"\uFFFD\uFFFD\"]",
		// Keys in the order of what they spell, each kind of escape.
		`{"\u000e":1,"\r":2,"\f":3,"\u000b":4,"\n":5,"\t":6,"\b":7,"\u0007":8,"\u0011":9,"\u0001":10,"\u0010":11}`: `{"\u0001":10,"\u0007":8,"\b":7,"\t":6,"\n":5,"\u000b":4,"\f":3,"\r":2,"\u000e":1,"\u0010":11,"\u0011":9}`,
		`{"\"b":1,"\"a":2,"\nb":3,"\na":4,"\u0001b":5,"\u0001a":6}`:                                                `{"\u0001a":6,"\u0001b":5,"\na":4,"\nb":3,"\"a":2,"\"b":1}`,
		`{"\uf000":1,"\ue000":2,"😀":3,"\ud7ff":4}`:                                                                 "{\"\ud7ff\":4,\"😀\":3,\"\ue000\":2,\"\uf000\":1}",
		`{"b":1,"a\/":2,"a":3,"b":4}`:                                                                              `{"a":3,"a/":2,"b":4}`,
	} {
		got, err := JSON(slices.Clip([]byte(in)))
		if err != nil || string(got) != want {
			t.Errorf("JSON(%.60q) = %q, %v, want %q", in, got, err, want)
		}
	}
}

func TestJSON_NumbersAtTheEdges(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"1e9998":                   "1e+9998",
		"9.9e9998":                 "9.9e+9998",
		"1e-10000":                 "1e-10000",
		"123456789012345678901.5":  "123456789012345678901.5",
		"1234567890123456789012.5": "1.2345678901234567890125e+21",
		"100000000000000000000":    "100000000000000000000",
		"1000000000000000000000":   "1e+21",
		"0.000001":                 "0.000001",
		"0.00000099":               "9.9e-7",
		"5E-1":                     "0.5",
		"0.0000e1":                 "0",
	} {
		got, err := JSON(slices.Clip([]byte(in)))
		if err != nil || string(got) != want {
			t.Errorf("JSON(%s) = %s, %v, want %s", in, got, err, want)
		}
	}
}

func TestJSON_RefusesMore(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		"[nulx]", "[trux]", "[falsx]", "[tru", "[nul", "[fals", "t", "[t]",
		`{"a":1 "b":2}`, `{"a":1;"b":2}`, `{a":1}`, `{"\x:1}`, `{"a"}`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `{,}`, `{1:2}`, `[1;2]`, `[,1]`, `[1`,
		"1/", "1:", "/", ":", "-/", "1.:", "1e1:", "1e1/", "1e:", "1e-+5", "1e+-5", "1e18446744073709551617", "1e-18446744073709551617", "1e9999", "1e-10001",
		`"abc`, "\"\x1f\"", "\"a\x01b\"", "\"a\x1f\"", `"\ud83d`, `"\ud83d\`, `"\ud83d\u`, `"\u`, `"\u12`, `"\u1234`, `"\u123"`,
		`"\u/123"`, `"\u:123"`, "\"\\u`123\"", `"\ug123"`, `"\u@123"`, `"\uG123"`, `"\u 123"`, `"\N"`, `"\a"`, `"\c"`, `"\s"`, `"\v"`,
	} {
		if got, err := JSON(slices.Clip([]byte(in))); err == nil {
			t.Errorf("JSON(%q) = %q", in, got)
		}
	}
}
