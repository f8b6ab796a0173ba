package reftest

import (
	"bytes"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The reference may have so many lines at most, comments and empty ones among them, so that it can be read in one go beside
// the contract; what reads facts for it and the words it is written in, which know no rule, so many more.
const (
	mostLines = 400
	mostWords = 434
)

func TestReference_IsShort(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	reference, words := 0, 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") || slices.Contains([]string{"history.go", "chat.go", "tangle.go", "calm.go", "words.go"}, file) {
			continue // tests and the generator of histories
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		lines := bytes.Count(text, []byte("\n"))
		if slices.Contains([]string{"plain.go", "lists.go"}, file) {
			words += lines
		} else { // a file that is new counts
			reference += lines
		}
		for i, line := range strings.Split(string(text), "\n") {
			if len([]rune(line)) > 140 {
				t.Errorf("%s:%d: %d columns", file, i+1, len([]rune(line)))
			}
		}
		ownImports(t, file, text)
	}
	t.Logf("%d lines, in the words of %d more", reference, words)
	if reference == 0 || reference > mostLines || words > mostWords {
		t.Errorf("the reference has %d lines, at most %d, and its words %d, at most %d", reference, mostLines, words, mostWords)
	}
}

// ownImports holds a file of the reference to what it may share with the product: the types of facts and lists.
func ownImports(t *testing.T, file string, text []byte) {
	t.Helper()
	tree, err := parser.ParseFile(token.NewFileSet(), file, text, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	const own = "github.com/touchline/touchline/"
	for _, spec := range tree.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		shared := []string{"services/internal/hit", "services/attribution/agent/agents", "services/attribution/channel/sites"}
		if inside, is := strings.CutPrefix(path, own); is && !slices.Contains(shared, inside) {
			t.Errorf("%s imports %s: the reference is a reading of its own", file, inside)
		}
	}
}
