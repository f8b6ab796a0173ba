// Command tracking runs the tracking service: the public edge that SDKs, the pixel,
// senders and callbacks talk to. It is set up by environment variables; see README.md
// of services/tracking.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/caarlos0/env/v11"

	"github.com/touchline/touchline/services/internal/memory"
	"github.com/touchline/touchline/services/tracking/app"
)

// memorySoft is what an edge may use before its garbage is collected sooner, in bytes:
// with the binary itself it stays below 64 MiB.
const memorySoft = 40 << 20

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "tracking:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	cfg, err := app.FromEnv(env.ToMap(os.Environ()))
	if err != nil {
		return err
	}
	cfg.Logger = app.NewLogger(cfg)
	slog.SetDefault(cfg.Logger) // for packages that are not handed one
	memory.Ease(ctx, memorySoft, os.LookupEnv)
	return app.Run(ctx, cfg)
}
