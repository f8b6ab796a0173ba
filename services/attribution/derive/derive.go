// Package derive draws conclusions from stored facts: it is the shell around the
// pure packages. What consume marked as touched is gathered with everything that
// can bear on it, the pure function derives it, and the differences to what the
// table holds are written.
//
// There is one writer per workspace (see Store.Exclusive), so two derivations never
// see half of each other's work, whatever the number of workers. A late fact, a
// change of identity and a new policy take the same path.
package derive

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/pprof"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/internal/hit"
)

// Config tunes a [Deriver]. The zero value of a field stands for its default.
type Config struct {
	Poll       time.Duration    // how often to look for work that no signal told of, a build to begin with; 50 ms, a guess
	BatchRows  int              // touched rows concluded from in one transaction; 5,000 (architecture.md)
	Small      int              // facts of a component up to which it is derived whole; larger ones by reach; default: all are derived whole
	Reach      int              // facts that the reach of a change may have; 10,000, a guess: above, all the person's are derived
	Device     int              // facts of a device of which a change reads all; 200, a guess
	WalkRows   int              // facts that a build walks in one transaction, up to twice as many of a large workspace; 10,000, a guess: rows of rollups are written once in each
	Apart      bool             // conclude from facts that bear on nothing yet without gathering their persons
	PlanFacts  int              // facts of all builds at hand up to which they are planned, 27 bytes each; 4,000,000: larger workspaces are walked with less knowledge
	StockFacts int              // facts that a build reads together before it walks them, unless they take over 32 MB; 100,000, a guess
	Lead       time.Duration    // how long a build, with the rest of its workspace, is left to the process that was at it; 2 s, a guess
	Hold       time.Duration    // how long the lock is kept when there is more to do; 1 s, so that publishing a policy need not wait longer
	Parallel   int              // workspaces derived side by side; 2
	Parts      int              // groups of persons derived side by side; 2
	Now        func() time.Time // the clock; time.Now
	Log        *slog.Logger     // slog.Default
	Observe    func(Pass)       // called after each committed transaction
	Point      func(string)     // called at before_ and after_derived, at the end of a build also at before_ and after_swap: where kill tests end the process

	// Jitter says how long a pause after a failure is; default a random half of it to one and a half.
	Jitter func(pause time.Duration) time.Duration
}

// Pass tells what one transaction did.
type Pass struct {
	Workspace uuid.UUID
	Touched   int            // rows concluded from
	Facts     int            // facts derived
	Changed   int            // conversions written
	Apart     map[string]int // of Touched, rows concluded from apart from their persons, by kind of fact
	Reached   int            // of Touched, rows of large persons concluded from by reach
	Refused   map[string]int // of Touched, rows of large persons concluded from whole, by why not by reach
	Swap      *Swap          // the end of a build; nil: it was none
	Took      time.Duration
}

func (p *Pass) refuse(why refusal, rows int) {
	if p.Refused == nil {
		p.Refused = make(map[string]int)
	}
	p.Refused[string(why)] += rows
}

