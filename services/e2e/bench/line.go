package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/touchline/touchline/services/e2e/bench/load"
	"github.com/touchline/touchline/services/e2e/bench/meter"
	"github.com/touchline/touchline/services/e2e/bench/report"
	"github.com/touchline/touchline/services/e2e/bench/system"
	"github.com/touchline/touchline/services/e2e/bench/traffic"
)

// backlogLimit is how long what is under way may be in coming, by its age and by what the line
// has done of late. Above, nothing more is sent: the line takes what it can, no more.
const backlogLimit = 1500 * time.Millisecond

const (
	// lookEvery is how often the backlog is looked at: counting it costs milliseconds.
	lookEvery = 250 * time.Millisecond
	// lately is the time over which the line's rate is taken; transactions take some seconds of it.
	lately = 4 * time.Second
)

// line measures everything at once: hits in, attribution rows current.
func (b *bench) line(ctx context.Context) ([]*report.Row, error) {
	var rows []*report.Row
	if b.wants("line") {
		side := &report.Side{Name: own}
		s, err := b.flow(ctx, b.lineRate, b.span(5*time.Minute, 4*time.Second), false)
		if err != nil {
			return nil, err
		}
		side.Samples = append(side.Samples, s)
		rows = append(rows, &report.Row{
			Name: "line", Unit: "facts", Mark: "at least 6,000 facts/s (aim: 12,000), oldest in flight under 3 s; worker under 256 MB", Candidate: side,
			Limits: []report.Limit{{Extra: "rate", Least: 6000}, {Extra: "oldest s at the end", Most: 3}, {Extra: "worker peak MB", Most: 256}},
		})
	}
	if b.wants("latency") {
		side := &report.Side{Name: own}
		s, err := b.flow(ctx, 1000, b.span(time.Minute, 4*time.Second), true)
		if err != nil {
			return nil, err
		}
		side.Samples = append(side.Samples, s)
		rows = append(rows, &report.Row{
			Name: "latency", Unit: "facts", Mark: "at 1,000 facts/s, p99 from acknowledgement to row under 1 s", Candidate: side,
			Limits: []report.Limit{{Extra: "p99 ms to row", Most: 1000}},
		})
	}
	return rows, nil
}

// flow sends the mix at a rate for a while.
func (b *bench) flow(ctx context.Context, rate float64, long time.Duration, follow bool) (report.Sample, error) {
	sys, err := b.start(ctx)
	if err != nil {
		return report.Sample{}, err
	}
	defer sys.Close()
	mix, _, err := b.mixed(ctx, sys, traffic.Cycle)
	if err != nil {
		return report.Sample{}, err
	}
	cycles := 1 + int(rate*long.Seconds())/traffic.Cycle
	mix.Begin, mix.Step, mix.Persons = time.Now(), time.Duration(traffic.Cycle/rate*float64(time.Second)), b.sized(100_000, 1000)
	requests := mix.Requests(cycles)
	if err := sys.StartWorker(ctx); err != nil {
		return report.Sample{}, err
	}
	f := &flow{sys: sys, requests: requests, begun: time.Now()}
	if follow {
		f.follower, err = newFollower(ctx, sys, &mix)
		if err != nil {
			return report.Sample{}, err
		}
		defer f.follower.close(ctx)
	}
	s, err := b.measure(ctx, measured{
		name: fmt.Sprintf("line at %.0f", rate), watched: sys.Watched(), profile: []*system.Process{sys.Tracking, sys.Worker},
		do: func(ctx context.Context) (float64, error) {
			return f.send(ctx, rate*float64(len(requests))/float64(cycles*traffic.Cycle), long)
		},
	})
	if err != nil {
		return s, err
	}
	peak, err := meter.Peak(sys.Worker.PID())
	if err != nil {
		return s, err
	}
	s.Extra["oldest s at the end"], s.Extra["worker peak MB"] = max(f.oldest.Seconds(), 0.001), float64(peak)/(1<<20)
	s.Extra["CPU s per 1,000"] = s.Total().Seconds() / s.Count * 1000
	if !follow {
		return s, nil
	}
	times, err := f.follower.wait(ctx)
	if err != nil {
		return s, err
	}
	s.Extra["p50 ms to row"], s.Extra["p99 ms to row"] = millis(times[len(times)/2]), millis(times[len(times)*99/100])
	return s, nil
}

// flow is a load whose backlog is watched.
type flow struct {
	sys      *system.System
	requests []load.Request
	begun    time.Time
	follower *follower

	accepted atomic.Int64  // facts acknowledged
	full     atomic.Bool   // the backlog is too much
	marks    []mark        // since the oldest fact under way
	past     []mark        // of late
	oldest   time.Duration // of what is under way, at the last look
}

// mark says how many facts had been acknowledged at a time, and how many were concluded from.
type mark struct {
	at             time.Time
	accepted, done int64
}

