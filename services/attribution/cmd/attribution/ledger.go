package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/caarlos0/env/v11"

	"github.com/touchline/touchline/services/attribution/app"
)

const ledgerHelp = `usage: attribution ledger check [--watch] [--every 10s] [--json]
       attribution ledger write-off [--by NAME]

check counts everything a second time, from another place: accepted against stored,
duplicate, conflict, rejected and pending; receipts against terms; facts against what is
stored; the quarantine against what is rejected; the streams against what is in flight.
And it searches for lost hits: receipts that had reached Redis and are neither there nor
stored. The system may be at work meanwhile.

write-off takes note of the hits that are lost: they move from pending to rejected, with
the reason "lost", so that the books can come to rest again and the alarm ends.

Exit code: 0 all is right, 3 something is wrong or lost, 1 the command failed, 2 wrong usage.
`

func books(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("ledger", flag.ContinueOnError)
	flags.Usage = func() { fmt.Fprint(flags.Output(), ledgerHelp) }
	if len(args) == 0 {
		return fmt.Errorf("ledger check or ledger write-off; %w", errUsage)
	}
	ask := app.LedgerRequest{Out: os.Stdout}
	watch := flags.Bool("watch", false, "check again and again, until the command is ended")
	every := flags.Duration("every", 10*time.Second, "how often, with --watch")
	flags.BoolVar(&ask.JSON, "json", false, "a line of JSON for each check")
	flags.StringVar(&ask.By, "by", "command line", "who writes off, as the table of gaps shows")
	work, rest := app.LedgerCheck, args[1:]
	switch args[0] {
	case "check":
	case "write-off":
		work = app.LedgerWriteOff
	default: // or a flag, like -h
		rest = args
	}
	if err := parse(flags, rest); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%q is not understood; %w", flags.Arg(0), errUsage)
	}
	if *watch {
		ask.Watch = max(*every, time.Second)
	}
	cfg, err := app.FromEnv[app.LedgerConfig](env.ToMap(os.Environ()))
	if err != nil {
		return err
	}
	return work(ctx, cfg, ask)
}
