//go:build linux

package faults

import (
	"context"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// brokenBuild compiles binaries that can be told to break a promise.
var brokenBuild = sync.OnceValues(func() (string, error) {
	bin := filepath.Join(suite.dir, "broken")
	return bin, build(context.Background(), bin, "broken")
})

// breaks begins a case with a product that breaks a promise of package broken.
func breaks(t *testing.T, promise string, opts options) *scene {
	t.Helper()
	bin, err := brokenBuild()
	if err != nil {
		t.Fatal(err)
	}
	opts.bin = bin
	opts.edgeEnv = append(opts.edgeEnv, "TOUCHLINE_BROKEN="+promise)
	opts.workerEnv = append(opts.workerEnv, "TOUCHLINE_BROKEN="+promise)
	s := newScene(t, "broken", promise, opts)
	s.patience = 15 * time.Second // the books never come to rest
	return s
}

// objects fails unless the checker finds fault.
func (s *scene) objects() *verdict {
	s.t.Helper()
	v := s.verify(expected{})
	if len(v.faults) == 0 {
		s.t.Fatalf("the checker finds no fault with %s: %+v", s.row.how, v)
	}
	s.t.Logf("%s: %s", s.row.how, v.faults[0])
	return v
}

// A product that acknowledges before it writes is found out.
func TestBroken_acknowledgeFirst(t *testing.T) {
	t.Parallel()
	s := breaks(t, "acknowledge_first", hanging())
	s.hangs(func(l *load) {
		eventually(t, "hits are acknowledged that nobody has", func() bool { return l.acks.Load() > 1 })
	})
	if v := s.objects(); v.lost == 0 {
		t.Errorf("nothing is called lost: %v", v.faults)
	}
}

// A product that bounds its streams is found out.
func TestBroken_trimStream(t *testing.T) {
	t.Parallel()
	s := breaks(t, "trim_stream", options{})
	s.stopWorkers()
	l := s.load(pace{rate: 100})
	l.more(80)
	l.stop()
	s.startWorkers()
	if v := s.objects(); v.lost == 0 {
		t.Errorf("nothing is called lost: %v", v.faults)
	}
}

// A product that stores redelivered hits as new ones is found out.
func TestBroken_forgetReceipts(t *testing.T) {
	t.Parallel()
	s := breaks(t, "forget_receipts", options{workerEnv: []string{"TOUCHLINE_FAILPOINT=after_commit:3"}})
	worker := s.workers[0]
	release := s.holdBatches()
	l := s.load(pace{rate: 60})
	eventually(t, "the worker dies", func() bool { return worker.deaths() > 0 })
	l.stop()
	worker.mu.Lock()
	worker.env = append(worker.env, "TOUCHLINE_FAILPOINT=")
	worker.mu.Unlock()
	worker.end(syscall.SIGKILL)
	s.returns(worker)
	eventually(t, "hits are delivered again", func() bool { return worker.said("took over entries") > 0 })
	release()
	s.objects()
}
