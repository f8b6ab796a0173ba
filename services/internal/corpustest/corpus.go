// Package corpustest reads the bad input that tests throw at every endpoint: strings, JSON
// texts, numbers, times, phones and user agents of public collections, which are not
// ours to commit, beside a few of our own, which are always there.
package corpustest

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Env names the environment variable with the folder whose corpora/ has the
// collections.
const Env = "TOUCHLINE_CORPUS"

// Corpus is what was read. Nothing of it may be changed.
type Corpus struct {
	Strings    []string
	Numbers    []string // most of them are none
	Times      []string // most of them are none
	Phones     []string
	UserAgents []string
	JSON       []Text
}

// Text is one file of the JSON suite.
type Text struct {
	// Name tells what a parser owes it: y_ accepts, n_ refuses, i_ is free.
	Name string
	Body []byte
}

// Read returns the collections. Without [Env] the test is skipped.
func Read(t testing.TB) Corpus {
	t.Helper()
	root := os.Getenv(Env)
	if root == "" {
		t.Skipf("SKIPPED: %s is not set, and this test throws the bad input of that folder at the endpoints", Env)
	}
	r := reader{t: t, root: filepath.Join(root, "corpora")}
	c := Corpus{
		Strings: r.strings(),
		Numbers: append(r.lines("seclists/amounts.txt"), r.lines("seclists/amounts-extra-ours.txt")...),
		Times:   r.lines("seclists/timestamps-ours.txt"),
		Phones:  r.phones("libphonenumber/example-numbers.csv"), UserAgents: r.agents(), JSON: r.suite(),
	}
	own := Own()
	c.Strings, c.Numbers, c.Times = append(c.Strings, own.Strings...), append(c.Numbers, own.Numbers...), append(c.Times, own.Times...)
	c.Phones, c.UserAgents = append(c.Phones, own.Phones...), append(c.UserAgents, own.UserAgents...)
	for name, n := range map[string][2]int{
		"strings": {len(c.Strings), 500}, "numbers": {len(c.Numbers), 200}, "times": {len(c.Times), 40},
		"phones": {len(c.Phones), 600}, "user agents": {len(c.UserAgents), 5000}, "JSON texts": {len(c.JSON), 300},
	} {
		if n[0] < n[1] {
			t.Fatalf("only %d %s under %s: is it the right folder?", n[0], name, Env)
		}
	}
	return c
}

// most is how many seeds of a kind a fuzz target gets. It runs all of them before it
// fuzzes, slowly, and finds more by itself; the tests run the whole collections.
const most = 80

// Seeds returns what a fuzz target starts from: some of the collections when they are
// there, and of ours otherwise.
func Seeds(f *testing.F) Corpus {
	f.Helper()
	c := Own()
	if os.Getenv(Env) != "" {
		c = Read(f)
	}
	c.JSON = slices.DeleteFunc(c.JSON, func(text Text) bool { return len(text.Body) > 4096 })
	return Corpus{
		Strings: some(c.Strings), Numbers: some(c.Numbers), Times: some(c.Times),
		Phones: some(c.Phones), UserAgents: some(c.UserAgents), JSON: some(c.JSON),
	}
}

// some takes elements from the whole of a list.
func some[T any](list []T) []T {
	if len(list) <= most {
		return list
	}
	taken := make([]T, most)
	for i := range taken {
		taken[i] = list[i*len(list)/most]
	}
	return taken
}

// Own returns our own bad input, one or two of each class that broke something
// somewhere.
func Own() Corpus {
	return Corpus{
		Strings: []string{
			"", " ", "\x00", "a\x00b", "\xff\xfe", "\xed\xa0\x80", "\ufeffa", "\u202egnp.exe", "e\u0301", "\u00e9", "\U0001F469\u200d\U0001F4BB",
			"=1+1", "+1+1", "-1+1", "@SUM(1)", "\t=1", "\r\nSet-Cookie: a=b", "<script>alert(1)</script>", "' or 1=1 --", "%00", "%ff", "%25%30%30",
			"../../etc/passwd", "javascript:alert(1)", "$" + "{jndi:x}", "{{7*7}}", "\u2028", "\u2029", "\x1b[31m", "null", "undefined", "NaN",
			strings.Repeat("x", 4096), strings.Repeat("\u00e6", 2000),
		},
		Numbers: []string{
			"0", "-0", "1e999", "-1e999", "1e-999", "1e9999", "1e99999999999999999999", "NaN", "Infinity", "9007199254740993", "0.1",
			"123456789012345678901234567890.123456789", "1.", ".5", "0x10", "1_000", "\u0661\u0662", "\uff11", "1,5", "--1", "1e", strings.Repeat("9", 400),
		},
		Times: []string{
			"0000-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-23:59", "10000-01-01T00:00:00Z",
			"+294277-01-01T00:00:00Z", "-0001-01-01T00:00:00Z", "2026-02-30T00:00:00Z", "2026-09-01T24:00:00Z", "2026-06-30T23:59:60Z",
			"2026-09-01T12:00:00+99:99", "infinity", "-infinity", "now", "1788264000", "1788264000000", "1788264000000000", "2026-10-25T02:30:00",
		},
		Phones: []string{
			"+4790123456", "0047 901 23 456", "+", "00", "+1 (555) 010-0199 ext. 5", "\u0664\u0667", "\uff0b\uff14\uff17", "901\u00a023\u00a0456",
			"12345678901234567", "a@b.example", "tel:+47-90123456",
		},
		UserAgents: []string{"", "Mozilla/5.0", "curl/8", strings.Repeat("Mozilla/5.0 ", 600), "\xff"},
		JSON:       ownJSON(),
	}
}

