package canonical

import (
	"bytes"
	"encoding/json"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestJSON(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, in, want string }{
		{"white space goes", " {\t\"a\" : [ 1 ,\r\n2 ] } ", `{"a":[1,2]}`},
		{"empty ones", `[{ } ,[ ],""]`, `[{},[],""]`},
		{"keys are sorted", `{"b":1,"a":2,"":3,"ab":4}`, `{"":3,"a":2,"ab":4,"b":1}`},
		{"inside objects inside", `{"b":{"d":1,"c":2},"a":[{"f":1,"e":2}]}`, `{"a":[{"e":2,"f":1}],"b":{"c":2,"d":1}}`},
		{"keys are sorted by UTF-16", `{"\ufb33":1,"\ud83d\ude00":2,"\u20ac":3,"\r":4,"1":5,"\u0080":6,"\u00f6":7}`, "{\"\\r\":4,\"1\":5,\"\u0080\":6,\"ö\":7,\"€\":3,\"😀\":2,\"\ufb33\":1}"},
		{"escaped keys sort by what they spell", `{"\"":1,"!":2,"\\":3,"[":4,"]":5,"\u0001":6,"\n":7}`, `{"\u0001":6,"\n":7,"!":2,"\"":1,"[":4,"\\":3,"]":5}`},
		{"of repeated keys the last counts", `{"a":1,"b":2,"a":3,"a":4}`, `{"a":4,"b":2}`},
		{"repeated in two spellings", `{"a":1,"\u0061":2}`, `{"a":2}`},
		{"repeated side by side", `{"a":1,"a":[1,{"b":2}]}`, `{"a":[1,{"b":2}]}`},
		{"escapes that need none", `"\u0041\/\u00e5\u2028\u007f"`, "\"A/å\u2028\u007f\""},
		{"escapes that stay", `"\"\\\b\t\n\f\r\u0000\u001F"`, "\"\\\"\\\\\\b\\t\\n\\f\\r\uFFFD\\u001f\""},
		{"a surrogate pair", `"\ud83d\ude00"`, `"😀"`},
		{"lone surrogates", `"\ud83d \ude00\ud83d\ud83d\ude00 \ud83dx \ud83d\n"`, "\"\uFFFD \uFFFD\uFFFD😀 \uFFFDx \uFFFD\\n\""},
		{"bytes that are no UTF-8", "\"a\xff\xfe\xc0\x80z\"", "\"a\uFFFD\uFFFD\uFFFD\uFFFDz\""},
		{"literals", `[true,false,null]`, `[true,false,null]`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := JSON([]byte(test.in))
			if err != nil || string(got) != test.want {
				t.Errorf("JSON(%s) = %s, %v, want %s", test.in, got, err, test.want)
			}
		})
	}
}

func TestJSON_Numbers(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"0": "0", "-0": "0", "0.0": "0", "0e5": "0", "-0.00e-99999999999999999999": "0",
		"10": "10", "1.0": "1", "1.50": "1.5", "-12.340": "-12.34", "1e2": "100", "1.25e1": "12.5", "100e-2": "1",
		"0.000001": "0.000001", "0.0000001": "1e-7", "0.00000123": "0.00000123", "123e-9": "1.23e-7",
		"1E30": "1e+30", "1e21": "1e+21", "1e20": "100000000000000000000", "4.5e+25": "4.5e+25", "-2e-7": "-2e-7",
		// What a float64 would have rounded stays as it was sent.
		"333333333.33333329":     "333333333.33333329",
		"9007199254740993":       "9007199254740993",
		"12345678901234567890.1": "12345678901234567890.1",
		"0.1000000000000000055":  "0.1000000000000000055",
		"1e400":                  "1e+400",
		"1e-400":                 "1e-400",
	} {
		got, err := JSON([]byte(in))
		if err != nil || string(got) != want {
			t.Errorf("JSON(%s) = %s, %v, want %s", in, got, err, want)
		}
	}
}

