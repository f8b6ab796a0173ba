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
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/internal/hit"
)

// Config tunes a [Deriver]. The zero value of a field stands for its default.
type Config struct {
	Poll      time.Duration    // how often to look for work that no signal told of, a build to begin with, less often where looking takes long; 50 ms, a guess
	BatchRows int              // touched rows concluded from in one transaction; 5,000 (architecture.md)
	Small     int              // facts of a component up to which it is derived whole; larger ones by reach; default: all are derived whole
	Reach     int              // facts that the reach of a change may have; 10,000, a guess: above, all the person's are derived
	Device    int              // facts of a device of which a change reads all; 200, a guess
	WalkRows  int              // facts that a build walks in one transaction, up to twice as many of a large workspace; 10,000, a guess: rows of rollups are written once in each
	Apart     bool             // conclude from facts that bear on nothing yet without gathering their persons
	PlanFacts int              // facts of all builds at hand up to which they are planned, 27 bytes each, 35 while they are kept to be taken from stock; 4,000,000: larger workspaces are walked with less knowledge
	Lead      time.Duration    // how long a build, with the rest of its workspace, is left to the process that was at it; 2 s, a guess
	Hold      time.Duration    // how long the lock is kept when there is more to do; 1 s, so that publishing a policy need not wait longer
	Parallel  int              // workspaces derived side by side; 2
	Parts     int              // groups of persons derived side by side; 2
	Now       func() time.Time // the clock; time.Now
	Log       *slog.Logger     // slog.Default
	Observe   func(Pass)       // called after each committed transaction
	Point     func(string)     // called at before_ and after_derived, at the end of a build also at before_ and after_swap: where kill tests end the process

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
	told    map[uuid.UUID]bool      // have touched facts, it was said
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
		told:    make(map[uuid.UUID]bool),
		again:   make(map[uuid.UUID]bool),
		rest:    make(map[uuid.UUID]time.Time),
		plans:   make(map[uuid.UUID]*plan),
		reading: make(map[uuid.UUID]bool),
	}
}

// Workspace derives one workspace until nothing is touched and no build is under
// way, until another process turns out to have it, or until it has had the lock for
// as long as Config.Hold; what is left is the next round's.
func (d *Deriver) Workspace(ctx context.Context, workspace uuid.UUID) error {
	_, err := d.derive(ctx, workspace)
	return err
}

// derive is Workspace; ours: this process had the lock.
func (d *Deriver) derive(ctx context.Context, workspace uuid.UUID) (ours bool, err error) {
	more := false
	ours, err = d.store.Exclusive(ctx, workspace, func(s Session) (err error) {
		held := time.Now().Add(d.cfg.Hold) // until when others wait, whatever clock the settings have
		for until := d.cfg.Now().Add(d.cfg.Hold); d.cfg.Now().Before(until); {
			if more, err = d.pass(ctx, workspace, s, held); err != nil || !more {
				return err
			}
		}
		return nil
	})
	if more && err == nil {
		d.Wake(workspace)
	}
	return ours, err
}

// pass does one transaction's work: touched facts first, then a step of a build. It waits no
// longer than that for what the step would write.
func (d *Deriver) pass(ctx context.Context, workspace uuid.UUID, s Session, held time.Time) (more bool, err error) {
	begun := d.cfg.Now()
	cfg, known, crowded := d.plan(workspace)
	var late *stretch
	if known != nil && !known.ahead.settle(ctx, time.Until(held)) { // before the snapshot
		late = known.ahead
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
			beside: d.reader(workspace), late: late, crowded: crowded,
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
		names: func(ctx context.Context, v Version, digests, devices []uuid.UUID) (Current, error) {
			return d.store.Names(ctx, workspace, v, digests, devices)
		},
		stock: func(ctx context.Context, keys []uuid.UUID, place func(uuid.UUID) int32) (Stock, error) {
			return d.store.Stock(ctx, workspace, keys, place)
		},
	}
}

// plan returns the plan of a workspace's build, if there is one, the settings that leave room
// for the others', and whether these have all places of what is read ahead.
func (d *Deriver) plan(workspace uuid.UUID) (cfg Config, known *plan, crowded bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	cfg = d.cfg
	for of, p := range d.plans {
		if of != workspace {
			cfg.PlanFacts -= len(p.keys)
		}
	}
	return cfg, d.plans[workspace], !d.reading[workspace] && len(d.reading) >= d.cfg.Parallel
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
