// Command bench measures Touchline beside references, in the same run on the same servers,
// the one after the other and again: docs/performance.md is what it writes.
//
// It wants DATABASE_URL and REDIS_URL of servers on this machine (devstack servers gives
// them), whose CPU time it counts, and the binaries of both services. See README.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"syscall"

	"github.com/touchline/touchline/services/e2e/bench/report"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	run := measureAll
	if len(os.Args) > 1 && os.Args[1] == "reference" {
		run = serveReference
	}
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop has been called
	}
}

// options are the flags.
type options struct {
	run      *regexp.Regexp
	rounds   int
	scale    float64
	growth   int
	lineRate float64
	out      string
	profiles string
	bin, dir string
	database string
	redis    string
	env      []string // settings of the services, NAME=value
}

func parseOptions(args []string) (o options, err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	pattern := flags.String("run", "", "measure only rows whose name matches this expression")
	flags.IntVar(&o.rounds, "rounds", 3, "how often each side is measured")
	flags.Float64Var(&o.scale, "scale", 1, "part of the full sizes: 0.01 is a hundredth of the time and the facts")
	flags.IntVar(&o.growth, "growth", 1_000_000, "facts of the row growth, at scale 1; it ends with ten times as many")
	flags.Float64Var(&o.lineRate, "line-rate", 12_000, "facts a second offered to the row line; what it cannot take is held back")
	flags.StringVar(&o.out, "out", "", "document to write the table into; what people wrote there is kept")
	flags.StringVar(&o.profiles, "profiles", "", "folder for CPU and allocation profiles of each side")
	flags.StringVar(&o.bin, "bin", ".local/bin", "folder with the binaries")
	flags.Func("set", "setting of the services, NAME=value; may be given several times", func(setting string) error {
		o.env = append(o.env, setting)
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	o.database, o.redis = os.Getenv("DATABASE_URL"), os.Getenv("REDIS_URL")
	if o.database == "" || o.redis == "" {
		return o, errors.New("DATABASE_URL and REDIS_URL must name servers on this machine: `make bench` sees to it")
	}
	if o.rounds < 1 || o.scale <= 0 || flags.NArg() > 0 {
		return o, errors.New("-rounds and -scale must be above 0, and there are no arguments besides flags")
	}
	if o.run, err = regexp.Compile(*pattern); err != nil {
		return o, fmt.Errorf("-run: %w", err)
	}
	return o, nil
}

// group measures rows that need the same preparation.
type group struct {
	rows    []string
	measure func(*bench, context.Context) ([]*report.Row, error)
}

func groups() []group {
	return []group{
		{[]string{"edge-single", "edge-batch", "webhook"}, (*bench).edges},
		{[]string{"consume", "derive"}, (*bench).stages},
		{[]string{"recompute"}, (*bench).recompute},
		{[]string{"line", "latency"}, (*bench).line},
		{[]string{"credit"}, (*bench).credit},
		{[]string{"growth"}, (*bench).growth},
		{[]string{"regular-now", "regular-late"}, (*bench).regular},
	}
}

// measureAll measures what was asked for, prints the table, and fails when a row did not
// come to a number. A mark that is missed is no failure: the table tells it.
func measureAll(ctx context.Context, args []string) error {
	o, err := parseOptions(args)
	if err != nil {
		return err
	}
	b, err := newBench(o)
	if err != nil {
		return err
	}
	defer b.close()
	var rows []*report.Row
	for _, g := range groups() {
		if !b.wantsAny(g.rows) {
			continue
		}
		measured, err := g.measure(b, ctx)
		if err != nil {
			return fmt.Errorf("%v: %w", g.rows, err)
		}
		rows = append(rows, measured...)
	}
	var faults []error
	for _, r := range rows {
		faults = append(faults, r.Check())
	}
	if len(rows) == 0 {
		faults = append(faults, errors.New("-run matches no row"))
	}
	table := report.Table(rows)
	fmt.Print("\n", table)
	if o.out != "" {
		faults = append(faults, b.write(ctx, table))
	}
	return errors.Join(faults...)
}
