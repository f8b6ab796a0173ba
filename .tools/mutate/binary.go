package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// shortest is the least time of the processor that tests are given.
var shortest = 3 * time.Second

// exitEnded is how a test binary says that it has used up its time.
const exitEnded = 4

// binary is the compiled tests of one package, with all mutants of all packages.
type binary struct {
	file    string
	folder  string // of the package: tests read their testdata from there
	args    []string
	reached map[int]bool // first id of a place
	tests   []test       // the cheapest first
}

// test is one top-level test.
type test struct {
	name    string
	cost    time.Duration // of the processor
	differs map[int]bool  // mutants that do something else than the code as it is
}

// compile compiles the tests of a package and runs each once on the code as it is, to
// see which mutants they reach. A package without tests has none.
func (w *workshop) compile(pkg, overlay string, o options) (*binary, error) {
	dir, err := exec.Command("go", "list", "-f", "{{.Dir}}", pkg).Output()
	if err != nil {
		return nil, fmt.Errorf("go list %s: %w%s", pkg, err, stderr(err))
	}
	b := &binary{
		file: filepath.Join(w.folder, strings.ReplaceAll(pkg, "/", "_")+".test"), folder: strings.TrimSpace(string(dir)),
		args: []string{"-test.failfast", "-test.skip=" + o.skip}, reached: map[int]bool{},
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
	names, err := exec.Command(b.file, "-test.list=.").Output()
	if err != nil {
		return nil, fmt.Errorf("list the tests of %s: %w", pkg, err)
	}
	for name := range strings.FieldsSeq(string(names)) {
		if err := b.explore(name); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(b.tests, func(x, y test) int { return cmp.Compare(x.cost, y.cost) })
	return b, nil
}

// explore runs one test on no mutant.
func (b *binary) explore(name string) error {
	log := b.file + ".log"
	if err := os.WriteFile(log, nil, 0o600); err != nil {
		return err
	}
	cost, err := b.run([]string{name}, 5*time.Minute, "MUTANT_LOG="+log)
	if err != nil {
		return fmt.Errorf("%s of %s fails without a mutant: %w", name, b.folder, err)
	}
	text, err := os.ReadFile(log)
	if err != nil {
		return err
	}
	t := test{name, cost, map[int]bool{}}
	for line := range strings.Lines(string(text)) {
		what, number, _ := strings.Cut(strings.TrimSpace(line), " ")
		id, err := strconv.Atoi(number)
		if err != nil {
			return fmt.Errorf("read what was reached: %w", err)
		}
		if what == "differs" {
			t.differs[id] = true
		} else {
			b.reached[id] = true
		}
	}
	b.tests = append(b.tests, t)
	return nil
}

// parts are the tests that may notice a mutant, the cheapest first, in as many runs as
// make it cheap to fail soon: starting a binary costs as much as a small test.
func (b *binary) parts(id int) [][]test {
	const enough = 100 * time.Millisecond
	var parts [][]test
	cost := enough
	for _, t := range b.tests {
		if !t.differs[id] {
			continue
		}
		if cost >= enough {
			parts, cost = append(parts, nil), 0
		}
		parts[len(parts)-1] = append(parts[len(parts)-1], t)
		cost += t.cost
	}
	return parts
}

// try runs some tests on one mutant. They are ended when they have used up their time of
// the processor; one that waits for ever is ended by the clock, late enough for a busy
// machine.
func (b *binary) try(id int, tests []test) fate {
	var names []string
	var cost time.Duration
	for _, t := range tests {
		names, cost = append(names, t.name), cost+t.cost
	}
	limit := max(shortest, 6*cost)
	_, err := b.run(names, max(5*time.Minute, 20*limit), "MUTANT="+strconv.Itoa(id), "MUTANT_LIMIT="+limit.String())
	var exit *exec.ExitError
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &exit) && exit.ExitCode() == exitEnded:
		return ended
	case err != nil:
		return killed
	}
	return survived
}

// run runs tests once, on one processor, and says how much of its time they took.
// Tests that wait for longer than the limit are ended.
func (b *binary) run(names []string, limit time.Duration, environment ...string) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	command := exec.CommandContext(ctx, b.file, append([]string{"-test.run=^(" + strings.Join(names, "|") + ")$"}, b.args...)...)
	command.Dir = b.folder
	command.Env = append(append(os.Environ(), "GOMAXPROCS=1", "GOGC=400"), environment...)
	err := command.Run()
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	if command.ProcessState == nil {
		return 0, err
	}
	return command.ProcessState.UserTime() + command.ProcessState.SystemTime(), err
}
