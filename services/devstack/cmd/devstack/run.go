package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/touchline/touchline/services/devstack/app"
)

// mostWorkers keeps the connections of all processes, 16 each, within the 300 that
// devstack's PostgreSQL has, and within the 100 of most others up to five.
const mostWorkers = 8

const environment = `Environment:
  DATABASE_URL, REDIS_URL
    	servers to use; without them private ones are started
  TOUCHLINE_DEVSTACK=embedded
    	use no PostgreSQL and no Redis of this machine
  TOUCHLINE_…
    	any setting of the services (their app/config.go)
`

// runAll runs everything until Ctrl-C and returns the exit code: 0 after Ctrl-C
// or SIGTERM.
func runAll(args []string) int {
	opts := app.Options{
		Out: os.Stdout, Embedded: os.Getenv("TOUCHLINE_DEVSTACK") == "embedded",
		DatabaseURL: os.Getenv("DATABASE_URL"), RedisURL: os.Getenv("REDIS_URL"),
	}
	flags := flag.NewFlagSet("make run", flag.ContinueOnError)
	flags.StringVar(&opts.Dir, "dir", ".local", "folder that keeps everything between starts")
	flags.StringVar(&opts.Bin, "bin", ".local/bin", "folder with the built services")
	flags.BoolVar(&opts.NoDemo, "no-demo", false, "send nothing and open no shop: workspace and sources alone")
	flags.BoolVar(&opts.NoTraffic, "no-traffic", false, "play the made-up week, but no live traffic after it")
	flags.IntVar(&opts.Workers, "workers", 1, fmt.Sprintf("worker processes beside each other, 1 to %d", mostWorkers))
	flags.Usage = func() {
		fmt.Fprintln(flags.Output(), "make run ARGS=\"OPTION …\": everything on this machine, with a demo, until Ctrl-C.")
		flags.PrintDefaults()
		fmt.Fprint(flags.Output(), environment)
	}
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "make run: %q is no option; see make run ARGS=--help\n", flags.Arg(0))
		return 2
	}
	if opts.Workers < 1 || opts.Workers > mostWorkers {
		fmt.Fprintf(os.Stderr, "make run: --workers is %d; from 1 to %d run on one machine\n", opts.Workers, mostWorkers)
		return 2
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		<-signals
		cancel()
		// A make that passes a signal on sends it a second time: one second is no wish.
		for first := time.Now(); time.Since(first) < time.Second; {
			<-signals
		}
		os.Exit(130) // asked twice: the kernel ends the children (see package child)
	}()
	if err := app.Run(ctx, opts); err != nil {
		fmt.Fprintln(os.Stderr, "devstack:", err)
		return 1
	}
	return 0
}
