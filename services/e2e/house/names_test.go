package house_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

// A name is something that users or readers of the product see: a column, a JSON
// field, an exported Go name, a label of the first page.
type name struct {
	surface string // what it is
	at      string // file and line, from the root of the repository
	text    string
}

// words splits a name: "credited_value", "CreditedValue" and "Credited value" are one.
func (n name) words() []string {
	var words []string
	var word []rune
	flush := func() {
		if len(word) > 0 {
			words = append(words, strings.ToLower(string(word)))
		}
		word = nil
	}
	runes := []rune(n.text)
	for i, r := range runes {
		switch {
		case !unicode.IsLetter(r):
			flush()
			continue
		case unicode.IsUpper(r) && i > 0 && unicode.IsLower(runes[i-1]):
			flush()
		case unicode.IsUpper(r) && i+1 < len(runes) && unicode.IsLower(runes[i+1]) && !pluralOfInitials(runes[i+1:]):
			flush()
		}
		word = append(word, r)
	}
	flush()
	return words
}

// pluralOfInitials tells the s of IDs from the word of XSome.
func pluralOfInitials(rest []rune) bool {
	return rest[0] == 's' && (len(rest) == 1 || !unicode.IsLower(rest[1]))
}

// repository is its root, seen from this package.
const repository = "../../.."

func lines(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, path))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(text), "\n")
}

var (
	createPattern = regexp.MustCompile(`^create (?:table|view) (\w+)`)
	columnPattern = regexp.MustCompile(`^  (\w+) +(?:uuid|text|bytea|jsonb|boolean|smallint|integer|bigint|numeric|timestamptz|date|int8multirange)\b`)
	addedPattern  = regexp.MustCompile(`\badd column (?:if not exists )?(\w+)|\brename column \w+ to (\w+)`)
	aliasPattern  = regexp.MustCompile(`\bas (\w+)[,\n]`)
)

// columns are the tables of the schema, their columns, and those of views that have a
// name of their own.
func columns(t *testing.T) []name {
	t.Helper()
	const path = "sql/schema.sql"
	var names []name
	in := "" // the table or view at hand
	for number, line := range lines(t, path) {
		found := func(surface, text string) {
			names = append(names, name{surface, at(path, number), text})
		}
		if m := createPattern.FindStringSubmatch(line); m != nil {
			in = m[1]
			found("table", m[1])
		}
		if m := columnPattern.FindStringSubmatch(line); m != nil && in != "" {
			found("column of "+in, m[1])
		}
		if m := addedPattern.FindStringSubmatch(line); m != nil {
			found("column", m[1]+m[2])
		}
		if strings.HasPrefix(line, "  ") && in != "" {
			for _, m := range aliasPattern.FindAllStringSubmatch(line+"\n", -1) {
				found("column of "+in, m[1])
			}
		}
		if strings.HasSuffix(line, ";") {
			in = ""
		}
	}
	return names
}

var (
	keyPattern       = regexp.MustCompile(`^( *)(?:- )?'?([A-Za-z_][\w.-]*)'?:(.*)$`)
	parameterPattern = regexp.MustCompile(`^ *- (?:\{ )?name: (\w+)`)
)

// fields are the properties of every schema of an OpenAPI document and its parameters.
// The documents are laid out by hand, one property a line or all of them in braces, so
// that no YAML library is needed to find them.
func fields(t *testing.T, path string) []name {
	t.Helper()
	var names []name
	var blocks []int // indents of the properties of the schemas that are open; -1: not known yet
	for number, line := range lines(t, path) {
		found := func(text string) { names = append(names, name{"JSON field", at(path, number), text}) }
		if m := parameterPattern.FindStringSubmatch(line); m != nil {
			found(m[1])
		}
		m := keyPattern.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		indent, key, rest := len(m[1]), m[2], strings.TrimSpace(m[3])
		for len(blocks) > 0 && blocks[len(blocks)-1] > indent {
			blocks = blocks[:len(blocks)-1]
		}
		if n := len(blocks); n > 0 && blocks[n-1] == -1 {
			blocks[n-1] = indent
		}
		isProperty := len(blocks) > 0 && blocks[len(blocks)-1] == indent
		if isProperty {
			found(key)
		}
		for _, inner := range braced(rest) {
			found(inner)
		}
		if key != "properties" || isProperty {
			continue
		}
		if rest == "" {
			blocks = append(blocks, -1)
			continue
		}
		for _, inner := range keys(rest) {
			found(inner)
		}
	}
	return names
}

