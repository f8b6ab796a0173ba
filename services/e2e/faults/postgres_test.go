//go:build linux

package faults

import (
	"context"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// errorsOf is how often Redis answered with an error.
func errorsOf(ctx context.Context, client *redis.Client, name string) int {
	for _, line := range strings.Split(client.Info(ctx, "errorstats").Val(), "\r\n") {
		if digits, found := strings.CutPrefix(line, name+":count="); found {
			n, _ := strconv.Atoi(digits)
			return n
		}
	}
	return 0
}

// unaffected fails the case when the edge refused anything: PostgreSQL is not its
// business.
func (s *scene) unaffected(l *load) {
	s.t.Helper()
	if n := l.refused.Load() + l.silent.Load(); n > 0 {
		s.t.Errorf("the edge did not acknowledge %d requests although only PostgreSQL was in trouble", n)
	}
}

// PostgreSQL dies, ends at once, and stays away: workers wait, and nothing leaves Redis
// before it is stored.
func TestF9(t *testing.T) {
	t.Parallel()
	s := newScene(t, "F9", "PostgreSQL: kill -9, immediate shutdown, away for 3 s (long tier: 5 min)", options{})
	l := s.load(pace{rate: 60})
	away := []time.Duration{0, 0, 3 * time.Second}
	if *long {
		away = []time.Duration{0, 0, 0, 0, 0, 0, 5 * time.Minute}
	}
	for i, pause := range away {
		l.more(20)
		s.postgres.end([]syscall.Signal{syscall.SIGKILL, syscall.SIGQUIT}[i%2])
		l.more(10)
		time.Sleep(pause)
		revive(t, s.postgres)
		l.more(10)
	}
	s.ended()
	s.fired(len(away), "deaths")
	s.fired(s.workers[0].said("not available")+s.workers[0].said("storing a batch"), "failures seen by the worker")
	l.stop()
	s.unaffected(l)
	s.check(expected{})
}
