package historytest_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// failpoints are the places at which a worker may end itself.
var failpoints = []string{"after_read", "before_commit", "after_commit", "after_settle", "before_derived", "after_derived"}

// fleet is the workers of a play. Those that die are replaced.
type fleet struct {
	settings settings
	random   *rand.Rand
	rows     *pgxpool.Pool // as a superuser, who may end the connections of others
	calm     bool          // nobody is killed, and their limits are not drawn
	workers  []*worker
	met      *counts
}

func (f *fleet) start(n int) error {
	for range n {
		if err := f.add(); err != nil {
			return err
		}
	}
	return nil
}

// add starts a worker with limits of its own.
func (f *fleet) add() error {
	s := f.settings
	s.Limits = limits{BatchSize: 500, BatchRows: 1, WalkRows: 3, Lead: time.Millisecond, Parallel: 2, Small: 1, Device: 2, Hold: time.Millisecond, Stale: time.Second}
	if len(f.workers)%2 == 1 {
		s.Limits.BatchRows, s.Limits.Device = 5000, 200
	}
	if !f.calm {
		s.Limits = f.anyLimits()
	}
	w, err := startWorker(s)
	if err == nil {
		f.workers = append(f.workers, w)
	}
	return err
}

func (f *fleet) anyLimits() limits {
	anyOf := func(of ...int) int { return of[f.random.IntN(len(of))] }
	l := limits{
		BatchSize: anyOf(7, 40, 500), BatchRows: anyOf(1, 7, 40, 200, 1000, 5000), WalkRows: anyOf(1, 30, 500, 5000), Parallel: anyOf(1, 2, 3),
		PlanFacts: anyOf(0, 0, 0, 1), Filed: anyOf(0, 1) == 1, Lead: time.Duration(anyOf(1, 50)) * time.Millisecond,
		Small: anyOf(0, 1, 1, 2, 5, 20), Reach: anyOf(10, 10_000, 10_000), Device: anyOf(1, 2, 200), Apart: anyOf(0, 1, 1) == 1,
		Hold: time.Duration(anyOf(1, 50, 1000)) * time.Millisecond, Stale: time.Duration(anyOf(100, 1000)) * time.Millisecond,
	}
	if f.random.IntN(2) > 0 {
		l.Failpoint = fmt.Sprintf("%s:%d", failpoints[f.random.IntN(len(failpoints))], 1+f.random.IntN(30))
	}
	return l
}

// tend replaces the workers that have ended. One that ended by itself, and not at a
// failpoint, is an error.
func (f *fleet) tend() error {
	for i := 0; i < len(f.workers); i++ {
		w := f.workers[i]
		select {
		case <-w.ended:
			if fault := f.judge(w, w.fault); fault != nil {
				return fault
			}
			f.workers = append(f.workers[:i], f.workers[i+1:]...)
			if err := f.add(); err != nil {
				return err
			}
			i--
		default:
		}
	}
	return nil
}

func (f *fleet) judge(w *worker, ended error) error {
	var exit *exec.ExitError
	switch {
	case w.killed:
		f.met.add("worker killed", 1)
		return nil
	case errors.As(ended, &exit) && exit.ExitCode() == 137:
		f.met.add("worker ended at a failpoint", 1)
		return nil
	case w.admin.line() == "" && strings.Contains(w.log.String(), "57P01"):
		f.met.add("worker ended at its start", 1) // its first connection was broken: a supervisor starts it again
		return nil
	default:
		return fmt.Errorf("a worker ended by itself: %w\n%s", ended, w.log)
	}
}

// harm kills a worker or breaks a connection, preferably in the middle of a
// transaction.
func (f *fleet) harm(ctx context.Context) error {
	if f.calm {
		return nil
	}
	if w := f.workers[f.random.IntN(len(f.workers))]; f.random.IntN(2) == 0 && w.admin.line() != "" {
		f.count(ctx, w)
		w.kill()
		return nil
	}
	var inside int
	err := f.rows.QueryRow(ctx, `with one as (
		select pid, (xact_start is not null)::int as inside from pg_stat_activity where application_name = $1 order by 2 desc, random() limit 1
	) select coalesce(sum(inside * pg_terminate_backend(pid)::int), 0)::int from one`, f.settings.Prefix).Scan(&inside)
	f.met.add("connection broken in a transaction", inside)
	return err
}

// logs are the last words of the workers.
func (f *fleet) logs() string {
	var all strings.Builder
	for _, w := range f.workers {
		fmt.Fprintln(&all, w.log)
	}
	return all.String()
}

// count adds what a worker did before its end.
func (f *fleet) count(ctx context.Context, w *worker) {
	for what, n := range w.counted(ctx) {
		f.met.add(what, n)
	}
}

// stop ends the fleet in peace.
func (f *fleet) stop(t testing.TB) {
	for _, w := range f.workers {
		f.count(context.Background(), w)
	}
	for _, w := range f.workers {
		if err := w.stop(); err != nil && f.judge(w, err) != nil {
			t.Errorf("stop a worker: %v\n%s", err, w.log)
		}
	}
	f.workers = nil
}
