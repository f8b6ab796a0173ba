// Command attribution runs the attribution service. It is set up by environment
// variables; see README.md of services/attribution.
//
//	attribution worker                  turns hits into facts and facts into the table
//	attribution api                     answers the REST API and the first page
//	attribution migrate [--to N]        brings the schema up to date, or to version N
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
	"syscall"
	_ "time/tzdata" // workspaces name time zones; the image may have none

	"github.com/caarlos0/env/v11"
	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/app"
	"github.com/touchline/touchline/services/attribution/token"
)

const usage = "usage: attribution worker | api | migrate [--to N] | token --role ROLE [--workspace ID] [--subject NAME] [--ttl DURATION]"

// errUsage says that the command line was not understood.
var errUsage = errors.New(usage)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errUsage):
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	default:
		fmt.Fprintln(os.Stderr, "attribution:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	command, rest := args[0], args[1:]
	switch command {
	case "worker":
		return service(ctx, rest, app.RunWorker)
	case "api":
		return service(ctx, rest, app.RunAPI)
	case "migrate":
		return migrate(ctx, rest)
	case "token":
		return mint(rest)
	}
	return fmt.Errorf("no command %q; %w", command, errUsage)
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
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("%w; %w", err, errUsage)
	}
	cfg, err := app.FromEnv[app.Database](env.ToMap(os.Environ()))
	if err != nil {
		return err
	}
	return app.Migrate(ctx, cfg, int32(*to))
}

func mint(args []string) error {
	flags := flag.NewFlagSet("token", flag.ContinueOnError)
	role := flags.String("role", "", "platform, admin, analyst or viewer")
	workspace := flags.String("workspace", "", "id of the workspace; none for the role platform")
	subject := flags.String("subject", "command line", "who it is for, as the log shows")
	ttl := flags.Duration("ttl", 0, "how long it is valid; 0 is TOUCHLINE_TOKEN_LIFE")
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("%w; %w", err, errUsage)
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
