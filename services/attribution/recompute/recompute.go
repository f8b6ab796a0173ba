// Package recompute derives the table of a workspace from nothing, beside the one in
// force, and tells what differs. The work itself is a build like that of a new policy:
// any worker does it, and so does the command while it waits, so that it comes to its
// end with workers and without. Whoever dies in between loses the step it was at.
package recompute

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/comparison"
	"github.com/touchline/touchline/services/attribution/postgres"
)

// ErrGivenUp says that the recompute ended before it was complete.
var ErrGivenUp = errors.New("given up: another policy was published meanwhile; recompute again when that is in force")

const (
	// patience is how often in a row a call may fail before the command does. A
	// database that restarts is back by then.
	patience = 20
	// sweepRows is how many rows of a discarded version are removed in one transaction;
	// see the chore of the worker.
	sweepRows = 2000
)

// Runner recomputes workspaces, one at a time.
type Runner struct {
	Pool      *postgres.Pool                                        // of [postgres.RoleWorker]
	Derive    func(ctx context.Context, workspace uuid.UUID) error  // does what there is to do, if no other process does
	Show      func(workspace uuid.UUID, build postgres.Build)       // is told how far a build has come
	Now       func() time.Time                                      // the clock
	Rest      time.Duration                                         // how long to wait while another process has the lock, or after a failure
	Reference string                                                // version of the reference data
	By        string                                                // who asks
	Retry     func(workspace uuid.UUID, attempt int, failure error) // is told of what is tried again
}

// Result is a recompute that is complete.
type Result struct {
	Workspace  uuid.UUID             `json:"workspace_id"`
	State      string                `json:"state"` // live, or discarded when it was only to check
	Equal      bool                  `json:"equal"`
	Comparison comparison.Comparison `json:"comparison"`
}

// Workspace recomputes one: beside the table in force, compared with it, and swapped
// in unless it is only to check. It joins a recompute of the same kind that is under
// way, and waits for any other build to end. Ending ctx leaves the build to the
// workers, and to whoever recomputes next.
func (r *Runner) Workspace(ctx context.Context, workspace uuid.UUID, check bool) (Result, error) {
	for {
		build, ours, err := r.begin(ctx, workspace, check)
		if err != nil {
			return Result{}, err
		}
		build, err = r.follow(ctx, workspace, build)
		if err != nil {
			return Result{}, err
		}
		if ours {
			return r.result(ctx, workspace, build)
		}
	}
}

func (r *Runner) begin(ctx context.Context, workspace uuid.UUID, check bool) (build postgres.Build, ours bool, err error) {
	err = r.retry(ctx, workspace, func() (err error) {
		build, ours, err = r.Pool.RecomputeBegin(ctx, workspace, postgres.RecomputeDraft{
			Check: check, Reference: r.Reference, By: r.By, At: r.Now().UTC(),
		})
		return err
	})
	return build, ours, err
}

// follow helps a build to its end.
func (r *Runner) follow(ctx context.Context, workspace uuid.UUID, build postgres.Build) (postgres.Build, error) {
	for build.State == postgres.PolicyBuilding {
		r.Show(workspace, build)
		before := build
		err := r.retry(ctx, workspace, func() (err error) {
			if err = r.Derive(ctx, workspace); err != nil {
				return err
			}
			build, err = r.Pool.BuildLookup(ctx, workspace, build.Version)
			return err
		})
		if err != nil {
			return build, err
		}
		if build == before { // another process is at it
			if err := r.rest(ctx); err != nil {
				return build, err
			}
		}
	}
	r.Show(workspace, build)
	return build, nil
}

func (r *Runner) result(ctx context.Context, workspace uuid.UUID, build postgres.Build) (Result, error) {
	var found comparison.Comparison
	err := r.retry(ctx, workspace, func() (err error) {
		found, err = r.Pool.BuildResult(ctx, workspace, build.Version)
		return err
	})
	if errors.Is(err, postgres.ErrNotFound) {
		return Result{}, fmt.Errorf("version %d was %w", build.Version, ErrGivenUp)
	}
	state := postgres.PolicyLive
	if build.Check {
		state = postgres.PolicyDiscarded
	}
	return Result{Workspace: workspace, State: state, Equal: found.Equal(), Comparison: found}, err
}

// Sweep removes the rows of versions that nobody can read any more, unless another
// process is at it: where no worker runs, nobody else would.
func (r *Runner) Sweep(ctx context.Context) error {
	for {
		more, err := r.Pool.Sweep(ctx, sweepRows, r.Now().UTC())
		if err != nil || !more {
			return err
		}
	}
}

// retry calls work until it succeeds, fails for good or has failed too often.
func (r *Runner) retry(ctx context.Context, workspace uuid.UUID, work func() error) error {
	for attempt := 1; ; attempt++ {
		err := work()
		if err == nil || errors.Is(err, postgres.ErrNotFound) || attempt == patience {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r.Retry(workspace, attempt, err)
		if err := r.rest(ctx); err != nil {
			return err
		}
	}
}

func (r *Runner) rest(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(r.Rest):
		return nil
	}
}
