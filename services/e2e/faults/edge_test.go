//go:build linux

package faults

import (
	"math/rand/v2"
	"syscall"
	"testing"
	"time"
)

// newScene begins a case of the plan.
func newScene(t *testing.T, fault, how string, opts options) *scene {
	t.Helper()
	return &scene{world: newWorld(t, opts), row: row{fault: fault, how: how}}
}

// tier is the number of times in the short tier, or in the long one.
func tier(short, longer int) int {
	if *long {
		return longer
	}
	return short
}

// An edge that dies at any moment has lost nothing that it acknowledged.
func TestF1(t *testing.T) {
	t.Parallel()
	s := newScene(t, "F1", "kill -9 of the edge", options{edges: 2})
	random := rand.New(rand.NewPCG(s.seed, 101))
	l := s.load(pace{rate: 100})
	kills := tier(6, 200)
	for i := range kills {
		l.more(20)
		edge := s.edges[i%len(s.edges)]
		time.Sleep(time.Duration(random.IntN(100)) * time.Millisecond)
		edge.end(syscall.SIGKILL)
		if err := edge.start(); err != nil {
			t.Fatal(err)
		}
	}
	s.ended()
	s.fired(kills, "kills")
	l.more(20)
	l.stop()
	s.check(expected{})
}

// An edge dies while Redis does not answer: what waits for Redis was not acknowledged.
func TestF1_whileRedisHangs(t *testing.T) {
	t.Parallel()
	s := newScene(t, "F1", "kill -9 of the edge while Redis does not answer", hanging())
	s.hangs(func(l *load) { pause(500) })
	s.check(expected{})
}

// hanging is a world in which an edge waits for Redis for longer than the case lasts.
func hanging() options {
	return options{proxied: true, edgeEnv: []string{"TOUCHLINE_REDIS_TIMEOUT=60s"}}
}

// hangs kills the edge while its writes reach nobody, once wait returns.
func (s *scene) hangs(wait func(*load)) {
	s.t.Helper()
	l := s.newLoad(pace{rate: 1, impatient: true})
	if got := l.send(l.making.next()); !got.acknowledged() {
		s.t.Fatalf("before the fault: %+v", got)
	}
	heal := s.proxies["edge-redis"].add("timeout", "upstream", map[string]any{"timeout": 0})
	for range 20 {
		l.begin(l.making.next())
	}
	wait(l)
	s.edges[0].end(syscall.SIGKILL)
	heal()
	l.done.Wait()
	s.fired(20, "requests under way")
	s.returns(s.edges[0])
	for range 5 {
		if got := l.send(l.making.next()); !got.acknowledged() {
			s.t.Errorf("after the restart: %+v", got)
		}
	}
}

// stopWorkers kills all workers, and startWorkers starts them again.
func (w *world) stopWorkers() {
	for _, p := range w.workers {
		p.end(syscall.SIGKILL)
	}
}

func (w *world) startWorkers() {
	w.t.Helper()
	for _, p := range w.workers {
		if err := p.start(); err != nil {
			w.t.Fatal(err)
		}
	}
}
