package main

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestDistIsCurrent(t *testing.T) {
	t.Parallel()
	files, err := build("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		committed, err := os.ReadFile(filepath.Join("..", f.path))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(f.text, committed) {
			t.Errorf("pixel/%s is not what pixel/src builds: run `go generate` in pixel and commit the result", f.path)
		}
	}
}

func TestJudge(t *testing.T) {
	t.Parallel()
	noise := make([]byte, maxCore)
	for i := range noise {
		noise[i] = byte(i * i >> 3)
	}
	if err := judge([]file{{"dist/p.js", []byte("1")}, {"dist/pixel.mjs", noise}}); err != nil {
		t.Error(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	if err := judge([]file{{"dist/p.js", noise}}); err == nil || !strings.Contains(err.Error(), "dist/p.js is 4") {
		t.Errorf("a script that is too heavy: got %v", err)
	}
}

func TestExpression(t *testing.T) {
	t.Parallel()
	got, err := expression([]byte("function a(n){}export{a as forms};\n"), "forms")
	if want := "(()=>{function a(n){}return a})()"; err != nil || string(got) != want {
		t.Errorf("got %s, %v; want %s", got, err, want)
	}
	for _, text := range []string{"export{a as form};", "export{a as forms,b as c};", "function a(n){}"} {
		if _, err := expression([]byte(text), "forms"); err == nil {
			t.Errorf("%s was taken for a module", text)
		}
	}
}

func TestBundle_NamesTheFaultyFile(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "bad.ts"), []byte("let x = ;"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := bundle(root, "bad.ts")
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
	for _, helper := range append(helpers, "../src/createQueue.ts", "../src/createSender.ts") {
		module, err := bundle("..", strings.TrimPrefix(helper, "../"))
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(helper), ".ts")
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