func (c Config) withDefaults() Config {
	setDefault(&c.Poll, 50*time.Millisecond)
	setDefault(&c.BatchRows, 5000)
	setDefault(&c.Small, 1<<30)
	setDefault(&c.Reach, 10_000)
	setDefault(&c.Device, 200)
	setDefault(&c.WalkRows, 10_000)
	setDefault(&c.PlanFacts, 4_000_000)
	setDefault(&c.StockFacts, 100_000)
	setDefault(&c.Lead, 2*time.Second)
	setDefault(&c.Hold, time.Second)
	setDefault(&c.Parallel, 2)
	setDefault(&c.Parts, 2)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Jitter == nil {
		c.Jitter = jitter
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Point == nil {
		c.Point = func(string) {}
	}
	if c.Observe == nil {
		c.Observe = func(Pass) {}
	}
	return c
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Deriver derives whatever is touched, in all workspaces.
type Deriver struct {
	store Store
	cfg   Config
	name  uuid.UUID // of this process, to others
	wake  chan struct{}
	slots chan struct{}

	mu      sync.Mutex
	running map[uuid.UUID]bool
	again   map[uuid.UUID]bool      // those of running that were told of meanwhile
	rest    map[uuid.UUID]time.Time // a workspace whose derivation failed waits until then
	plans   map[uuid.UUID]*plan     // of workspaces with a build; each is touched by who has the workspace's lock
	reading map[uuid.UUID]bool      // those of plans of which something is read ahead
}

// New returns a Deriver over store.
func New(store Store, cfg Config) *Deriver {
	cfg = cfg.withDefaults()
	return &Deriver{
		store: store, cfg: cfg, name: uuid.New(),
		wake:    make(chan struct{}, 1),
		slots:   make(chan struct{}, cfg.Parallel),
		running: make(map[uuid.UUID]bool),
		again:   make(map[uuid.UUID]bool),
		rest:    make(map[uuid.UUID]time.Time),
		plans:   make(map[uuid.UUID]*plan),
		reading: make(map[uuid.UUID]bool),
	}
}

// Wake tells that a workspace has touched facts. It never blocks; a signal that is
// lost is made good by the next poll. While the workspace is being derived nothing needs to be
// looked for: under load that is told many times a second.
func (d *Deriver) Wake(workspace uuid.UUID) {
	d.mu.Lock()
	running := d.running[workspace]
	if running {
		d.again[workspace] = true
	}
	d.mu.Unlock()
	if !running {
		d.signal()
	}
}

func (d *Deriver) signal() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// Run derives until ctx ends, then waits for the transactions under way and
// returns nil. While the database is away it keeps trying. CPU profiles tell workspaces
// apart by the label "workspace".
func (d *Deriver) Run(ctx context.Context) error {
	var under sync.WaitGroup
	defer under.Wait()
	pprof.Do(ctx, pprof.Labels("task", "look for touched facts"), func(ctx context.Context) { d.look(ctx, &under) })
	return nil
}

// look starts the derivation of whatever is touched until ctx ends.
func (d *Deriver) look(ctx context.Context, under *sync.WaitGroup) {
	for {
		pause := d.cfg.Poll
		workspaces, err := d.store.Workspaces(ctx)
		if err != nil && ctx.Err() == nil {
			d.cfg.Log.Warn("look for touched facts", "error", err)
			pause = d.cfg.Jitter(time.Second)
		}
		if err == nil {
			d.forget(workspaces)
		}
		for _, workspace := range workspaces {
			d.start(ctx, under, workspace)
		}
		select {
		case <-ctx.Done():
			return
		case <-d.wake:
		case <-time.After(pause):
		}
	}
}

// start derives a workspace in the background unless that is going on already.
func (d *Deriver) start(ctx context.Context, under *sync.WaitGroup, workspace uuid.UUID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.running[workspace] || d.cfg.Now().Before(d.rest[workspace]) {
		return
	}
	d.running[workspace] = true
	under.Go(func() {
		d.slots <- struct{}{}
		var err error
		pprof.Do(ctx, pprof.Labels("task", "derive", "workspace", workspace.String()), func(ctx context.Context) { err = d.guarded(ctx, workspace) })
		<-d.slots
		d.finished(ctx, workspace, err)
	})
}

func (d *Deriver) finished(ctx context.Context, workspace uuid.UUID, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.again[workspace] {
		d.signal()
	}
	delete(d.again, workspace)
	delete(d.running, workspace)
	delete(d.rest, workspace)
	if err != nil && ctx.Err() == nil {
		d.rest[workspace] = d.cfg.Now().Add(d.cfg.Jitter(time.Second))
		d.cfg.Log.Error("derive", "workspace", workspace, "error", err)
	}
}

// guarded keeps a fault in one workspace from stopping the others.
func (d *Deriver) guarded(ctx context.Context, workspace uuid.UUID) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("derivation broke: %v", fault)
		}
	}()
	return d.Workspace(ctx, workspace)
}

// Workspace derives one workspace until nothing is touched and no build is under
// way, until another process turns out to have it, or until it has had the lock for
// as long as Config.Hold; what is left is the next round's.
func (d *Deriver) Workspace(ctx context.Context, workspace uuid.UUID) error {
	more := false
	_, err := d.store.Exclusive(ctx, workspace, func(s Session) (err error) {
		for until := d.cfg.Now().Add(d.cfg.Hold); d.cfg.Now().Before(until); {
			if more, err = d.pass(ctx, workspace, s); err != nil || !more {
				return err
			}
		}
		return nil
	})
	if more && err == nil {
		d.Wake(workspace)
	}
	return err
}

