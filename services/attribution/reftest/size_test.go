package reftest

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// mostLines is what the reference may have at most, so that it can be read in one go beside the contract. Lower it
// whenever the reference gets shorter: it is meant to have 400.
const mostLines = 769

func TestReference_IsShort(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") || slices.Contains([]string{"history.go", "chat.go", "tangle.go", "words.go"}, file) {
			continue // tests and the generator of histories
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		total += bytes.Count(text, []byte("\n"))
		for i, line := range strings.Split(string(text), "\n") {
			if len([]rune(line)) > 150 {
				t.Errorf("%s:%d: %d columns", file, i+1, len([]rune(line)))
			}
		}
	}
	t.Logf("%d lines", total)
	if total == 0 || total > mostLines {
		t.Errorf("the reference has %d lines, more than %d", total, mostLines)
	}
}
