// Command attribution runs the attribution service. It is set up by environment
// variables; see README.md of services/attribution.
//
//	attribution worker                  turns hits into facts and facts into the table
//	attribution api                     answers the REST API and the first page
//	attribution migrate [--to N]        brings the schema up to date, or to version N
//	attribution recompute [--workspace ID | --all] [--check] [--json]
//	                                    derives the table from nothing and compares it
//	attribution ledger check [--watch] [--json]
//	                                    counts everything a second time
//	attribution ledger write-off [--by NAME]
//	                                    takes note of hits that were lost
//	attribution quarantine list | show | replay | drop --workspace ID
//	                                    refused hits
//	attribution token --role R [--workspace ID] [--subject S] [--ttl 1h]
//	                                    prints a bearer token
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	_ "time/tzdata" // workspaces name time zones; the image may have none

	"github.com/caarlos0/env/v11"
	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/app"
	"github.com/touchline/touchline/services/attribution/token"
	"github.com/touchline/touchline/services/internal/memory"
)

// memorySoft is what a worker may use before its garbage is collected sooner, in bytes:
// with the binary itself it stays below 256 MiB.
const memorySoft = 192 << 20

const usage = "usage: attribution worker | api | migrate [--to N] | recompute [--workspace ID | --all] [--check] [--json] | ledger check [--watch] [--json] | ledger write-off [--by NAME] | quarantine list|show|replay|drop --workspace ID | token --role ROLE [--workspace ID] [--subject NAME] [--ttl DURATION]"

// errUsage says that the command line was not understood.
var errUsage = errors.New(usage)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	code := exitCode(err)
	switch code {
	case exitFailed:
		fmt.Fprintln(os.Stderr, "attribution:", err)
	case exitUsage:
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

// The exit codes.
const (
	exitFailed    = 1
	exitUsage     = 2
	exitDifferent = 3 // a recompute found the table wrong, or a check the books; its report has told it
)

func exitCode(err error) int {
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, app.ErrDifferent), errors.Is(err, app.ErrUnbalanced):
		return exitDifferent
	case errors.Is(err, errUsage):
		return exitUsage
	}
	return exitFailed
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	command, rest := args[0], args[1:]
	switch command {
	case "help", "-h", "-help", "--help":
		fmt.Println(usage)
		return nil
	case "worker":
		memory.Ease(ctx, memorySoft, os.LookupEnv)
		return service(ctx, rest, app.RunWorker)
	case "api":
		return service(ctx, rest, app.RunAPI)
	case "migrate":
		return migrate(ctx, rest)
	case "recompute":
		return recompute(ctx, rest)
	case "ledger":
		return books(ctx, rest)
	case "quarantine":
		return quarantine(ctx, rest)
	case "token":
		return mint(rest)
	}
	return fmt.Errorf("no command %q; %w", command, errUsage)
}

// parse reads a command's flags. Help goes to standard output; what is wrong is the error's
// to tell, once.
func parse(flags *flag.FlagSet, args []string) error {
	var said strings.Builder
	flags.SetOutput(&said)
	err := flags.Parse(args)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, flag.ErrHelp):
		fmt.Print(said.String())
		return err
	}
	return fmt.Errorf("%w; %w", err, errUsage)
}

// service runs a program that takes no flags.
func service[T interface{ Validate() error }](ctx context.Context, args []string, program func(context.Context, T) error) error {
	if len(args) > 0 {
		return fmt.Errorf("%q is too much; %w", args[0], errUsage)
	}
	cfg, err := app.FromEnv[T](env.ToMap(os.Environ()))
	if err != nil {
		return err
	}
	return program(ctx, cfg)
}

func migrate(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("migrate", flag.ContinueOnError)
	to := flags.Int("to", -1, "version of the schema; -1 is the newest, 0 is nothing at all")
	if err := parse(flags, args); err != nil {
		return err
	}
	cfg, err := app.FromEnv[app.Database](env.ToMap(os.Environ()))
	if err != nil {
		return err
	}
	return app.Migrate(ctx, cfg, int32(*to))
}

const recomputeHelp = `usage: attribution recompute [--workspace ID | --all] [--check] [--json]

Derives the table of a workspace from nothing, beside the one in force and with
persons and links of its own, while workers go on and facts arrive, or without any
worker. When it is complete the two are compared row by row, at one instant. Then the
new one takes the place of the old: if they are equal the old rows are removed,
otherwise the old version stays readable.

Progress is on standard error, the report on standard output. Ending the command
leaves the recompute to the workers; the same command again goes on with it.

Exit code: 0 the table was right, 3 it differs, 1 the command failed, 2 wrong usage.
`

func recompute(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("recompute", flag.ContinueOnError)
	flags.Usage = func() {
		fmt.Fprint(flags.Output(), recomputeHelp+"\n")
		flags.PrintDefaults()
	}
	workspace := flags.String("workspace", "", "id of the workspace; may be left out where there is only one")
	ask := app.RecomputeRequest{Out: os.Stdout, Err: os.Stderr, Terminal: isTerminal(os.Stderr)}
	flags.BoolVar(&ask.All, "all", false, "every workspace, one after the other")
	flags.BoolVar(&ask.Check, "check", false, "compare and change nothing")
	flags.BoolVar(&ask.JSON, "json", false, "report as one line of JSON a workspace")
	if err := parse(flags, args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%q is too much; %w", flags.Arg(0), errUsage)
	}
	named := false
	flags.Visit(func(f *flag.Flag) { named = named || f.Name == "workspace" })
	if named { // an empty one is a variable that somebody forgot to set
		id, err := uuid.Parse(*workspace)
		if err != nil || id == uuid.Nil {
			return fmt.Errorf("--workspace: %q is no id of a workspace; %w", *workspace, errUsage)
		}
		ask.Workspace = id
	}
	if ask.All && named {
		return fmt.Errorf("--all and --workspace exclude each other; %w", errUsage)
	}
	cfg, err := app.FromEnv[app.RecomputeConfig](env.ToMap(os.Environ()))
	if err != nil {
		return err
	}
	return app.Recompute(ctx, cfg, ask)
}

// isTerminal says whether somebody looks at f.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func mint(args []string) error {
	flags := flag.NewFlagSet("token", flag.ContinueOnError)
	role := flags.String("role", "", "platform, admin, analyst or viewer")
	workspace := flags.String("workspace", "", "id of the workspace; none for the role platform")
	subject := flags.String("subject", "command line", "who it is for, as the log shows")
	ttl := flags.Duration("ttl", 0, "how long it is valid; 0 is TOUCHLINE_TOKEN_LIFE")
	if err := parse(flags, args); err != nil {
		return err
	}
	claims := token.Claims{Subject: *subject, Role: token.Role(*role)}
	if *workspace != "" {
		id, err := uuid.Parse(*workspace)
		if err != nil {
			return fmt.Errorf("--workspace: %w", err)
		}
		claims.Workspace = id
	}
	cfg, err := app.FromEnv[app.Tokens](env.ToMap(os.Environ()))
	if err != nil {
		return err
	}
	text, err := app.Mint(cfg, claims, *ttl)
	if err != nil {
		return err
	}
	fmt.Println(text)
	return nil
}