// send sends for a while and returns how many facts had been concluded from by then.
func (f *flow) send(ctx context.Context, rate float64, long time.Duration) (float64, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var group sync.WaitGroup
	watching, stop := context.WithCancel(ctx)
	group.Go(func() {
		if err := f.watch(watching); err != nil {
			cancel(err)
		}
	})
	_, err := load.Send(ctx, load.Plan{
		Addr: f.sys.Tracking.Addr, Conns: 16, Requests: f.requests, Times: 1, Rate: rate, For: long, Answered: f.answered, Hold: f.full.Load,
	})
	stop()
	group.Wait()
	if err != nil {
		return 0, err
	}
	if err := f.look(context.WithoutCancel(ctx)); err != nil {
		return 0, err
	}
	pending, err := f.pending(context.WithoutCancel(ctx))
	return float64(f.accepted.Load() - pending), err
}

func (f *flow) answered(n int) {
	f.accepted.Add(int64(f.requests[n].Items))
	if f.follower != nil {
		f.follower.acknowledged(n, time.Now())
	}
}

// watch looks at the backlog until ctx ends.
func (f *flow) watch(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := f.look(context.WithoutCancel(ctx)); err != nil {
			return err
		}
	}
}

// pending is how many facts are acknowledged and not concluded from.
func (f *flow) pending(ctx context.Context) (int64, error) {
	waiting, err := f.sys.InStreams(ctx)
	if err != nil {
		return 0, err
	}
	touched, err := f.sys.Count(ctx, "select count(*) from touched")
	return waiting + touched, err
}

// look tells the age of the oldest fact under way: since when as many have been
// acknowledged as are done now. Facts are concluded from in about their order.
func (f *flow) look(ctx context.Context) error {
	now := mark{at: time.Now(), accepted: f.accepted.Load()}
	pending, err := f.pending(ctx)
	if err != nil {
		return err
	}
	now.done = now.accepted - pending
	f.marks, f.past = append(f.marks, now), append(f.past, now)
	for len(f.marks) > 1 && f.marks[1].accepted <= now.done {
		f.marks = f.marks[1:]
	}
	f.oldest = 0
	if pending > 0 {
		f.oldest = now.at.Sub(f.marks[0].at)
	}
	f.full.Store(f.oldest > backlogLimit || f.tooMuch(now))
	return nil
}

// tooMuch says whether what is under way takes longer than backlogLimit at the rate of late.
func (f *flow) tooMuch(now mark) bool {
	for len(f.past) > 1 && now.at.Sub(f.past[1].at) >= lately {
		f.past = f.past[1:]
	}
	long := now.at.Sub(f.past[0].at)
	done := now.done - f.past[0].done
	return long >= lately && float64(now.accepted-now.done) > float64(done)*backlogLimit.Seconds()/long.Seconds()
}

// follower measures how long orders take from their acknowledgement to their row.
type follower struct {
	conn *pgx.Conn
	mix  *traffic.Mix
	sys  *system.System

	mu    sync.Mutex
	due   map[string]time.Time // acknowledged, without a row
	took  []time.Duration
	stop  context.CancelFunc
	ended chan struct{} // closed when it looks no more, why is in err
	err   error
}

// newFollower begins to look for rows.
func newFollower(ctx context.Context, sys *system.System, mix *traffic.Mix) (*follower, error) {
	conn, err := pgx.Connect(ctx, sys.Database)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	f := &follower{conn: conn, mix: mix, sys: sys, due: map[string]time.Time{}, stop: stop, ended: make(chan struct{})}
	go func() {
		f.err = f.run(ctx)
		close(f.ended)
	}()
	return f, nil
}

// followed is how many of a request's orders are looked for.
const followed = 10

func (f *follower) acknowledged(request int, at time.Time) {
	orders := f.mix.Orders(request)
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, order := range orders[:min(followed, len(orders))] {
		f.due["order:"+order] = at // the conversion's id
	}
}

// run looks each 10 ms.
func (f *follower) run(ctx context.Context) error {
	for {
		if err := f.look(ctx); err != nil && ctx.Err() == nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (f *follower) look(ctx context.Context) error {
	f.mu.Lock()
	orders := make([]string, 0, len(f.due))
	for order := range f.due {
		orders = append(orders, order)
	}
	f.mu.Unlock()
	if len(orders) == 0 {
		return nil
	}
	rows, err := f.conn.Query(ctx, `select conversion_id from conversion
		where workspace_id = $1 and version = (select max(version) from policy) and definition = 'purchase' and conversion_id = any($2) and superseded_at is null`,
		f.sys.Workspace, orders)
	if err != nil {
		return err
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	now := time.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, order := range found {
		f.took = append(f.took, now.Sub(f.due[order]))
		delete(f.due, order)
	}
	return err
}

// wait returns all times, in order of size, once every order has its row.
func (f *follower) wait(ctx context.Context) ([]time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		f.mu.Lock()
		left, took := len(f.due), slices.Clone(f.took)
		f.mu.Unlock()
		if left == 0 && len(took) > 0 {
			slices.Sort(took)
			return took, nil
		}
		select {
		case <-f.ended:
			return nil, f.err
		case <-ctx.Done():
			return nil, fmt.Errorf("%d orders never got a row", left)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (f *follower) close(ctx context.Context) {
	f.stop()
	<-f.ended
	_ = f.conn.Close(ctx)
}
