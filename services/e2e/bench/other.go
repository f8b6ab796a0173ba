package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"time"

	"github.com/touchline/touchline/services/e2e/bench/load"
	"github.com/touchline/touchline/services/e2e/bench/report"
	"github.com/touchline/touchline/services/e2e/bench/system"
	"github.com/touchline/touchline/services/e2e/bench/traffic"
)

// credit runs the Go benchmark of the function that divides a conversion.
func (b *bench) credit(ctx context.Context) ([]*report.Row, error) {
	side := &report.Side{Name: own}
	for range b.rounds {
		cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^BenchmarkAssign$", "-benchmem",
			"-benchtime", b.span(time.Second, 50*time.Millisecond).String(), "github.com/touchline/touchline/services/attribution/credit")
		var faults bytes.Buffer
		cmd.Stderr = &faults
		out, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("%w: %s%s", err, out, &faults)
		}
		s, err := parseBenchmark(out)
		if err != nil {
			return nil, err
		}
		b.say("credit: %.2f µs a conversion, %.0f allocations", s.Extra["µs"], s.Extra["allocations"])
		side.Samples = append(side.Samples, s)
	}
	return []*report.Row{{
		Name: "credit", Unit: "conversions", Mark: "under 5 µs with 10 touchpoints and six models; no allocation beyond its result", Candidate: side,
		Limits: []report.Limit{{Extra: "µs", Most: 5}},
	}}, nil
}

// parseBenchmark reads the line of one benchmark run with -benchmem.
func parseBenchmark(out []byte) (report.Sample, error) {
	found := regexp.MustCompile(`(?m)^Benchmark\S+\s+(\d+)\s+([\d.]+) ns/op.*\s(\d+) B/op\s+(\d+) allocs/op`).FindSubmatch(out)
	if found == nil {
		return report.Sample{}, fmt.Errorf("no result of a benchmark in %q", out)
	}
	var n [4]float64
	for i := range n {
		n[i], _ = strconv.ParseFloat(string(found[i+1]), 64) // digits, by the expression
	}
	return report.Sample{
		Count: n[0], Wall: time.Duration(n[0] * n[1]),
		Extra: map[string]float64{"µs": n[1] / 1000, "bytes": n[2], "allocations": n[3]},
	}, nil
}

// growth measures what a fact costs in a small and in a ten times larger database: all
// CPU time, from the hit to its row. Each person has as many facts in both.
func (b *bench) growth(ctx context.Context) ([]*report.Row, error) {
	sys, err := b.start(ctx)
	if err != nil {
		return nil, err
	}
	defer sys.Close()
	mix, _, err := b.mixed(ctx, sys, traffic.Cycle)
	if err != nil {
		return nil, err
	}
	if err := sys.StartWorker(ctx); err != nil {
		return nil, err
	}
	g := &growing{bench: b, sys: sys, mix: mix}
	small, large := &report.Side{Name: "at the first size"}, &report.Side{Name: own + ", ten times that"}
	base := b.sized(b.options.growth, traffic.Cycle) / traffic.Cycle
	for _, at := range []struct {
		side   *report.Side
		cycles int
	}{{small, base}, {large, 10 * base}} {
		if err := g.grow(ctx, at.cycles); err != nil {
			return nil, err
		}
		for range b.rounds {
			s, err := g.more(ctx, max(1, base/20))
			if err != nil {
				return nil, err
			}
			facts, err := sys.Count(ctx, "select count(*) from fact")
			if err != nil {
				return nil, err
			}
			s.Extra["facts"] = float64(facts)
			at.side.Samples = append(at.side.Samples, s)
		}
	}
	return []*report.Row{{
		Name: "growth", Unit: "facts", Mark: "a fact costs at most 1.3 times as much CPU (the CPU ratio)", Goal: 1.3, AtMost: true, ByCost: true,
		Candidate: large, Reference: small,
	}}, nil
}

// growing is a database that gets larger.
type growing struct {
	*bench
	sys    *system.System
	mix    traffic.Mix
	cycles int // sent so far
}

