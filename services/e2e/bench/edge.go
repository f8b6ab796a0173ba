package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/touchline/touchline/services/e2e/bench/load"
	"github.com/touchline/touchline/services/e2e/bench/meter"
	"github.com/touchline/touchline/services/e2e/bench/report"
	"github.com/touchline/touchline/services/e2e/bench/system"
)

// door is one server under load.
type door struct {
	name     string
	process  *system.Process
	requests []load.Request
	conns    int
	byItem   bool // count items, not requests
	profile  []*system.Process
}

// edgeBench is what the rows of the edge share.
type edgeBench struct {
	*bench
	sys       *system.System
	reference *system.Process
	stream    string
	watched   []meter.Process // both servers and the generator
}

// edges measures the edge against a bare handler and a trial edge.
func (b *bench) edges(ctx context.Context) ([]*report.Row, error) {
	sys, err := b.start(ctx)
	if err != nil {
		return nil, err
	}
	defer sys.Close()
	e := &edgeBench{bench: b, sys: sys, stream: sys.Prefix + ":reference"}
	if e.watched, err = b.servers(ctx); err != nil {
		return nil, err
	}
	addr, err := system.FreeAddr()
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	if e.reference, err = system.Own(ctx, b.dir, addr, "/noop", self, "reference", addr, e.stream); err != nil {
		return nil, err
	}
	defer e.reference.Stop()
	var rows []*report.Row
	for _, row := range []struct {
		name    string
		measure func(context.Context) (*report.Row, error)
	}{{"edge-single", e.single}, {"edge-batch", e.batch}, {"webhook", e.webhook}} {
		if !b.wants(row.name) {
			continue
		}
		r, err := row.measure(ctx)
		if err != nil {
			return nil, err
		}
		r.Name = row.name
		rows = append(rows, r)
	}
	return rows, nil
}

// round measures doors in turn, as often as asked for, and empties the streams between.
func (e *edgeBench) round(ctx context.Context, unit string, doors []door) ([]*report.Side, error) {
	sides := make([]*report.Side, len(doors))
	for i := range doors {
		sides[i] = &report.Side{Name: doors[i].name}
	}
	for range e.rounds {
		for i := range doors {
			s, err := e.press(ctx, unit, &doors[i], 0)
			if err != nil {
				return nil, err
			}
			sides[i].Samples = append(sides[i].Samples, s)
		}
	}
	return sides, nil
}

