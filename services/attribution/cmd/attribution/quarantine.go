package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/caarlos0/env/v11"
	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/app"
)

const quarantineHelp = `usage: attribution quarantine list | show | replay | drop --workspace ID [choice]

list    refused hits, newest first
show    one of them (--id), with what was kept of it: that can name people
replay  tries the chosen ones again, by the code of today
drop    forgets what was kept of the chosen ones; they stay counted as rejected

replay and drop need at least one of --id, --reason, --source, --from and --to.

`

func quarantine(ctx context.Context, args []string) error {
	work := map[string]app.Quarantine{
		"list": app.QuarantineList, "show": app.QuarantineShow, "replay": app.QuarantineReplay, "drop": app.QuarantineDrop,
	}
	flags := flag.NewFlagSet("quarantine", flag.ContinueOnError)
	flags.Usage = func() {
		fmt.Fprint(flags.Output(), quarantineHelp)
		flags.PrintDefaults()
	}
	ask := app.QuarantineRequest{Out: os.Stdout}
	flags.TextVar(&ask.Workspace, "workspace", uuid.Nil, "id of the workspace")
	flags.TextVar(&ask.ID, "id", uuid.Nil, "one hit")
	flags.TextVar(&ask.Source, "source", uuid.Nil, "of this source")
	flags.StringVar(&ask.Reason, "reason", "", "refused for this reason")
	flags.TextVar(&ask.From, "from", time.Time{}, "received at this time or later, RFC 3339")
	flags.TextVar(&ask.To, "to", time.Time{}, "received before this time, RFC 3339")
	flags.IntVar(&ask.Limit, "limit", 100, "lines of a list")
	flags.StringVar(&ask.By, "by", "command line", "who does it, as the log shows")
	if len(args) == 0 {
		return fmt.Errorf("quarantine list, show, replay or drop; %w", errUsage)
	}
	do, rest := work[args[0]], args
	if do != nil {
		rest = args[1:]
	}
	if err := parse(flags, rest); err != nil {
		return err
	}
	if flags.NArg() > 0 || do == nil {
		return fmt.Errorf("%q is not understood; %w", flags.Arg(0), errUsage)
	}
	if ask.Workspace == uuid.Nil {
		return fmt.Errorf("--workspace is needed; %w", errUsage)
	}
	chosen := ask.ID != uuid.Nil || ask.Source != uuid.Nil || ask.Reason != "" || !ask.From.IsZero() || !ask.To.IsZero()
	if !chosen && (args[0] == "replay" || args[0] == "drop") {
		return fmt.Errorf("choose by --id, --reason, --source, --from or --to; %w", errUsage)
	}
	cfg, err := app.FromEnv[app.QuarantineConfig](env.ToMap(os.Environ()))
	if err != nil {
		return err
	}
	return app.RunQuarantine(ctx, cfg, ask, do)
}
