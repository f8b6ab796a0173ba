package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
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
