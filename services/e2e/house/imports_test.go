package house_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// root is what every import path of this repository begins with.
const root = "github.com/touchline/touchline/"

// packageInfo is what `go list` says of one package; paths are import paths.
type packageInfo struct {
	ImportPath   string
	Imports      []string // by files that reach a binary
	TestImports  []string // by _test.go files of the package
	XTestImports []string // by _test.go files of the package of its tests
}

// all is every import of the package, of its tests too.
func (p packageInfo) all() []string {
	return slices.Concat(p.Imports, p.TestImports, p.XTestImports)
}

// rule forbids an import, except to some packages. A path stands for itself and all
// below it; a `*` for one element.
type rule struct {
	name   string
	reason string
	// imports is what is restricted; those of our own are given without root.
	imports []string
	// from limits the rule to importers below one of these; empty means all.
	from []string
	// except lists the importers that may.
	except []string
	// tests tells whether _test.go files are bound too.
	tests bool
	// used tells that somebody must import it, else the rule guards a wrong path.
	used bool
}

var rules = []rule{
	{
		name:    "pgx",
		reason:  "SQL and its driver live in attribution/postgres and sql, so that every query can be found, and the rest be tested without a database",
		imports: []string{"github.com/jackc/pgx"},
		except:  []string{"sql", "services/attribution/postgres", "services/devstack", "services/e2e"},
		used:    true,
	},
	{
		name:    "go-redis",
		reason:  "commands and key names of Redis live in internal/stream and internal/registry; app hands them a client",
		imports: []string{"github.com/redis/go-redis"},
		except: []string{
			"services/internal/stream", "services/internal/registry", "services/internal/redistest",
			"services/*/app", "services/devstack", "services/e2e",
		},
		used: true,
	},
	{
		name:    "Echo",
		reason:  "HTTP ends at the handlers; Echo v4 goes out of support and must be replaceable without touching what they call",
		imports: []string{"github.com/labstack"},
		except: []string{
			"services/tracking/edge", "services/attribution/api", "services/attribution/dashboard",
			"services/internal/httpserver", "services/*/app",
			"services/e2e/bench", // what the edge is measured against
		},
		used: true,
	},
	{
		name:    "tracking stands alone",
		reason:  "the edge must start and answer without the attribution service; the two meet in the stream and the registry only",
		imports: []string{"services/attribution"},
		from:    []string{"services/tracking"},
		tests:   true,
	},
	{
		name:    "attribution stands alone",
		reason:  "the two services meet in the stream and the registry only; what both need is in services/internal",
		imports: []string{"services/tracking"},
		from:    []string{"services/attribution"},
		tests:   true,
	},
	{
		name:    "services/internal knows no service",
		reason:  "it is what both share, so it can't need either",
		imports: []string{"services/tracking", "services/attribution"},
		from:    []string{"services/internal", "sql", "pixel"},
		tests:   true,
	},
	{
		name:    "devstack",
		reason:  "it starts private servers and makes demo data: neither may reach an image",
		imports: []string{"services/devstack"},
		except:  []string{"services/devstack"},
		tests:   true,
	},
	{
		name:    "freeport",
		reason:  "a service is told its ports; what was found is held until the process ends",
		imports: []string{"services/internal/freeport"},
		except:  append([]string{"services/devstack", "services/e2e"}, testSupport...),
		used:    true,
	},
	{
		name:    "test support",
		reason:  "helpers of tests would bring their dependencies, and their short cuts, into the binaries",
		imports: testSupport,
		except:  append([]string{"services/e2e"}, testSupport...),
		used:    true,
	},
	{
		name:    "testing",
		reason:  "the testing package registers flags in the binary that imports it; support of tests is a package called ...test",
		imports: []string{"testing"},
		except:  append([]string{"services/e2e"}, testSupport...),
	},
}

// testSupport are the packages that exist for the tests of others: their names end in test.
var testSupport = []string{"sql/*test", "services/*/*test", "services/*/*/*test"}

