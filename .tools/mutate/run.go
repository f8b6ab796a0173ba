package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
)

// options says how mutants are run.
type options struct {
	users   string
	workers int
	checks  string // of rapid
	skip    string // tests
	choose  func(*mutant) bool
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
		if own[p.ImportPath], err = w.compile(p.ImportPath, overlay, o); err != nil {
			return nil, err
		}
	}
	var users []*binary
	for _, p := range strings.FieldsFunc(o.users, func(r rune) bool { return r == ',' }) {
		b, err := w.compile(p, overlay, o)
		if err != nil {
			return nil, err
		}
		users = append(users, b)
	}
	var chosen []*mutant
	for _, m := range w.mutants {
		if o.choose(m) {
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

// run tries one mutant on one test binary after another until one fails. Tests under
// which it never differs from the code as it is are not run: they pass.
func (m *mutant) run(binaries []*binary) fate {
	result := unreached
	for _, b := range binaries {
		if b == nil || !b.reached[m.first] {
			continue
		}
		result = survived
		for _, part := range b.parts(m.id) {
			if fate := b.try(m.id, part); fate != survived {
				return fate
			}
		}
	}
	return result
}
