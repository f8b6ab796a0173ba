// Command mutate asks whether the tests would notice: it changes the code of packages
// in one small way after another (a mutant) and runs their tests. A mutant under which
// a test fails is killed; one that survives is a line that could be wrong unseen.
//
// All mutants of all packages are compiled at once, each behind a switch that one
// number in the environment turns, so that a mutant costs one run of a test binary and
// no build. Each test is run once without a mutant first, to see at which mutants the
// code would have done something else: a mutant is tried by these tests alone, the
// cheapest first. One that no test reaches survives as "unreached".
// Interrupted, it reports on those that were run.
//
//	mutate [flags] package...
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
)

func main() {
	var o options
	flag.StringVar(&o.users, "users", "", "packages, by commas, whose tests are run on what the package's own leave alive")
	flag.IntVar(&o.workers, "workers", 2, "test binaries at a time")
	flag.StringVar(&o.checks, "rapid", "100", "checks of each property of pgregory.net/rapid")
	flag.StringVar(&o.skip, "skip", "^(TestDependencies|Benchmark)", "tests that are not run, as a regular expression")
	flag.DurationVar(&shortest, "limit", shortest, "least time of the processor that tests are given")
	at := flag.String("at", "", "regular expression of the places that are mutated: path/file.go:line:column")
	share := flag.Float64("share", 1, "share of the mutants that is run, from 0 to 1")
	seed := flag.Uint64("seed", 1, "chooses the share")
	least := flag.Float64("least", 0, "per cent killed below which a package fails")
	flag.Parse()
	if flag.NArg() == 0 {
		flag.Usage()
		os.Exit(2)
	}
	place, err := regexp.Compile(*at)
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutate: -at:", err)
		os.Exit(2)
	}
	choose := chooser(*share, *seed)
	o.choose = func(m *mutant) bool { return place.MatchString(m.at) && choose(m.id) }
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	mutants, err := run(ctx, flag.Args(), o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(2)
	}
	if !report(os.Stdout, mutants, *least) {
		os.Exit(1)
	}
}

// chooser returns which mutants are run: a share of all, the same for one seed.
func chooser(share float64, seed uint64) func(id int) bool {
	return func(id int) bool {
		return rand.New(rand.NewPCG(seed, uint64(id))).Float64() < share
	}
}

// tally is what became of a package's mutants.
type tally struct{ killed, ended, survived, unreached int }

func (t tally) all() int { return t.killed + t.ended + t.survived + t.unreached }

func (t tally) percent() float64 {
	return 100 * float64(t.killed+t.ended) / float64(max(1, t.all()))
}

// report prints the survivors and the table, and whether every package has at least
// so many per cent killed.
func report(w io.Writer, mutants []*mutant, least float64) bool {
	tallies := map[string]tally{}
	var packages []string
	for _, m := range mutants {
		if m.fate == "" {
			continue
		}
		t, known := tallies[m.pkg]
		if !known {
			packages = append(packages, m.pkg)
		}
		switch m.fate {
		case killed:
			t.killed++
		case ended:
			t.ended++
		case survived:
			t.survived++
		case unreached:
			t.unreached++
		}
		tallies[m.pkg] = t
		if m.fate == survived || m.fate == unreached {
			fmt.Fprintf(w, "%-9s %s: %s  ->  %s\n", m.fate, m.at, m.before, m.after)
		}
	}
	slices.Sort(packages)
	good := true
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "\npackage\tmutants\tkilled\tended\tsurvived\tunreached\t% killed\t")
	for _, p := range packages {
		t := tallies[p]
		good = good && t.percent() >= least
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\t%d\t%.1f\t\n", short(p), t.all(), t.killed, t.ended, t.survived, t.unreached, t.percent())
	}
	_ = table.Flush()
	return good
}

// short is an import path without the repository's.
func short(path string) string {
	return strings.TrimPrefix(path, "github.com/touchline/touchline/")
}
