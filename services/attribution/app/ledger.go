package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/touchline/touchline/services/attribution/ledger"
	"github.com/touchline/touchline/services/attribution/postgres"
	"github.com/touchline/touchline/services/internal/stream"
)

// ErrUnbalanced says that a check of the books found something wrong. What it was has
// been written to LedgerRequest.Out.
var ErrUnbalanced = errors.New("the books are wrong")

// LedgerRequest says where to tell of the books.
type LedgerRequest struct {
	JSON  bool          // a line of JSON for each check, instead of text
	Watch time.Duration // check again after this time, until ctx ends; 0: once
	By    string        // who writes off
	Out   io.Writer
}

// openLedger opens both sides of the books.
func openLedger(ctx context.Context, cfg LedgerConfig) (ledger.Sides, func(), error) {
	client, err := stream.NewWriterClient(cfg.RedisURL)
	if err != nil {
		return ledger.Sides{}, nil, err
	}
	pool, err := postgres.Open(ctx, withConns(cfg.DatabaseURL, 4), postgres.RoleWorker)
	if err != nil {
		_ = client.Close()
		return ledger.Sides{}, nil, err
	}
	probe := stream.NewProbe(client, stream.Config{Prefix: cfg.StreamPrefix, Shards: cfg.StreamShards})
	return ledger.Sides{Probe: probe, Pool: pool}, func() { pool.Close(); _ = client.Close() }, nil
}

// LedgerCheck counts everything a second time and reports. [ErrUnbalanced] when
// something is wrong or lost, with Watch: when the last check found that.
func LedgerCheck(ctx context.Context, cfg LedgerConfig, ask LedgerRequest) error {
	sides, done, err := openLedger(ctx, cfg)
	if err != nil {
		return err
	}
	defer done()
	for {
		report, err := sides.Check(ctx, time.Now().UTC())
		if err != nil {
			return err
		}
		if ask.JSON {
			err = json.NewEncoder(ask.Out).Encode(report)
		} else {
			err = report.WriteText(ask.Out)
		}
		if err == nil && !report.Right {
			err = ErrUnbalanced
		}
		if ask.Watch == 0 || (err != nil && !errors.Is(err, ErrUnbalanced)) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(ask.Watch):
		}
	}
}

// writeOffPatience is how long a write-off tries while others are at it.
const writeOffPatience = 30 * time.Second

// LedgerWriteOff takes note of all hits that are lost: they become rejected, with the
// reason lost. A worker has to run for the books to show it.
func LedgerWriteOff(ctx context.Context, cfg LedgerConfig, ask LedgerRequest) error {
	sides, done, err := openLedger(ctx, cfg)
	if err != nil {
		return err
	}
	defer done()
	var total int64
	until := time.Now().Add(writeOffPatience)
	for shard := 0; shard < cfg.StreamShards; {
		gone, err := sides.WriteOff(ctx, shard, ask.By, time.Now().UTC())
		switch {
		case errors.Is(err, ledger.ErrBusy) && time.Now().Before(until) && ctx.Err() == nil:
			select {
			case <-ctx.Done():
			case <-time.After(200 * time.Millisecond):
			}
			continue
		case err != nil:
			return err
		case len(gone) == 0:
			shard++
		}
		for _, run := range gone {
			total += run.Len()
			if _, err := fmt.Fprintln(ask.Out, run); err != nil {
				return err
			}
		}
	}
	_, err = fmt.Fprintf(ask.Out, "wrote off %d hits\n", total)
	return err
}
