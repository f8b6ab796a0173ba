// Package deptest lets a package's tests say what the package may import and why. A
// list of dependencies that only a reader checks grows; one that a test checks does
// not.
package deptest

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// Rule is what a package may reach.
type Rule struct {
	// Reason is what the failure says: why the rule exists.
	Reason string
	// Modules lists the paths outside the standard library that may be reached,
	// directly or not. A path allows what is below it too.
	Modules []string
	// Forbidden lists packages of the standard library that the package itself must
	// not import. What its dependencies import is their affair.
	Forbidden []string
}

// pure is what a pure package never imports from the standard library: nothing that
// waits, talks or reads a clock it was not handed. (time itself is allowed: its types
// are values.)
var pure = []string{
	"context", "database/sql", "io/fs", "log", "log/slog", "math/rand", "math/rand/v2",
	"net", "net/http", "os", "os/exec", "sync", "sync/atomic", "syscall",
}

// Pure returns the rule of a pure package that may reach the modules named.
func Pure(reason string, modules ...string) Rule {
	return Rule{Reason: reason, Modules: modules, Forbidden: slices.Clone(pure)}
}

// Check fails t for every import of the package in dir (as go list names it: "." is
// the package under test) that the rule does not allow. It needs the go command.
func Check(t testing.TB, dir string, rule Rule) {
	t.Helper()
	for _, path := range list(t, dir, true) {
		if !allowed(path, rule.Modules) {
			t.Errorf("%s is reached: %s", path, rule.Reason)
		}
	}
	for _, path := range list(t, dir, false) {
		if slices.Contains(rule.Forbidden, path) {
			t.Errorf("%s is imported: %s", path, rule.Reason)
		}
	}
}

func allowed(path string, modules []string) bool {
	return slices.ContainsFunc(modules, func(module string) bool {
		return path == module || strings.HasPrefix(path, module+"/")
	})
}

// list returns the non-standard packages that dir reaches, itself left out, or all
// that it imports directly.
func list(t testing.TB, dir string, reached bool) []string {
	t.Helper()
	args := []string{"list", "-f", `{{join .Imports "\n"}}`, dir}
	if reached {
		args = []string{"list", "-deps", "-f", `{{if not .Standard}}{{.ImportPath}}{{end}}`, dir}
	}
	out, err := exec.CommandContext(t.Context(), "go", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	paths := strings.Fields(string(out))
	if reached && len(paths) > 0 {
		paths = paths[:len(paths)-1] // dependencies come first, the package itself last
	}
	return paths
}