// braced returns the keys of every `properties: {…}` within a value in braces.
func braced(value string) []string {
	var all []string
	for {
		_, after, found := strings.Cut(value, "properties: {")
		if !found {
			return all
		}
		all = append(all, keys("{"+after)...)
		value = after
	}
}

// keys returns the keys of the first value in braces, not those of values within it.
func keys(value string) []string {
	var all []string
	depth, start := 0, 0
	for i, r := range value {
		switch r {
		case '{', '[':
			depth++
			start = i + 1
		case '}', ']':
			if depth--; depth == 0 {
				return all
			}
		case ',':
			start = i + 1
		case ':':
			if key := strings.Trim(strings.TrimSpace(value[start:i]), `'"`); depth == 1 && !strings.Contains(key, " ") {
				all = append(all, key)
			}
			start = i + 1
		}
	}
	return all
}

// exported are the types of Go packages and the fields of those that are structs.
func exported(t *testing.T, folders ...string) []name {
	t.Helper()
	var names []name
	for _, folder := range folders {
		files, err := filepath.Glob(filepath.Join(repository, folder, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no Go files in %s: %v", folder, err)
		}
		for _, file := range files {
			if !strings.HasSuffix(file, "_test.go") {
				names = append(names, exportedOf(t, file)...)
			}
		}
	}
	return names
}

func exportedOf(t *testing.T, file string) []name {
	t.Helper()
	set := token.NewFileSet()
	tree, err := parser.ParseFile(set, file, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	path, err := filepath.Rel(repository, file)
	if err != nil {
		t.Fatal(err)
	}
	var names []name
	found := func(surface string, id *ast.Ident) {
		if id.IsExported() {
			names = append(names, name{surface, at(path, set.Position(id.Pos()).Line-1), id.Name})
		}
	}
	ast.Inspect(tree, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok || !spec.Name.IsExported() {
			return true
		}
		found("Go type", spec.Name)
		if body, ok := spec.Type.(*ast.StructType); ok {
			for _, f := range body.Fields.List {
				for _, id := range f.Names {
					found("field of "+spec.Name.Name, id)
				}
			}
		}
		return true
	})
	return names
}

var (
	htmlPattern   = regexp.MustCompile(`<(?:th|label|h1|h2|button|option|a)\b[^>]*>([^<]+)<`)
	scriptPattern = regexp.MustCompile(`\bcell\("([^"]+)"|\bmake\("(?:dt|th)", \{[^}]*\}, "([^"]+)"|\brate\("([^"]+)"|^  \["\w+", "([^"]+)"`)
)

// labels are the headings, columns and fields of the first page.
func labels(t *testing.T) []name {
	t.Helper()
	const folder = "services/attribution/dashboard/static"
	files, err := filepath.Glob(filepath.Join(repository, folder, "*"))
	if err != nil {
		t.Fatal(err)
	}
	var names []name
	for _, file := range files {
		pattern := map[string]*regexp.Regexp{".html": htmlPattern, ".js": scriptPattern}[filepath.Ext(file)]
		if pattern == nil {
			continue
		}
		path := filepath.Join(folder, filepath.Base(file))
		for number, line := range lines(t, path) {
			for _, m := range pattern.FindAllStringSubmatch(line, -1) {
				names = append(names, name{"label", at(path, number), strings.Join(m[1:], "")})
			}
		}
	}
	return names
}

// at is a place in a file, for an editor; lines count from 0.
func at(path string, line int) string { return fmt.Sprintf("%s:%d", path, line+1) }