func ownJSON() []Text {
	deep := func(n int) []byte {
		return []byte(strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n))
	}
	texts := []Text{
		{"y_depth_32", deep(32)}, {"y_depth_33", deep(33)}, {"y_depth_9999", deep(9999)}, {"i_depth_100000", deep(100_000)},
	}
	for i, text := range []string{
		`{"a":1,"a":2}`, `{"a":"\u0000"}`, `{"\u0000":1}`, `{"a":"\ud800"}`, `{"a":"\udc00\ud800"}`, `{"a":1e999}`, `{"a":1e9999}`, `{"a":1e10000}`,
		`{"a":-0}`, `{"a":9007199254740993}`, `{"__proto__":{"a":1}}`, `{"":""}`,
	} {
		texts = append(texts, Text{"y_own_" + strconv.Itoa(i), []byte(text)})
	}
	for i, text := range []string{
		`{"a":NaN}`, `{"a":Infinity}`, `{"a":-Infinity}`, `{"a":01}`, `{"a":1.}`, `{"a":+1}`, `{a:1}`, `{'a':1}`, `{"a":1,}`, `{"a":1}{"a":2}`,
		`cb({"a":1})`, "\ufeff{}", `{"a":"` + "\n" + `"}`, `{"a":"\x41"}`, `{"a":tru}`, `{`, ``, `{"a"`, "\x1f\x8b",
	} {
		texts = append(texts, Text{"n_own_" + strconv.Itoa(i), []byte(text)})
	}
	return texts
}

// reader reads files below root.
type reader struct {
	t    testing.TB
	root string
}

func (r reader) file(name string) []byte {
	r.t.Helper()
	text, err := os.ReadFile(filepath.Join(r.root, filepath.FromSlash(name)))
	if err != nil {
		r.t.Fatalf("%s: %v", Env, err)
	}
	return text
}

func (r reader) glob(pattern string) []string {
	r.t.Helper()
	names, err := filepath.Glob(filepath.Join(r.root, filepath.FromSlash(pattern)))
	if err != nil || len(names) == 0 {
		r.t.Fatalf("%s has no corpora/%s: %v", Env, pattern, err)
	}
	for i, name := range names {
		if names[i], err = filepath.Rel(r.root, name); err != nil {
			r.t.Fatal(err)
		}
	}
	return names
}

func (r reader) lines(name string) []string {
	var lines []string
	scanner := bufio.NewScanner(bytes.NewReader(r.file(name)))
	for scanner.Buffer(nil, 1<<20); scanner.Scan(); {
		if scanner.Text() != "" {
			lines = append(lines, scanner.Text())
		}
	}
	return lines
}

func (r reader) list(name string) (list []string) {
	r.t.Helper()
	if err := json.Unmarshal(r.file(name), &list); err != nil {
		r.t.Fatalf("%s: %v", name, err)
	}
	return list
}

func (r reader) strings() []string {
	all := append(r.list("blns/blns.json"), r.list("seclists/csv-formula.json")...)
	for _, pattern := range []string{"fuzzdb/*.txt", "payloadsallthethings/*.txt", "seclists/ssrf-urls.txt"} {
		for _, name := range r.glob(pattern) {
			if !strings.HasSuffix(name, "copyright.txt") {
				all = append(all, r.lines(name)...)
			}
		}
	}
	return all
}

// phones are the forms in which each example is written.
func (r reader) phones(name string) []string {
	rows, err := csv.NewReader(bytes.NewReader(r.file(name))).ReadAll()
	if err != nil {
		r.t.Fatal(err)
	}
	var all []string
	for _, row := range rows[1:] {
		all = append(all, row[2:]...)
	}
	return all
}

// agentLine is how the YAML of the collection writes a user agent.
var agentLine = regexp.MustCompile(`(?m)^\s*-?\s*user_agent_string:\s*(?:'((?:[^']|'')*)'|"((?:[^"\\]|\\.)*)")`)

func (r reader) agents() []string {
	var all []string
	for _, name := range r.glob("uap-core/*.yaml") {
		for _, found := range agentLine.FindAllSubmatch(r.file(name), -1) {
			all = append(all, strings.ReplaceAll(string(found[1]), "''", "'")+string(found[2]))
		}
	}
	return all
}

func (r reader) suite() []Text {
	var all []Text
	// The second folder says only what parsers make of its texts, so that they are free.
	for pattern, prefix := range map[string]string{"JSONTestSuite/test_parsing/*.json": "", "JSONTestSuite/test_transform/*.json": "i_"} {
		for _, name := range r.glob(pattern) {
			all = append(all, Text{Name: prefix + strings.TrimSuffix(filepath.Base(name), ".json"), Body: r.file(name)})
		}
	}
	return all
}