// pass does one transaction's work: touched facts first, then a step of a build.
func (d *Deriver) pass(ctx context.Context, workspace uuid.UUID, s Session) (more bool, err error) {
	begun := d.cfg.Now()
	cfg, known := d.plan(workspace)
	var ahead *stretch
	if known != nil {
		ahead = known.ahead
		ahead.settle() // before the snapshot
	}
	var done Pass
	var work step
	begin, kept := known, false
	defer func() { // also after a panic
		if !kept {
			work.ahead.abandon()
			work.plan.abandon()
			d.keep(workspace, nil) // the transaction may have taken place: then it does not say what did
		}
	}()
	err = s.Snapshot(ctx, func(tx Tx) error {
		work.abandon(begin) // a transaction before did not take place
		if work.split {
			begin = nil // but its messages may be there: what is fresh is found out again
		}
		work = step{
			cfg: cfg, tx: tx, name: d.name, workspace: workspace, plan: begin, concluded: make(map[int32]bool), done: Pass{Workspace: workspace},
			beside: d.reader(workspace),
		}
		more, err = work.run(ctx)
		done = work.done
		d.cfg.Point("before_derived")
		if done.Swap != nil {
			d.cfg.Point("before_swap")
		}
		return err
	})
	if err != nil {
		return false, err
	}
	left := work.after()
	if left == nil {
		work.ahead.abandon()
		work.plan.abandon() // also one that was drawn just now
	}
	d.keep(workspace, left)
	kept = true
	d.cfg.Point("after_derived")
	if done.Swap != nil {
		d.cfg.Point("after_swap")
		d.tell(workspace, *done.Swap)
	}
	done.Took = d.cfg.Now().Sub(begun)
	d.cfg.Observe(done)
	return more, nil
}

// reader reads facts of a workspace.
func (d *Deriver) reader(workspace uuid.UUID) reader {
	return reader{
		load: func(ctx context.Context, keys []uuid.UUID) ([]hit.Fact, error) {
			return d.store.Load(ctx, workspace, keys)
		},
		stock: func(ctx context.Context, keys []uuid.UUID, most int) (Stock, error) {
			return d.store.Stock(ctx, workspace, keys, most)
		},
	}
}

// plan returns the plan of a workspace's build, if there is one, and the settings that
// leave room for the others'.
func (d *Deriver) plan(workspace uuid.UUID) (Config, *plan) {
	d.mu.Lock()
	defer d.mu.Unlock()
	cfg := d.cfg
	for of, p := range d.plans {
		if of != workspace {
			cfg.PlanFacts -= len(p.keys)
		}
	}
	return cfg, d.plans[workspace]
}

// keep remembers a workspace's plan; nil: there is none.
func (d *Deriver) keep(workspace uuid.UUID, p *plan) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if old := d.plans[workspace]; old != p {
		d.drop(workspace)
	}
	if p == nil {
		return
	}
	d.plans[workspace] = p
	delete(d.reading, workspace)
	if p.ahead == nil && p.supply == nil {
		return
	}
	if len(d.reading) >= d.cfg.Parallel { // what is read ahead stays in memory while it waits for its turn
		p.abandon()
		p.ahead, p.supply = nil, nil
		return
	}
	d.reading[workspace] = true
}

// drop gives up a plan, if there is one. The lock is held.
func (d *Deriver) drop(workspace uuid.UUID) {
	if p := d.plans[workspace]; p != nil {
		p.abandon()
		delete(d.plans, workspace)
		delete(d.reading, workspace)
	}
}

// forget gives up the plans of workspaces that have no build any more. All that have one
// are among those with something to do.
func (d *Deriver) forget(busy []uuid.UUID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for workspace := range d.plans {
		if !d.running[workspace] && !slices.Contains(busy, workspace) {
			d.drop(workspace)
		}
	}
}

// tell logs the end of a build, loudly when a recompute found the table wrong.
func (d *Deriver) tell(workspace uuid.UUID, s Swap) {
	log, what := d.cfg.Log.Info, "policy version in force"
	switch {
	case s.Recompute && s.Differences > 0:
		log, what = d.cfg.Log.Error, "recompute differs from the table"
	case s.Recompute:
		what = "recompute equals the table"
	}
	log(what, "workspace", workspace, "version", s.Version, "live", s.Live, "against", s.Against, "differences", s.Differences)
}

// jitter spreads retries over [d/2, d + d/2), so that workers that failed together
// do not come back together.
func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d) }
