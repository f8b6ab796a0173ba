package e2e_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/touchline/touchline/services/e2e/stack"
)

// conformance plays worlds against a stack and fails unless all of them agree.
func conformance(t *testing.T, s *stack.Stack, worlds []string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), stack.Patience)
	defer cancel()
	args = append([]string{"conformance/run.py", "--credentials", filepath.Join(s.Dir, "credentials.json")}, args...)
	printed, err := exec.CommandContext(ctx, "python3", append(args, worlds...)...).CombinedOutput()
	want := strconv.Itoa(len(worlds)) + " passed, 0 failed"
	if err != nil || !strings.Contains(string(printed), want) {
		t.Fatalf("run.py: %v, want %q:\n%s", err, want, printed)
	}
}

// firstWorlds are those that the first line of the product had to pass.
func firstWorlds(t *testing.T) []string {
	t.Helper()
	names, err := os.ReadFile("conformance/first.txt")
	if err != nil {
		t.Fatal(err)
	}
	var worlds []string
	for name := range strings.FieldsSeq(string(names)) {
		worlds = append(worlds, filepath.Join("conformance/worlds", name+".json"))
	}
	return worlds
}

func allWorlds(t *testing.T) []string {
	t.Helper()
	worlds, err := filepath.Glob("conformance/worlds/*.json")
	if err != nil || len(worlds) < 200 {
		t.Fatalf("%d worlds, %v", len(worlds), err)
	}
	return worlds
}

func needPython(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("skipped: python3, which plays the worlds, is not installed")
	}
}

// Every world over HTTP, in order and shuffled, some facts sent twice.
func TestConformance(t *testing.T) {
	t.Parallel()
	needPython(t)
	conformance(t, shared, firstWorlds(t))
	for _, seed := range []string{"1", "2", "3"} {
		conformance(t, shared, firstWorlds(t), "--shuffle", seed)
	}
	conformance(t, shared, allWorlds(t), "--shuffle", "4")
}
