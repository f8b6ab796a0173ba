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
	s.fired(int(l.silent.Load()), "requests without an answer")
	l.more(20)
	l.stop()
	s.check(expected{})
}

// An edge dies while Redis hangs: what waits for Redis was not acknowledged.
func TestF1_whileRedisHangs(t *testing.T) {
	t.Parallel()
	s := newScene(t, "F1", "kill -9 of the edge while Redis hangs", options{})
	hangs(t, s)
	s.check(expected{})
}

// hangs plays the case; a product that acknowledges before it writes fails it.
func hangs(t *testing.T, s *scene) {
	t.Helper()
	l := s.newLoad(pace{rate: 1, impatient: true})
	s.stopWorkers()
	thaw := s.redis.freeze(t)
	for range 20 {
		l.begin(l.making.next())
	}
	time.Sleep(200 * time.Millisecond) // they wait for Redis; were they slower, there would be less to lose
	s.edges[0].end(syscall.SIGKILL)
	thaw()
	l.done.Wait()
	s.fired(int(l.silent.Load()+l.acks.Load()), "requests under way")
	s.startWorkers()
	if err := s.edges[0].start(); err != nil {
		t.Fatal(err)
	}
	if err := s.edges[0].await(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if got := l.send(l.making.next()); !got.acknowledged() {
			t.Errorf("after the restart: %+v", got)
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
