package house_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// services is where all Go modules of the services lie, seen from this package.
const services = "../.."

// testsOf is what can be named of the tests of one or more folders of one name.
type testsOf struct {
	functions map[string]bool
	texts     map[string]bool // every string in a test file: subtests are named by one
	folders   []string
}

// named reports whether there is such a test, as a function or as a function and a
// subtest, which has its name from a string or from a file of testdata.
func (f *testsOf) named(name string) bool {
	function, subtest, has := strings.Cut(name, "/")
	if !f.functions[function] {
		return false
	}
	if !has || f.texts[subtest] {
		return true
	}
	for _, folder := range f.folders {
		if _, err := os.Stat(filepath.Join(folder, "testdata", subtest+".json")); err == nil {
			return true
		}
	}
	return false
}

// The tests that docs/contract.md names are there: whoever renames one is told.
func TestContract_NamesTestsThatExist(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile(filepath.Join(services, "docs", "contract.md"))
	if err != nil {
		t.Fatal(err)
	}
	all := readTests(t)
	checked := 0
	for line := range strings.Lines(string(document)) {
		if !strings.HasPrefix(line, "| ") {
			continue
		}
		cells := strings.Split(line, " | ")
		names := regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[len(cells)-1], -1)
		if len(names) == 0 && strings.Contains(cells[0], ".") {
			t.Errorf("no test: %s", line)
		}
		for _, name := range names {
			checked++
			folder, test, _ := strings.Cut(name[1], ".")
			world, isWorld := strings.CutPrefix(name[1], "world/")
			switch found := all[folder]; {
			case isWorld:
				if _, err := os.Stat(filepath.Join(services, "e2e", "conformance", "worlds", world+".json")); err != nil {
					t.Errorf("%s is no world: %v", world, err)
				}
			case found == nil || !found.named(test):
				t.Errorf("%s is no test", name[1])
			}
		}
	}
	if checked < 200 {
		t.Errorf("only %d tests are named: is the table laid out otherwise?", checked)
	}
}

// readTests parses every test file, by the name of its folder.
func readTests(t *testing.T) map[string]*testsOf {
	t.Helper()
	all := map[string]*testsOf{}
	err := filepath.WalkDir(services, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		folder := filepath.Dir(path)
		tests := all[filepath.Base(folder)]
		if tests == nil {
			tests = &testsOf{functions: map[string]bool{}, texts: map[string]bool{}}
			all[filepath.Base(folder)] = tests
		}
		tests.folders = append(tests.folders, folder)
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if n.Recv == nil {
					tests.functions[n.Name.Name] = strings.HasPrefix(n.Name.Name, "Test")
				}
			case *ast.BasicLit:
				if text, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING {
					tests.texts[text] = true
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