func TestJSON_Refuses(t *testing.T) {
	t.Parallel()
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for _, in := range []string{
		"", " ", "{", "[", "[1,]", "{\"a\":1,}", "{a:1}", "{\"a\" 1}", "{\"a\":}", "[1 2]", "1 2", "{}x", "nul", "True", "NaN", "-Infinity", "Infinity",
		"01", "-01", "1.", ".5", "+1", "-", "1e", "1e+", "0x1", "1e10000", "1e-10001", "1e99999999999999999999999",
		`"`, `"\x"`, `"\u12"`, `"\u12g4"`, `"\`, "\"\n\"", "'a'", "\xef\xbb\xbf{}", deep(MaxDepth + 1), strings.Repeat(`{"a":`, MaxDepth+1) + "1" + strings.Repeat("}", MaxDepth+1),
		strings.Repeat("[", 1_000_000),
	} {
		if got, err := JSON([]byte(in)); err == nil {
			t.Errorf("JSON(%.40q) = %s", in, got)
		}
	}
	if _, err := JSON([]byte(deep(MaxDepth))); err != nil {
		t.Errorf("depth %d: %v", MaxDepth, err)
	}
}

// TestJSON_Floats holds our layout to that of RFC 8785 for what a float64 spells
// out exactly: there strconv's shortest digits are ECMAScript's.
func TestJSON_Floats(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		f := rapid.Float64().Draw(t, "float")
		got, err := JSON([]byte(strconv.FormatFloat(f, 'e', -1, 64)))
		if err != nil {
			t.Fatal(err)
		}
		format := byte('f')
		if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
			format = 'e'
		}
		want := strconv.FormatFloat(f, format, -1, 64)
		want = strings.Replace(strings.Replace(want, "e-0", "e-", 1), "e+0", "e+", 1)
		if f == 0 {
			want = "0"
		}
		if string(got) != want {
			t.Fatalf("got %s, want %s", got, want)
		}
	})
}

func TestJSON_KeepsDecimals(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.StringMatching(`-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,2})?`).Draw(t, "number")
		got, err := JSON([]byte(in))
		if err != nil {
			t.Fatal(err)
		}
		want, _ := new(big.Rat).SetString(in)
		if value, ok := new(big.Rat).SetString(string(got)); !ok || value.Cmp(want) != 0 {
			t.Fatalf("%s became %s", in, got)
		}
	})
}

// TestJSON_JSONTestSuite: what must be JSON is, what must not be is not, and
// what may be either is as listed.
func TestJSON_JSONTestSuite(t *testing.T) {
	t.Parallel()
	root := os.Getenv("TOUCHLINE_CORPUS")
	if root == "" {
		t.Skip("skipped: TOUCHLINE_CORPUS names no folder of test corpora")
	}
	files, err := filepath.Glob(filepath.Join(root, "corpora", "JSONTestSuite", "test_parsing", "*.json"))
	if err != nil || len(files) < 300 {
		t.Fatalf("%d files of JSONTestSuite: %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(file)
		got, err := JSON(text)
		switch {
		case name[0] == 'y' && err != nil:
			t.Errorf("%s: %v", name, err)
		case name[0] == 'n' && err == nil:
			t.Errorf("%s: read as %s", name, got)
		case err == nil:
			checkCanonical(t, text, got)
		}
	}
}

// checkCanonical fails when got is no canonical form of in.
func checkCanonical(t *testing.T, in, got []byte) {
	t.Helper()
	if !json.Valid(got) || !utf8.Valid(got) || bytes.IndexByte(got, 0) >= 0 {
		t.Fatalf("JSON(%q) is no clean JSON: %q", in, got)
	}
	again, err := JSON(got)
	if err != nil || !bytes.Equal(again, got) {
		t.Fatalf("not canonical: %q became %q, %v", got, again, err)
	}
	var before, after any
	if decode(in, &before) != nil || decode(got, &after) != nil {
		t.Fatalf("encoding/json disagrees on %q", in)
	}
}

func decode(text []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	return d.Decode(v)
}

func FuzzJSON(f *testing.F) {
	for _, seed := range []string{
		`{"b":[1.50,-0,1e400],"a":{"\ud83d\ude00":null,"\ufb33":true},"a":"x"}`, `"\ud83d\u0000"`, "\"\xff\"", `[1e21,1e-7,123456789.10]`, `[[[[]]]]`, ``, `{}x`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := JSON(in)
		if err == nil {
			checkCanonical(t, in, got)
			return
		}
		if json.Valid(in) && !bytes.ContainsAny(in, "[{eE") && len(in) < maxExponent {
			t.Fatalf("refused %q", in)
		}
	})
}