// press loads a door for a while, at a rate or with 0 as hard as it takes.
func (e *edgeBench) press(ctx context.Context, unit string, d *door, rate float64) (report.Sample, error) {
	var result load.Result
	watched := append([]meter.Process{}, e.watched...)
	watched = append(watched, meter.Process{Name: d.process.Name, PID: d.process.PID()})
	s, err := e.measure(ctx, measured{
		name: unit + " " + d.name, watched: watched, profile: d.profile,
		do: func(ctx context.Context) (_ float64, err error) {
			for result.Requests == 0 && err == nil { // the short span may be over before a connection is there
				result, err = load.Send(ctx, load.Plan{
					Addr: d.process.Addr, Conns: d.conns, Requests: d.requests, Rate: rate, For: e.span(10*time.Second, 500*time.Millisecond),
				})
			}
			if d.byItem {
				return float64(result.Items), err
			}
			return float64(result.Requests), err
		},
	})
	if err != nil {
		return s, err
	}
	s.Extra["p50 ms"], s.Extra["p99 ms"] = millis(result.Quantile(0.5)), millis(result.Quantile(0.99))
	if err := e.sys.EmptyStreams(ctx); err != nil {
		return s, err
	}
	return s, e.sys.Redis.XTrimMaxLen(ctx, e.stream, 0).Err()
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// own is what touchline's own process is called in the table.
const own = "touchline"

func (e *edgeBench) single(ctx context.Context) (*report.Row, error) {
	singles := doors(e.sys).Singles(e.sized(50_000, 500))
	all := []door{
		{name: "bare Echo handler, 64 connections", process: e.reference, requests: []load.Request{load.Get("/noop")}, conns: 64},
		{name: "trial edge, 64 connections", process: e.reference, requests: singles, conns: 64},
		{name: own + ", 256 connections", process: e.sys.Tracking, requests: singles, conns: 256},
		{name: own + ", 64 connections", process: e.sys.Tracking, requests: singles, conns: 64, profile: []*system.Process{e.sys.Tracking}},
	}
	nginx, err := e.nginx(ctx)
	if err != nil {
		return nil, err
	}
	if nginx != nil {
		defer nginx.Stop()
		all = append([]door{{name: "nginx, a GIF, 64 connections", process: nginx, requests: []load.Request{load.Get("/")}, conns: 64}}, all...)
	}
	sides, err := e.round(ctx, "single", all)
	if err != nil {
		return nil, err
	}
	candidate, bare := sides[len(sides)-1], sides[len(sides)-4]
	for i := range candidate.Samples {
		s := &candidate.Samples[i]
		calm, err := e.press(ctx, "single at half the rate", &all[len(all)-1], s.Rate()/2)
		if err != nil {
			return nil, err
		}
		s.Extra["p99 ms at half"] = calm.Extra["p99 ms"]
		peak, err := meter.Peak(e.sys.Tracking.PID())
		if err != nil {
			return nil, err
		}
		s.Extra["peak MB"] = float64(peak) / (1 << 20)
	}
	others := slices.Concat(sides[:len(sides)-4], sides[len(sides)-3:len(sides)-1])
	return &report.Row{
		Unit: "requests", Mark: "at least 0.40 of the bare handler; p99 under 8 ms at half the rate; under 64 MB", Goal: 0.40,
		Candidate: candidate, Reference: bare, Others: others,
		Limits: []report.Limit{{Extra: "p99 ms at half", Most: 8}, {Extra: "peak MB", Most: 64}},
	}, nil
}

func (e *edgeBench) batch(ctx context.Context) (*report.Row, error) {
	batches := doors(e.sys).Batches(e.sized(2_000, 20))
	sides, err := e.round(ctx, "batch", []door{
		{name: "trial edge", process: e.reference, requests: batches, conns: 64, byItem: true},
		{name: own, process: e.sys.Tracking, requests: batches, conns: 64, byItem: true, profile: []*system.Process{e.sys.Tracking}},
	})
	if err != nil {
		return nil, err
	}
	return &report.Row{Unit: "events", Mark: "at least 0.9 of the trial edge", Goal: 0.9, Candidate: sides[1], Reference: sides[0]}, nil
}

func (e *edgeBench) webhook(ctx context.Context) (*report.Row, error) {
	batches, callbacks := doors(e.sys).Batches(e.sized(2_000, 20)), doors(e.sys).Callbacks(e.sized(10_000, 50))
	profile := []*system.Process{e.sys.Tracking}
	sides, err := e.round(ctx, "webhook", []door{
		{name: "batches of 100, 256 connections", process: e.sys.Tracking, requests: batches, conns: 256, byItem: true},
		{name: own + ", 256 connections", process: e.sys.Tracking, requests: callbacks, conns: 256, byItem: true},
		{name: "batches of 100, 64 connections", process: e.sys.Tracking, requests: batches, conns: 64, byItem: true},
		{name: own + ", 64 connections", process: e.sys.Tracking, requests: callbacks, conns: 64, byItem: true, profile: profile},
	})
	if err != nil {
		return nil, err
	}
	return &report.Row{
		Unit: "statuses", Mark: "at least 0.8 of the batch path per item", Goal: 0.8, Candidate: sides[3], Reference: sides[2], Others: sides[:2],
	}, nil
}

// nginx serves a GIF from memory, where nginx is installed; else it is nil.
func (e *edgeBench) nginx(ctx context.Context) (*system.Process, error) {
	path, err := exec.LookPath("nginx")
	if err != nil {
		e.say("nginx is not installed: left out")
		return nil, nil //nolint:nilerr // it is optional
	}
	addr, err := system.FreeAddr()
	if err != nil {
		return nil, err
	}
	config := fmt.Sprintf("pid nginx.pid; error_log stderr error; worker_processes auto; daemon off; master_process off;\nevents { worker_connections 1024; }\n"+
		"http { access_log off; keepalive_requests 100000000; client_body_temp_path nginx-body; proxy_temp_path nginx-proxy; fastcgi_temp_path nginx-fastcgi; "+
		"uwsgi_temp_path nginx-uwsgi; scgi_temp_path nginx-scgi;\nserver { listen %s; location / { empty_gif; } } }\n", addr)
	file := filepath.Join(e.dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, err
	}
	return system.Own(ctx, e.dir, addr, "/", path, "-p", e.dir, "-c", file)
}
