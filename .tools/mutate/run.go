package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// shortest is the least time that tests are given: other work slows this machine.
var shortest = 10 * time.Second

// options says how mutants are run.
type options struct {
	users   string
	workers int
	checks  string // of rapid
	skip    string // tests
	choose  func(id int) bool
}

// binary is the compiled tests of one package, with all mutants of all packages.
type binary struct {
	file    string
	folder  string // of the package: tests read their testdata from there
	args    []string
	reached map[int]bool // first id of a place
	limit   time.Duration
}

// run mutates packages and returns their mutants, each with its fate, in the order of
// the code. When ctx ends, the rest have none.
func run(ctx context.Context, patterns []string, o options) ([]*mutant, error) {
	folder, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	w, err := newWorkshop(folder, patterns)
	if err != nil {
		return nil, err
	}
	overlay, left, err := w.build()
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(os.Stderr, "mutate: %d mutants in %d packages; %d lines left alone, as they would not compile\n", len(w.mutants), len(w.packages), left)
	own := map[string]*binary{}
	for _, p := range w.packages {
		if own[p.ImportPath], err = w.tests(p.ImportPath, overlay, o); err != nil {
			return nil, err
		}
	}
	var users []*binary
	for _, p := range strings.FieldsFunc(o.users, func(r rune) bool { return r == ',' }) {
		b, err := w.tests(p, overlay, o)
		if err != nil {
			return nil, err
		}
		users = append(users, b)
	}
	var chosen []*mutant
	for _, m := range w.mutants {
		if o.choose(m.id) {
			chosen = append(chosen, m)
		}
	}
	runAll(ctx, chosen, func(m *mutant) []*binary { return append([]*binary{own[m.pkg]}, users...) }, o.workers)
	return chosen, nil
}

// runAll finds out the fate of every mutant by the test binaries that are its.
func runAll(ctx context.Context, mutants []*mutant, tests func(*mutant) []*binary, workers int) {
	var group sync.WaitGroup
	queue := make(chan *mutant)
	for range workers {
		group.Go(func() {
			for m := range queue {
				// Who interrupts this program interrupts the tests too: that kills nobody.
				if fate := m.run(tests(m)); ctx.Err() == nil {
					m.fate = fate
				}
			}
		})
	}
	for i, m := range mutants {
		if ctx.Err() != nil {
			break
		}
		queue <- m
		if i%500 == 499 {
			fmt.Fprintf(os.Stderr, "mutate: %d of %d\n", i+1, len(mutants))
		}
	}
	close(queue)
	group.Wait()
}

// run tries one mutant on one test binary after another until one fails.
func (m *mutant) run(binaries []*binary) fate {
	result := unreached
	for _, b := range binaries {
		if b == nil || !b.reached[m.first] {
			continue
		}
		switch err := b.run("MUTANT=" + strconv.Itoa(m.id)); {
		case errors.Is(err, context.DeadlineExceeded):
			return ended
		case err != nil:
			return killed
		}
		result = survived
	}
	return result
}

// tests compiles the tests of a package and runs them once on the code as it is, to
// see which mutants they reach. A package without tests has none.
func (w *workshop) tests(pkg, overlay string, o options) (*binary, error) {
	dir, err := exec.Command("go", "list", "-f", "{{.Dir}}", pkg).Output()
	if err != nil {
		return nil, fmt.Errorf("go list %s: %w%s", pkg, err, stderr(err))
	}
	b := &binary{
		file: filepath.Join(w.folder, strings.ReplaceAll(pkg, "/", "_")+".test"), folder: strings.TrimSpace(string(dir)),
		args: []string{"-test.failfast", "-test.skip=" + o.skip}, reached: map[int]bool{}, limit: 5 * time.Minute,
	}
	out, err := exec.Command("go", "test", "-c", "-vet=off", "-overlay", overlay, "-o", b.file, pkg).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("compile the tests of %s: %w\n%s", pkg, err, out)
	}
	if _, err := os.Stat(b.file); errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // no tests
	}
	// Properties: few checks, always the same ones, and nothing made smaller on failure.
	rapid := []string{"-rapid.checks=" + o.checks, "-rapid.seed=1", "-rapid.shrinktime=0s", "-rapid.nofailfile"}
	if exec.Command(b.file, append(rapid, "-test.list=^$")...).Run() == nil {
		b.args = append(b.args, rapid...)
	}
	return b, b.explore(b.file + ".reached")
}

// explore runs the tests on no mutant.
func (b *binary) explore(log string) error {
	if err := os.WriteFile(log, nil, 0o600); err != nil {
		return err
	}
	begin := time.Now()
	if err := b.run("MUTANT=0", "MUTANT_REACHED="+log); err != nil {
		return fmt.Errorf("the tests of %s fail without a mutant: %w", b.folder, err)
	}
	b.limit = max(shortest, 6*time.Since(begin))
	text, err := os.ReadFile(log)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		id, err := strconv.Atoi(strings.TrimSpace(line))
		if err != nil {
			return fmt.Errorf("read what was reached: %w", err)
		}
		b.reached[id] = true
	}
	return nil
}

// run runs the tests once; tests that take too long have failed.
func (b *binary) run(environment ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), b.limit)
	defer cancel()
	command := exec.CommandContext(ctx, b.file, b.args...)
	command.Dir = b.folder
	command.Env = append(os.Environ(), environment...)
	err := command.Run()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}