// perPerson is how many facts a person has.
const perPerson = 10

// next are the requests of the next cycles. Those that fill the database are of persons of
// their own, ten facts each; those that are measured are of anybody so far.
func (g *growing) next(cycles int, anybody bool) []load.Request {
	m := g.mix
	m.First, m.Begin = g.cycles, g.mix.Begin.Add(time.Duration(g.cycles)*time.Second)
	m.Step = time.Second
	m.From, m.Persons = g.cycles*traffic.Cycle/perPerson, cycles*traffic.Cycle/perPerson
	if anybody {
		m.From, m.Persons = 0, m.From
	}
	g.cycles += cycles
	return m.Requests(cycles)
}

// grow fills up to a number of cycles, a piece at a time for the sake of memory.
func (g *growing) grow(ctx context.Context, cycles int) error {
	for g.cycles < cycles {
		if _, err := fill(ctx, g.sys, g.next(min(50, cycles-g.cycles), false)); err != nil {
			return err
		}
		if err := g.sys.Settled(ctx); err != nil {
			return err
		}
	}
	_, err := g.sys.Conn.Exec(ctx, "analyze")
	return err
}

// more measures some cycles more.
func (g *growing) more(ctx context.Context, cycles int) (report.Sample, error) {
	requests := g.next(cycles, true)
	return g.measure(ctx, measured{
		name: fmt.Sprintf("growth at %d facts", g.cycles*traffic.Cycle), watched: g.sys.Watched(), profile: []*system.Process{g.sys.Worker},
		do: func(ctx context.Context) (float64, error) {
			n, err := fill(ctx, g.sys, requests)
			if err != nil {
				return 0, err
			}
			return float64(n), g.sys.Settled(ctx)
		},
	})
}

// regular measures one new fact of a person who has very many: now, when few are in its
// reach, and an order in the middle of the year, from which on many are.
func (b *bench) regular(ctx context.Context) ([]*report.Row, error) {
	sys, err := b.start(ctx)
	if err != nil {
		return nil, err
	}
	defer sys.Close()
	person := &traffic.Regular{Doors: doors(sys), Facts: b.sized(50_000, 500), Begin: time.Now().Add(-366 * 24 * time.Hour)}
	if _, err := fill(ctx, sys, person.Requests()); err != nil {
		return nil, err
	}
	if err := sys.StartWorker(ctx); err != nil {
		return nil, err
	}
	if err := sys.Settled(ctx); err != nil {
		return nil, err
	}
	if _, err := sys.Conn.Exec(ctx, "vacuum (analyze)"); err != nil {
		return nil, err
	}
	now, late := &report.Side{Name: own + ", a page view now"}, &report.Side{Name: own + ", an order half a year ago"}
	for n := range 3 * b.rounds {
		for _, fresh := range []struct {
			side    *report.Side
			request load.Request
		}{
			{now, person.View(n, time.Now())},
			{late, person.Buy(n, time.Now().Add(-180*24*time.Hour).Add(time.Duration(n)*time.Minute))},
		} {
			s, err := b.measure(ctx, measured{name: "regular", watched: sys.Watched(), profile: nil, do: func(ctx context.Context) (float64, error) {
				if _, err := fill(ctx, sys, []load.Request{fresh.request}); err != nil {
					return 0, err
				}
				return 1, sys.Settled(ctx)
			}})
			if err != nil {
				return nil, err
			}
			s.Extra["ms"] = millis(s.Wall)
			fresh.side.Samples = append(fresh.side.Samples, s)
		}
	}
	rows := []*report.Row{
		{Name: "regular-now", Unit: "facts", Mark: "under 50 ms with at most 2,000 facts in reach", Candidate: now, Limits: []report.Limit{{Extra: "ms", Most: 50}}},
		{Name: "regular-late", Unit: "facts", Mark: "under 500 ms otherwise", Candidate: late, Limits: []report.Limit{{Extra: "ms", Most: 500}}},
	}
	return rows, nil
}
