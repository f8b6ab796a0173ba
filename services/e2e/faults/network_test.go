//go:build linux

package faults

import (
	"fmt"
	"testing"
)

// both puts a toxic on both directions of a proxy.
func (p *proxy) both(kind string, attributes map[string]any) (remove func()) {
	up, down := p.add(kind, "upstream", attributes), p.add(kind, "downstream", attributes)
	return func() { up(); down() }
}

// PostgreSQL is far away: half a second a statement. The edge does not notice.
func TestF10(t *testing.T) {
	t.Parallel()
	s := newScene(t, "F10", "PostgreSQL answers after 500 ms, 8 connections", options{
		proxied: true, workerEnv: []string{"TOUCHLINE_DATABASE_CONNS=8", "TOUCHLINE_DERIVE_PARALLEL=1"},
	})
	p := s.proxies["worker-postgres"]
	count, uncount := p.cut("upstream", cutToxic{})
	near := p.both("latency", map[string]any{"latency": 250})
	l := s.load(pace{rate: 30})
	l.more(30)
	eventually(t, "facts are stored all the same", func() bool { return s.count("select count(*) from fact") > 30 })
	near()
	uncount()
	s.ended()
	s.fired(int(count.met.Load()), "calls delayed")
	l.stop()
	s.unaffected(l)
	s.check(expected{})
}

// Connections break between what was done and the word that it was done.
func TestF12(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		how, proxy, direction string
		toxic                 cutToxic
	}{
		{"the connection breaks before COMMIT arrives", "worker-postgres", "upstream", cutToxic{Match: "commit\x00", At: 3, Every: 5}},
		{"the connection breaks after COMMIT, before its answer", "worker-postgres", "downstream", cutToxic{Match: "COMMIT\x00", At: 3, Every: 5}},
		{"every 41st answer of PostgreSQL breaks its connection", "worker-postgres", "downstream", cutToxic{At: 20, Every: 41}},
		{"every 9th answer of Redis to the worker breaks its connection", "worker-redis", "downstream", cutToxic{At: 9, Every: 9}},
		{"every 5th answer of Redis to the edge breaks its connection", "edge-redis", "downstream", cutToxic{At: 10, Every: 5}},
	} {
		s := newScene(t, "F12", c.how, options{proxied: true})
		l := s.load(pace{rate: 60})
		count, heal := s.proxies[c.proxy].cut(c.direction, c.toxic)
		cuts := int64(tier(4, 60))
		eventually(t, fmt.Sprintf("%d connections are cut", cuts), func() bool { return count.cut.Load() >= cuts })
		heal()
		s.ended()
		s.fired(int(count.cut.Load()), "connections cut")
		l.more(10)
		l.stop()
		s.check(expected{})
	}
}

// A line is down, or carries one direction only.
func TestF13(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"edge-redis", "worker-redis", "worker-postgres"} {
		s := newScene(t, "F13", line+" cut off: refused, and each direction silent", options{proxied: true})
		p := s.proxies[line]
		l := s.load(pace{rate: 50})
		for _, fault := range []func() (heal func()){
			func() func() { p.refuse(); return p.heal },
			func() func() { return p.add("timeout", "upstream", map[string]any{"timeout": 0}) },
			func() func() { return p.add("timeout", "downstream", map[string]any{"timeout": 0}) },
		} {
			l.more(10)
			heal := fault()
			l.more(10) // the edge acknowledges whichever line it is
			pause(tier(700, 30_000))
			heal()
		}
		s.ended()
		s.fired(3, "partitions")
		if line == "edge-redis" {
			s.fired(s.spooled(), "hits spooled")
		} else {
			s.unaffected(l)
		}
		l.more(10)
		l.stop()
		s.check(expected{})
	}
}

// All lines are bad at once, each in its way.
func TestF14(t *testing.T) {
	t.Parallel()
	s := newScene(t, "F14", "all lines: 64 kbit/s, sliced, slow to close, reset, cut after 20 kB", options{proxied: true})
	l := s.load(pace{rate: 15})
	for _, toxic := range []struct {
		kind       string
		attributes map[string]any
	}{
		{"bandwidth", map[string]any{"rate": 8}},
		{"slicer", map[string]any{"average_size": 64, "size_variation": 32, "delay": 100}},
		{"slow_close", map[string]any{"delay": 300}},
		{"reset_peer", map[string]any{"timeout": 500}},
		{"limit_data", map[string]any{"bytes": 20_000}},
	} {
		var pieces int64
		var heal []func()
		var counts []*cutCount
		for _, p := range s.proxies {
			count, uncount := p.cut("upstream", cutToxic{}) // before the toxic, which may let nothing through
			heal, counts = append(heal, p.both(toxic.kind, toxic.attributes), uncount), append(counts, count)
		}
		l.more(int64(tier(12, 200)))
		for _, h := range heal {
			h()
		}
		for _, c := range counts {
			pieces += c.met.Load()
		}
		s.fired(int(pieces), "pieces into "+toxic.kind)
	}
	s.ended()
	l.more(10)
	l.stop()
	s.check(expected{})
}

// The n-th call of a line fails, for every n of a short run (in the short tier a few),
// once before it arrives and once when its answer is due.
func TestF23(t *testing.T) {
	t.Parallel()
	s := newScene(t, "F23", "the n-th call fails, for n = 1, 2, 3 …", options{proxied: true})
	l := s.newLoad(pace{rate: 1})
	most := map[string]int{"edge-redis": tier(3, 10), "worker-redis": tier(6, 40), "worker-postgres": tier(12, 120)}
	step := map[string]int{"edge-redis": tier(2, 1), "worker-redis": tier(3, 1), "worker-postgres": tier(5, 1)}
	fired := 0
	for _, line := range []string{"edge-redis", "worker-redis", "worker-postgres"} {
		for n := 1; n <= most[line]; n += step[line] {
			for _, direction := range []string{"upstream", "downstream"} {
				count, heal := s.proxies[line].cut(direction, cutToxic{At: int64(n)})
				// What the worker does by itself is calls too: in the end it comes to n.
				eventually(t, fmt.Sprintf("call %d of %s fails", n, line), func() bool {
					l.begin(l.making.next())
					pause(30)
					return count.cut.Load() > 0
				})
				heal()
				fired++
			}
		}
	}
	s.ended()
	s.fired(fired, "calls failed")
	l.stop()
	s.check(expected{})
}
