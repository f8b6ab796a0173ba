package main

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/touchline/touchline/services/attribution/app"
)

func TestExitCode(t *testing.T) {
	t.Parallel()
	for want, errs := range map[int][]error{
		0: {nil},
		1: {errors.New("database away"), context.Canceled, errors.Join(errors.New("one workspace failed"))},
		2: {errUsage, fmt.Errorf("--all and --workspace exclude each other; %w", errUsage)},
		3: {app.ErrDifferent},
	} {
		for _, err := range errs {
			if got := exitCode(err); got != want {
				t.Errorf("%v: exit code %d, want %d", err, got, want)
			}
		}
	}
}

// What is asked wrongly is told before anything is opened.
func TestRun_usage(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"recompute", "all"},
		{"recompute", "--workspace", "shop"},
		{"recompute", "--workspace", ""},
		{"recompute", "--all", "--workspace", "10000000-0000-0000-0000-000000000001"},
		{"recompute", "--wipe"},
		{"rebuild"},
		{},
	} {
		if err := run(t.Context(), args); exitCode(err) != exitUsage {
			t.Errorf("%v: %v", args, err)
		}
	}
	for _, args := range [][]string{{"--help"}, {"recompute", "--help"}} {
		if err := run(t.Context(), args); exitCode(err) != 0 {
			t.Errorf("%v: %v", args, err)
		}
	}
}
