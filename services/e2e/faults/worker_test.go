//go:build linux

package faults

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

// A worker that dies at any moment leaves nothing undone and nothing done twice.
func TestF2_killed(t *testing.T) {
	t.Parallel()
	s := newScene(t, "F2", "kill -9 of a worker, beside another", options{workers: 2})
	l := s.load(pace{rate: 80})
	kills := tier(6, 200)
	for i := range kills {
		l.more(20)
		worker := s.workers[i%len(s.workers)]
		worker.end(syscall.SIGKILL)
		s.returns(worker)
	}
	s.ended()
	s.fired(kills, "kills")
	l.more(10)
	l.stop()
	s.unaffected(l)
	s.check(expected{})
}

// The same at each labelled point of its work: there it dies whenever it has passed so
// often, and is started again.
func TestF2_atPoints(t *testing.T) {
	t.Parallel()
	for _, point := range []string{"after_read:9", "after_claim:1", "before_commit:9", "after_commit:9", "after_settle:9", "before_derived:9", "after_derived:9"} {
		s := newScene(t, "F2", "the worker dies at "+point, options{workerEnv: []string{"TOUCHLINE_FAILPOINT=" + point}})
		s.atPoint(s.workers[0])
	}
}

// atPoint lets a process die at its failpoint some times, then live. Not more often than
// that: what was handed out seven times is taken for poison.
func (s *scene) atPoint(p *process) {
	s.t.Helper()
	deaths := tier(2, 20)
	if p.name == "worker-0" {
		deaths = 2
	}
	l := s.load(pace{rate: 60})
	before := 0
	if point := "after_claim:1"; strings.HasSuffix(s.row.how, point) {
		s.leaves(p)
		p.fail(point)
		s.starts(p)
		before = p.deaths()
	}
	for n := range deaths {
		if n > 0 {
			s.starts(p)
		}
		eventually(s.t, p.name+" dies", func() bool { return p.deaths()-before > n })
	}
	p.fail("")
	p.end(syscall.SIGKILL)
	s.returns(p)
	s.ended()
	s.fired(p.deaths()-before, "deaths")
	l.more(10)
	l.stop()
	s.check(expected{})
}

// leaves lets a worker die with entries that it has read and not stored, which is what
// another one has to take over.
func (s *scene) leaves(p *process) {
	s.t.Helper()
	p.end(syscall.SIGKILL)
	p.fail("after_read:1")
	before := p.deaths()
	s.starts(p)
	eventually(s.t, p.name+" dies with what it has read", func() bool { return p.deaths() > before })
}

// fail sets the point at which the program dies once it is started again; "": none.
func (p *process) fail(point string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.env = append(p.env, "TOUCHLINE_FAILPOINT="+point) // the last one counts
}

// An edge dies at each labelled point of its writing.
func TestF1_atPoints(t *testing.T) {
	t.Parallel()
	for _, point := range []string{"before_append:15", "after_append:15"} {
		s := newScene(t, "F1", "the edge dies at "+point, options{edgeEnv: []string{"TOUCHLINE_FAILPOINT=" + point}})
		s.atPoint(s.edges[0])
	}
	for _, point := range []string{"after_keep:10", "before_drop:1"} {
		s := newScene(t, "F1", "the edge dies at "+point+", Redis away now and then", options{edgeEnv: []string{"TOUCHLINE_FAILPOINT=" + point}})
		stop := make(chan struct{})
		var away sync.WaitGroup
		away.Go(func() { s.comesAndGoes(stop) })
		s.edges[0].mu.Lock()
		s.edges[0].keep = true
		s.edges[0].mu.Unlock()
		l := s.load(pace{rate: 60})
		eventually(t, "the edge dies twice", func() bool { return s.edges[0].deaths() >= tier(2, 20) })
		close(stop)
		away.Wait()
		s.edges[0].mu.Lock()
		s.edges[0].env = append(s.edges[0].env, "TOUCHLINE_FAILPOINT=")
		s.edges[0].mu.Unlock()
		s.edges[0].end(syscall.SIGKILL)
		s.returns(s.edges[0])
		s.ended()
		s.fired(s.edges[0].deaths(), "deaths")
		l.more(10)
		l.stop()
		s.check(expected{})
	}
}

// comesAndGoes kills Redis and starts it again, until stop is closed.
func (s *scene) comesAndGoes(stop chan struct{}) {
	for !isClosed(stop) {
		s.redis.end(syscall.SIGKILL)
		pause(300)
		if err := s.redis.start(); err != nil {
			s.t.Error(err)
			return
		}
		_ = until(context.Background(), func() bool { return s.redis.ready(context.Background()) == nil })
		pause(300)
	}
}

// The API dies; nothing of it is anybody else's business, and it comes back.
func TestF3(t *testing.T) {
	t.Parallel()
	s := newScene(t, "F3", "kill -9 of the API", options{})
	l := s.load(pace{rate: 60})
	for range tier(2, 20) {
		l.more(10)
		s.api.end(syscall.SIGKILL)
		l.more(10)
		s.returns(s.api)
	}
	s.ended()
	s.fired(tier(2, 20), "kills")
	l.stop()
	s.unaffected(l)
	s.check(expected{})
}

// Two of everything, and two migrations at one time.
func TestF19(t *testing.T) {
	t.Parallel()
	s := newScene(t, "F19", "two migrations at once, two edges, two workers", options{edges: 2, workers: 2})
	conn := s.database()
	if _, err := conn.Exec(t.Context(), "create database empty"); err != nil {
		t.Fatal(err)
	}
	const migrations = 4
	faults := make(chan error, migrations)
	for range migrations {
		go func() {
			cmd := exec.CommandContext(t.Context(), filepath.Join(s.opts.bin, "attribution"), "migrate")
			cmd.Env = append(suite.keys(), "DATABASE_URL="+urlOf(s.postgresPort, "empty"))
			out, err := cmd.CombinedOutput()
			if err != nil {
				err = fmt.Errorf("%w\n%s", err, out)
			}
			faults <- err
		}()
	}
	for range migrations {
		if err := <-faults; err != nil {
			t.Error("migrate:", err)
		}
	}
	other, err := pgx.Connect(t.Context(), urlOf(s.postgresPort, "empty"))
	if err != nil {
		t.Fatal(err)
	}
	var tables int
	if err := other.QueryRow(t.Context(), "select count(*) from pg_tables where tablename = 'fact'").Scan(&tables); err != nil || tables != 1 {
		t.Errorf("%d tables of facts: %v", tables, err)
	}
	_ = other.Close(t.Context())
	s.fired(migrations, "migrations at once")
	l := s.load(pace{rate: 80})
	l.more(int64(tier(60, 3000)))
	s.ended()
	l.stop()
	s.check(expected{})
}

// starts starts a process that may die before it is ready, unless it runs.
func (s *scene) starts(p *process) {
	s.t.Helper()
	if p.alive() {
		return
	}
	if err := p.start(); err != nil {
		s.t.Fatal(err)
	}
}
