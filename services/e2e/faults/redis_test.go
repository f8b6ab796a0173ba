//go:build linux

package faults

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// returns starts Redis again and waits until it answers.
func (s *scene) returns(p *process) {
	s.t.Helper()
	if err := p.start(); err != nil {
		s.t.Fatal(err)
	}
	if err := p.await(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

// Redis dies: hits go to the edge's disk and come back in order.
func TestF4_killed(t *testing.T) {
	t.Parallel()
	s := newScene(t, "F4", "kill -9 of Redis, which returns with its log", options{})
	l := s.load(pace{rate: 80})
	kills := tier(3, 30)
	for range kills {
		l.more(20)
		s.redis.end(syscall.SIGKILL)
		before := s.spooled()
		eventually(t, "hits are kept on disk", func() bool { return s.spooled() > before })
		l.more(10) // acknowledged all the same
		s.returns(s.redis)
		eventually(t, "the disk is drained", s.drained)
	}
	s.ended()
	s.fired(kills, "kills")
	s.fired(s.spooled(), "hits spooled")
	l.more(10)
	l.stop()
	s.check(expected{})
}

// Redis comes back with nothing: what it alone had is lost, and every receipt of it is
// named; what was spooled or stored is not.
func TestF4_empty(t *testing.T) {
	t.Parallel()
	s := newScene(t, "F4", "Redis returns empty", options{})
	s.loses(func() {
		if _, err := s.try("ledger", "check"); err != nil {
			t.Errorf("before the loss: %v", err)
		}
	}, func(log string) {
		if err := os.RemoveAll(filepath.Dir(log)); err != nil {
			t.Fatal(err)
		}
	}, func(string) {})
}

// Redis comes back with an older state, from before some hits that no worker had read.
func TestF4_cut(t *testing.T) {
	t.Parallel()
	s := newScene(t, "F4", "Redis returns with its log cut before hits that nobody had read", options{})
	var size int64
	s.loses(func() {}, func(log string) { cutLog(t, log, (size+sizeOf(t, log))/2) }, func(log string) { size = sizeOf(t, log) })
}

// The same, from before batches that workers had stored and settled: what returns to the
// stream is stored already, and the terms of those batches count: the books are made anew.
func TestF4_cutBehindWorkers(t *testing.T) {
	t.Parallel()
	s := newScene(t, "F4", "Redis returns with its log cut before batches that were settled", options{})
	s.loses(func() {}, func(log string) { cutLog(t, log, sizeOf(t, log)/3) }, func(string) {})
}

func sizeOf(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

func cutLog(t *testing.T, log string, size int64) {
	t.Helper()
	if err := os.Truncate(log, size); err != nil {
		t.Fatal(err)
	}
}

// loses has Redis lose hits that no worker has read yet, while the edge goes on. alone
// is called when workers are gone, before when there are hits that they have not read.
func (s *scene) loses(before func(), damage, alone func(log string)) {
	s.t.Helper()
	l := s.load(pace{rate: 80})
	l.more(40)
	s.stopWorkers()
	logs, err := filepath.Glob(filepath.Join(s.dir, "redis", "appendonlydir", "*.incr.aof"))
	if err != nil || len(logs) != 1 {
		s.t.Fatalf("logs of Redis: %v, %v", logs, err)
	}
	alone(logs[0])
	l.more(80)
	before()
	s.redis.end(syscall.SIGKILL)
	damage(logs[0])
	eventually(s.t, "hits are kept on disk", func() bool { return s.spooled() > 0 })
	l.more(10)
	s.returns(s.redis)
	s.startWorkers()
	s.ended()
	l.more(40) // of the same epoch: the edge has not died
	l.stop()
	eventually(s.t, "lost hits are named", func() bool { return len(s.gaps()) > 0 })
	s.fired(len(s.gaps()), "hits named as lost")
	s.check(expected{loss: true})
	s.fired(s.row.lost, "acknowledged hits lost")
}

// Redis stands still for a moment: nothing is counted twice, although attempts that
// timed out arrive after all.
func TestF7(t *testing.T) {
	t.Parallel()
	s := newScene(t, "F7", "Redis stands still for 0.3 s and 2 s (long tier: 30 s)", options{})
	l := s.load(pace{rate: 80})
	stops := []time.Duration{300 * time.Millisecond, 2 * time.Second, 300 * time.Millisecond}
	if *long {
		stops = append(stops, 30*time.Second)
	}
	for _, pause := range stops {
		l.more(20)
		thaw := s.redis.freeze(t)
		time.Sleep(pause)
		thaw()
		l.more(20)
	}
	s.ended()
	s.fired(len(stops), "stops")
	s.fired(s.spooled(), "hits spooled")
	l.stop()
	s.check(expected{})
}

// Redis runs out of memory while workers are away: hits go to the edge's disk. When
// workers are back they make room, and everything returns by itself.
func TestF5(t *testing.T) {
	t.Parallel()
	s := newScene(t, "F5", "Redis out of memory (maxmemory, noeviction)", options{})
	client := s.redisClient()
	s.stopWorkers()
	if err := client.ConfigSet(t.Context(), "maxmemory", "6mb").Err(); err != nil {
		t.Fatal(err)
	}
	l := s.load(pace{rate: 80, padding: 12_000})
	eventually(t, "hits are kept on disk", func() bool { return s.spooled() > 50 })
	l.more(20)
	refusals := errorsOf(t.Context(), client, "errorstat_OOM")
	s.startWorkers()
	s.ended()
	eventually(t, "the disk is drained", s.drained)
	l.stop()
	s.fired(refusals, "writes refused")
	s.fired(s.spooled(), "hits spooled")
	s.check(expected{})
	if limit := client.ConfigGet(context.Background(), "maxmemory").Val()["maxmemory"]; limit == "0" {
		t.Error("the limit was lifted")
	}
}
