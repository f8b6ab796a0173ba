package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/derive"
	"github.com/touchline/touchline/services/attribution/digest"
	"github.com/touchline/touchline/services/attribution/postgres"
	"github.com/touchline/touchline/services/attribution/recompute"
	"github.com/touchline/touchline/services/attribution/stock"
	"github.com/touchline/touchline/services/internal/failpoint"
)

// ErrDifferent says that a recompute found the table wrong. What was wrong has been
// written to RecomputeRequest.Out.
var ErrDifferent = errors.New("the table differs from what follows from the facts")

// shownRows is how many differing rows of a kind a report shows to people; JSON has
// all that are kept.
const shownRows = 5

// RecomputeRequest says what to recompute and where to tell of it.
type RecomputeRequest struct {
	Workspace uuid.UUID // [uuid.Nil]: the only one there is, or with All every one
	All       bool
	Check     bool      // compare, change nothing
	JSON      bool      // one line a workspace on Out, instead of text
	Out       io.Writer // the report
	Err       io.Writer // progress
	Terminal  bool      // Err is looked at by somebody
}

// Recompute derives workspaces from nothing and compares, one after the other.
// [ErrDifferent] when a table was wrong; other errors are told after the rest was done.
func Recompute(ctx context.Context, cfg RecomputeConfig, ask RecomputeRequest) error {
	ring, err := digest.New(cfg.IdentityKey.Bytes())
	if err != nil {
		return err
	}
	pool, err := postgres.Open(ctx, withConns(cfg.DatabaseURL, cfg.DatabaseConns), postgres.RoleWorker)
	if err != nil {
		return err
	}
	defer pool.Close()
	workspaces, err := chosen(ctx, pool, ask)
	if err != nil {
		return err
	}
	points := failpoint.FromEnv(func(string) string { return cfg.Failpoint })
	// What it would log is what the report and the errors say.
	quiet := slog.New(slog.DiscardHandler)
	store := postgres.NewDeriveStore(pool, ring).WithRoom(stock.Config{Disk: cfg.BuildDisk, Log: quiet})
	deriver := derive.New(store, derive.Config{Log: quiet, Point: points.Pass})
	bar := recompute.NewBar(ask.Err, ask.Terminal, time.Now)
	runner := &recompute.Runner{
		Pool: pool, Derive: deriver.Workspace, Show: bar.Show, Now: time.Now, Rest: 200 * time.Millisecond, Reference: reference, By: "recompute",
		Retry: func(workspace uuid.UUID, attempt int, failure error) {
			bar.Close()
			fmt.Fprintf(ask.Err, "%s: attempt %d: %v\n", workspace, attempt, failure)
		},
	}
	var different bool
	var faults []error
	for _, workspace := range workspaces {
		var result recompute.Result
		err := opens(ctx, pool, ring, workspace)
		if err == nil {
			result, err = runner.Workspace(ctx, workspace, ask.Check)
			bar.Close()
		}
		if err == nil {
			different = different || !result.Equal
			err = report(ask, result)
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("workspace %s: %w", workspace, err))
		}
		if ctx.Err() != nil {
			break
		}
	}
	if err := errors.Join(append(faults, runner.Sweep(ctx))...); err != nil {
		return err
	}
	if different {
		return ErrDifferent
	}
	return nil
}

// opens makes sure that the key is the workers': with another one the block list would
// find nobody, and what comes out would be wrong.
func opens(ctx context.Context, pool *postgres.Pool, ring *digest.Ring, workspace uuid.UUID) error {
	sum, sealed, err := pool.IdentifierAny(ctx, workspace)
	if errors.Is(err, postgres.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if _, err := ring.Open(workspace, sum, sealed); err != nil {
		return errors.New("TOUCHLINE_IDENTITY_KEY is not the key that the workers have: it opens no identifier of this workspace")
	}
	return nil
}

// chosen lists the workspaces that are asked for.
func chosen(ctx context.Context, pool *postgres.Pool, ask RecomputeRequest) ([]uuid.UUID, error) {
	if ask.Workspace != uuid.Nil {
		return []uuid.UUID{ask.Workspace}, nil
	}
	all, err := pool.WorkspaceList(ctx)
	if err != nil {
		return nil, err
	}
	if !ask.All && len(all) != 1 {
		return nil, fmt.Errorf("there are %d workspaces: name one with --workspace, or all with --all", len(all))
	}
	return all, nil
}

// report tells one result.
func report(ask RecomputeRequest, result recompute.Result) error {
	if ask.JSON {
		return json.NewEncoder(ask.Out).Encode(result)
	}
	c := &result.Comparison
	verdict := fmt.Sprintf("%s: the table was right; ", result.Workspace)
	if !result.Equal {
		verdict = fmt.Sprintf("%s: THE TABLE WAS WRONG in %d rows; ", result.Workspace, c.Differences)
	}
	switch {
	case result.State == postgres.PolicyDiscarded && result.Equal:
		verdict += fmt.Sprintf("version %d stays in force", c.Against)
	case result.State == postgres.PolicyDiscarded:
		verdict = fmt.Sprintf("%s: THE TABLE IS WRONG in %d rows; version %d stays in force all the same. Recompute without --check to mend it",
			result.Workspace, c.Differences, c.Against)
	case result.Equal:
		verdict += fmt.Sprintf("version %d replaces version %d", c.Version, c.Against)
	default:
		verdict += fmt.Sprintf("version %d is in force now, version %d stays readable", c.Version, c.Against)
	}
	if err := c.WriteText(ask.Out, shownRows); err != nil {
		return err
	}
	_, err := fmt.Fprintln(ask.Out, verdict)
	return err
}
