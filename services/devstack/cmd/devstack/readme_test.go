package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A walk through the code that names files which are gone is worse than none.
func TestReadmes_NameWhatIsThere(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..", "..", "..")
	for _, readme := range []string{"README.md", "services/README.md"} {
		text, err := os.ReadFile(filepath.Join(root, readme))
		if err != nil {
			t.Fatal(err)
		}
		paths := pathsIn(string(text))
		if len(paths) < 8 {
			t.Errorf("%s: found only %v", readme, paths)
		}
		for _, path := range paths {
			if _, err := os.Stat(filepath.Join(root, filepath.Dir(readme), path)); err != nil {
				t.Errorf("%s names %s, which is not there", readme, path)
			}
		}
	}
}

// pathsIn returns the targets of links, and what stands in backticks and looks like
// a path of the repository.
func pathsIn(text string) []string {
	var paths []string
	for _, match := range regexp.MustCompile("\\]\\(([^)#]+)\\)|`([a-z0-9_]+(?:/[a-z0-9_.]+)+)`").FindAllStringSubmatch(text, -1) {
		path := match[1] + match[2]
		if !strings.Contains(path, "://") && !strings.HasPrefix(path, "github.com") {
			paths = append(paths, path)
		}
	}
	return paths
}