func TestImports(t *testing.T) {
	t.Parallel()
	packages := list(t)
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			for _, fault := range r.judge(packages) {
				t.Error(fault)
			}
			if r.used && !slices.ContainsFunc(packages, func(p packageInfo) bool { return len(r.broken(p.all())) > 0 }) {
				t.Errorf("nothing imports %v any more: the rule guards a wrong path", r.imports)
			}
		})
	}
}

// judge lists every import that breaks the rule, with its reason.
func (r rule) judge(packages []packageInfo) []string {
	var faults []string
	for _, p := range packages {
		importer := strings.TrimPrefix(p.ImportPath, root)
		if len(r.from) > 0 && !below(importer, r.from) || below(importer, r.except) {
			continue
		}
		imports := p.Imports
		if r.tests {
			imports = p.all()
		}
		for _, imported := range r.broken(imports) {
			faults = append(faults, fmt.Sprintf("%s imports %s: %s", importer, imported, r.reason))
		}
	}
	return faults
}

// broken picks the restricted ones out of imports.
func (r rule) broken(imports []string) []string {
	var found []string
	for _, imported := range imports {
		if below(strings.TrimPrefix(imported, root), r.imports) {
			found = append(found, imported)
		}
	}
	return found
}

// below tells whether name is one of the patterns or below one.
func below(name string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		elements, want := strings.Split(name, "/"), strings.Split(pattern, "/")
		if len(elements) < len(want) {
			return false
		}
		for i, element := range want {
			if ok, err := path.Match(element, elements[i]); err != nil || !ok {
				return false
			}
		}
		return true
	})
}

// list asks the go command for every package of the workspace. Packages that do not
// compile are listed too (-e): the rules hold for them all the same.
func list(t *testing.T) []packageInfo {
	t.Helper()
	folder := workspace(t)
	command := exec.CommandContext(t.Context(), "go", "list", "-e",
		"-json=ImportPath,Imports,TestImports,XTestImports", root+"...")
	command.Dir = folder
	command.Env = append(os.Environ(), "GOWORK="+filepath.Join(folder, "go.work"))
	out, err := command.Output()
	if err != nil {
		t.Fatalf("list the packages of the workspace: %v", err)
	}
	var packages []packageInfo
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p packageInfo
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("read the list of packages: %v", err)
		}
		packages = append(packages, p)
	}
	for _, module := range []string{"pixel", "sql", "services/internal", "services/tracking", "services/attribution", "services/devstack"} {
		if !slices.ContainsFunc(packages, func(p packageInfo) bool { return below(strings.TrimPrefix(p.ImportPath, root), []string{module}) }) {
			t.Fatalf("no package of %s was listed: the rules would hold of nothing", module)
		}
	}
	return packages
}

// workspace is the folder that holds go.work.
func workspace(t *testing.T) string {
	t.Helper()
	folder, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(folder, "go.work")); err == nil {
			return folder
		}
		parent := filepath.Dir(folder)
		if parent == folder {
			t.Fatal("no go.work above the test's folder")
		}
		folder = parent
	}
}

func TestRule_Judge(t *testing.T) {
	t.Parallel()
	r := rule{reason: "because", imports: []string{"example.com/driver"}, except: []string{"services/*/app"}}
	packages := []packageInfo{
		{ImportPath: root + "services/a/app", Imports: []string{"example.com/driver/v2"}},
		{ImportPath: root + "services/a/app/sub", Imports: []string{"example.com/driver"}},
		{ImportPath: root + "services/a/apple", Imports: []string{"fmt", "example.com/driver/v2/x"}},
		{ImportPath: root + "services/b", Imports: []string{"example.com/drivers"}, TestImports: []string{"example.com/driver"}},
	}
	got := r.judge(packages)
	want := []string{"services/a/apple imports example.com/driver/v2/x: because"}
	if !slices.Equal(got, want) {
		t.Errorf("faults = %q, want %q", got, want)
	}
	r.tests = true
	if got := r.judge(packages); len(got) != 2 || got[1] != "services/b imports example.com/driver: because" {
		t.Errorf("faults with tests bound = %q, want that of services/b too", got)
	}
	r.from = []string{"services/b"}
	if got := r.judge(packages); len(got) != 1 {
		t.Errorf("faults from services/b alone = %q, want one", got)
	}
}
