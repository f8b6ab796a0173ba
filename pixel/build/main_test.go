package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/evanw/esbuild/pkg/api"
)

func TestDistIsCurrent(t *testing.T) {
	t.Parallel()
	for _, o := range outputs {
		built, err := bundle("..", o)
		if err != nil {
			t.Fatal(err)
		}
		committed, err := os.ReadFile(filepath.Join("..", o.file))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(built, committed) {
			t.Errorf("pixel/%s is not what pixel/src builds: run `go generate` in pixel and commit the result", o.file)
		}
	}
}

func TestBundle_NamesTheFaultyFile(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "bad.ts"), []byte("let x = ;"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := bundle(root, output{entry: "bad.ts"})
	if err == nil || !bytes.Contains([]byte(err.Error()), []byte("bad.ts:1:8")) {
		t.Fatalf("bundle of a faulty file: got %v, want an error with bad.ts:1:8", err)
	}
}

// The helpers' own tests are JavaScript and run in Node, over the built helpers.
func TestHelpers_InNode(t *testing.T) {
	t.Parallel()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("skipped: the pixel's unit tests need node, which is not installed")
	}
	built := t.TempDir()
	helpers, err := filepath.Glob("../src/lib/*.ts")
	if err != nil || len(helpers) == 0 {
		t.Fatalf("find the helpers: %d files, error %v", len(helpers), err)
	}
	for _, helper := range helpers {
		name := strings.TrimSuffix(filepath.Base(helper), ".ts")
		module, err := bundle("..", output{entry: "src/lib/" + name + ".ts", format: api.FormatESModule})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(built, name+".mjs"), module, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tests, err := filepath.Glob("../test/unit/*.test.mjs")
	if err != nil || len(tests) == 0 {
		t.Fatalf("find the unit tests: %d files, error %v", len(tests), err)
	}
	run := exec.CommandContext(t.Context(), node, append([]string{"--test"}, tests...)...)
	run.Env = append(os.Environ(), "PIXEL_BUILT="+built)
	if out, err := run.CombinedOutput(); err != nil {
		t.Errorf("node --test: %v\n%s", err, out)
	}
}
