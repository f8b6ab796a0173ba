package corpustest

import (
	"encoding/json"
	"strings"
	"testing"
)

// Quote writes a string as a sloppy sender does: control characters escaped, bytes that
// are no UTF-8 as they are.
func Quote(s string) string {
	const digits = "0123456789abcdef"
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ':
			b.WriteString(`\u00`)
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// Values are the inputs as JSON values: each as a string, as a number where it may be
// one, and the JSON texts as they are, most of which are none.
func (c *Corpus) Values() []string {
	var all []string
	for _, list := range [][]string{c.Strings, c.Numbers, c.Times, c.Phones} {
		for _, s := range list {
			all = append(all, Quote(s))
		}
	}
	for _, list := range [][]string{c.Numbers, c.Times} {
		for _, s := range list {
			if strings.Trim(s, "0123456789+-.eE") == "" {
				all = append(all, s)
			}
		}
	}
	for _, text := range c.JSON {
		all = append(all, string(text.Body))
	}
	return all
}

// Form is a JSON text with a hole where a value was.
type Form string

// hole stands where a value goes.
const hole = `"a hole in the text"`

// With fills the hole.
func (f Form) With(value string) string { return strings.Replace(string(f), hole, value, 1) }

// Holes returns a JSON text once for every value in it, the whole included.
func Holes(t testing.TB, text string) []Form {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var tree any
	if err := decoder.Decode(&tree); err != nil {
		t.Fatal(err)
	}
	var all []Form
	var walk func(set func(any), value any)
	walk = func(set func(any), value any) {
		switch v := value.(type) {
		case map[string]any:
			for key, member := range v {
				walk(func(to any) { v[key] = to }, member)
			}
		case []any:
			for i, element := range v {
				walk(func(to any) { v[i] = to }, element)
			}
		}
		set(json.RawMessage(hole))
		written, err := json.Marshal(tree)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, Form(written))
		set(value)
	}
	walk(func(to any) { tree = to }, tree)
	return all
}
