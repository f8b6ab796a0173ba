package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// listed is a package as go list describes it.
type listed struct {
	Dir        string
	ImportPath string
	Export     string // file with its compiled types
	GoFiles    []string
	DepOnly    bool
}

// list returns the packages that patterns name and all they need.
func list(patterns []string) ([]listed, error) {
	args := append([]string{"list", "-export", "-deps", "-json=Dir,ImportPath,Export,GoFiles,DepOnly"}, patterns...)
	out, err := exec.Command("go", args...).Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w%s", err, stderr(err))
	}
	var all []listed
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, fmt.Errorf("read go list: %w", err)
		}
		all = append(all, p)
	}
}

func stderr(err error) string {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return "\n" + string(exit.Stderr)
	}
	return ""
}

// workshop is where packages are mutated and their tests are compiled.
type workshop struct {
	folder   string // temporary
	packages []listed
	exports  map[string]string
	mutants  []*mutant
}

func newWorkshop(folder string, patterns []string) (*workshop, error) {
	all, err := list(patterns)
	if err != nil {
		return nil, err
	}
	w := &workshop{folder: folder, exports: map[string]string{}}
	for _, p := range all {
		w.exports[p.ImportPath] = p.Export
		if !p.DepOnly {
			w.packages = append(w.packages, p)
		}
	}
	return w, nil
}

// rewrite mutates all packages and writes the overlay that puts the mutated files in
// the place of those that are there. It leaves the lines in dropped alone.
func (w *workshop) rewrite(dropped map[place]bool) (overlay string, err error) {
	w.mutants = nil
	next := 1
	replace := map[string]string{}
	for i, p := range w.packages {
		sources, err := w.read(p, dropped, &next)
		if err != nil {
			return "", err
		}
		name := sources[0].pkg.Name()
		files := map[string][]byte{filepath.Join(p.Dir, "mutant_schema.go"): []byte(schemaOf(name))}
		for _, s := range sources {
			files[s.name] = s.mutated()
			w.mutants = append(w.mutants, s.mutants...)
		}
		for original, content := range files {
			changed := filepath.Join(w.folder, fmt.Sprintf("%d_%s", i, filepath.Base(original)))
			if err := os.WriteFile(changed, content, 0o600); err != nil {
				return "", err
			}
			replace[original] = changed
		}
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay = filepath.Join(w.folder, "overlay.json")
	return overlay, os.WriteFile(overlay, text, 0o600)
}

func schemaOf(name string) string {
	var b strings.Builder
	fmt.Fprintf(&b, schema, name, exitEnded)
	for token, op := range operators {
		number := "mutantNumber"
		if strings.HasPrefix(op.name, "Bit") || op.name == "Rest" {
			number = "mutantInteger"
		}
		text := fmt.Sprintf(op.form, op.name, token, op.turned, number)
		b.WriteString(strings.Split(text, "%!(EXTRA")[0])
	}
	return b.String()
}

// read parses and checks one package and finds its mutants.
func (w *workshop) read(p listed, dropped map[place]bool, next *int) ([]*source, error) {
	set := token.NewFileSet()
	var files []*ast.File
	var sources []*source
	for _, name := range p.GoFiles {
		full := filepath.Join(p.Dir, name)
		content, err := os.ReadFile(full)
		if err != nil {
			return nil, err
		}
		file, err := parser.ParseFile(set, full, content, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		files = append(files, file)
		sources = append(sources, &source{set: set, name: full, content: content, dropped: dropped, next: next})
	}
	open := func(path string) (io.ReadCloser, error) { return os.Open(w.exports[path]) }
	config := types.Config{Importer: importer.ForCompiler(set, "gc", open)}
	info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Defs: map[*ast.Ident]types.Object{}}
	pkg, err := config.Check(p.ImportPath, set, files, info)
	if err != nil {
		return nil, fmt.Errorf("check %s: %w", p.ImportPath, err)
	}
	var mutable []*source
	for i, file := range files {
		sources[i].pkg, sources[i].imports = pkg, importNames(file, pkg)
		if !ast.IsGenerated(file) {
			f := finder{source: sources[i], info: info}
			ast.Inspect(file, f.find)
			mutable = append(mutable, sources[i])
		}
	}
	return mutable, nil
}

var compileError = regexp.MustCompile(`(?m)^(\S+\.go):(\d+):\d+: `)

// build mutates the packages so that they compile. Some rewritten expressions do not:
// an operand may need a constant, or a function an end. Their lines are left alone.
func (w *workshop) build() (overlay string, left int, err error) {
	dropped := map[place]bool{}
	for range 20 {
		overlay, err = w.rewrite(dropped)
		if err != nil {
			return "", 0, err
		}
		args := []string{"build", "-overlay", overlay, "-gcflags=-e"}
		for _, p := range w.packages {
			args = append(args, p.ImportPath)
		}
		out, err := exec.Command("go", args...).CombinedOutput()
		if err == nil {
			return overlay, len(dropped), nil
		}
		if !w.drop(out, dropped) {
			return "", 0, fmt.Errorf("build the mutants: %w\n%s", err, out)
		}
	}
	return "", 0, errors.New("the mutants do not compile, whatever is left out")
}

// drop marks the lines at which errors begin: the last line before with a mutant.
func (w *workshop) drop(output []byte, dropped map[place]bool) bool {
	more := false
	for _, found := range compileError.FindAllSubmatch(output, -1) {
		line, _ := strconv.Atoi(string(found[2]))
		at := place{}
		for _, m := range w.mutants {
			if sameFile(m.file, string(found[1])) &&
				m.line <= line && m.line > at.line {
				at = place{m.file, m.line}
			}
		}
		if at.line > 0 && !dropped[at] {
			dropped[at], more = true, true
		}
	}
	return more
}

// sameFile compares a full path with one as go prints it.
func sameFile(full, printed string) bool {
	absolute, err := filepath.Abs(printed)
	return err == nil && absolute == full
}
