package derive

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime/pprof"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
)

// Wake tells that a workspace has touched facts. It never blocks; a signal that is
// lost is made good by the next poll. Nothing is looked for: under load that is told many times
// a second. A workspace that is being derived is derived once more.
func (d *Deriver) Wake(workspace uuid.UUID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.running[workspace] {
		d.again[workspace] = true
		return
	}
	d.told[workspace] = true
	d.signal()
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
	pprof.Do(ctx, pprof.Labels("task", "look for touched facts"), func(ctx context.Context) {
		var looking sync.WaitGroup
		defer looking.Wait()
		looking.Go(func() { d.look(ctx, &under) })
		d.listen(ctx, &under)
	})
	return nil
}

// listen starts the derivation of workspaces that are told of until ctx ends. Those that rest, or
// that another process has, are tried again.
func (d *Deriver) listen(ctx context.Context, under *sync.WaitGroup) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.wake:
		case <-time.After(d.cfg.Poll):
		}
		for _, workspace := range d.waiting() {
			d.start(ctx, under, workspace)
		}
	}
}

// waiting returns the workspaces that were told of and not begun with since.
func (d *Deriver) waiting() []uuid.UUID {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Collect(maps.Keys(d.told))
}

// look starts the derivation of whatever the database knows of until ctx ends. It is what finds
// builds, and what processes have left that are gone.
func (d *Deriver) look(ctx context.Context, under *sync.WaitGroup) {
	for ctx.Err() == nil {
		begun := time.Now()
		workspaces, err := d.store.Workspaces(ctx)
		pause := pauseAfter(d.cfg.Poll, time.Since(begun))
		if err == nil {
			d.forget(workspaces)
		} else if ctx.Err() == nil {
			d.cfg.Log.Warn("look for touched facts", "error", err)
			pause = d.cfg.Jitter(time.Second)
		}
		for _, workspace := range workspaces {
			d.start(ctx, under, workspace)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

const (
	lookShare = 20          // of how much time one part at most goes into looking
	lookMost  = time.Second // between two looks, however long one takes
)

// pauseAfter is how long to wait after a look that took a time: it passes all rows that are dead
// and not yet vacuumed.
func pauseAfter(poll, took time.Duration) time.Duration {
	return max(poll, min(lookShare*took, lookMost))
}

// start derives a workspace in the background unless that is going on already.
func (d *Deriver) start(ctx context.Context, under *sync.WaitGroup, workspace uuid.UUID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.running[workspace] || d.cfg.Now().Before(d.rest[workspace]) {
		return
	}
	delete(d.told, workspace)
	d.running[workspace] = true
	under.Go(func() {
		d.slots <- struct{}{}
		var ours bool
		var err error
		pprof.Do(ctx, pprof.Labels("task", "derive", "workspace", workspace.String()), func(ctx context.Context) { ours, err = d.guarded(ctx, workspace) })
		<-d.slots
		d.finished(ctx, workspace, ours, err)
	})
}

// finished notes how a derivation ended; ours: this process had the lock.
func (d *Deriver) finished(ctx context.Context, workspace uuid.UUID, ours bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case !ours: // who has the lock may not have seen what was told of
		d.told[workspace] = true
	case d.again[workspace]:
		d.told[workspace] = true
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
func (d *Deriver) guarded(ctx context.Context, workspace uuid.UUID) (ours bool, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("derivation broke: %v", fault)
		}
	}()
	return d.derive(ctx, workspace)
}

// jitter spreads retries over [d/2, d + d/2), so that workers that failed together
// do not come back together.
func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d) }
