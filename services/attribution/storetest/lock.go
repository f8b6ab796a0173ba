package storetest

import (
	"context"
	"fmt"
	"slices"

	"github.com/touchline/touchline/services/attribution/postgres"
)

// queue is a lock and who waits for it: first come, first served, so that a simulation
// repeats itself.
type queue struct {
	alone  *tx
	shared []*tx
	line   []*request
}

// request is one who waits.
type request struct {
	x       *tx
	alone   bool
	granted chan struct{}
}

// acquire takes a lock, alone or with others, and waits for it. The Memory is locked, and
// unlocked meanwhile.
func (x *tx) acquire(ctx context.Context, key any, alone bool) error {
	q := x.m.locks[key]
	if q == nil {
		q = &queue{}
		x.m.locks[key] = q
	}
	if q.alone == x || !alone && slices.Contains(q.shared, x) {
		return nil
	}
	r := &request{x: x, alone: alone, granted: make(chan struct{})}
	q.line = append(q.line, r)
	q.serve()
	if !slices.Contains(q.line, r) {
		x.held = append(x.held, key)
		return nil
	}
	if err := x.await(ctx, q, r); err != nil {
		return err
	}
	x.held = append(x.held, key)
	return nil
}

// await waits for its turn.
func (x *tx) await(ctx context.Context, q *queue, r *request) error {
	leave := func() {
		q.line = slices.DeleteFunc(q.line, func(o *request) bool { return o == r })
		q.serve()
	}
	if q.blockedBy(x, map[*queue]bool{}) {
		leave()
		return fmt.Errorf("deadlock: %w", postgres.ErrConflict)
	}
	x.waits = q
	x.m.mu.Unlock()
	var err error
	select {
	case <-r.granted:
		err = x.conn.pass(ctx, "have a lock", nil) // of several that are let in at once one goes on at a time
	case <-ctx.Done():
		err = fmt.Errorf("wait for a lock: %w: %w", postgres.ErrUnavailable, ctx.Err())
	}
	x.m.mu.Lock()
	x.waits = nil
	select {
	case <-r.granted:
		if err != nil {
			q.release(x)
		}
	default:
		leave()
	}
	return err
}

// blockedBy says whether who has the lock, or is before the last in the line, waits for x.
func (q *queue) blockedBy(x *tx, seen map[*queue]bool) bool {
	if q == nil || seen[q] {
		return false
	}
	seen[q] = true
	before := slices.Clone(q.shared)
	if q.alone != nil {
		before = append(before, q.alone)
	}
	for _, r := range q.line {
		if r.x != x {
			before = append(before, r.x)
		}
	}
	for _, o := range before {
		if o == x && len(seen) > 1 || o != x && o.waits != q && o.waits.blockedBy(x, seen) {
			return true
		}
	}
	return false
}

// serve lets in who may come.
func (q *queue) serve() {
	for len(q.line) > 0 {
		r := q.line[0]
		others := slices.ContainsFunc(q.shared, func(o *tx) bool { return o != r.x })
		if q.alone != nil || r.alone && others {
			return
		}
		if r.alone {
			q.alone = r.x
		} else {
			q.shared = append(q.shared, r.x)
		}
		q.line = q.line[1:]
		close(r.granted)
	}
}

// release gives the lock back.
func (q *queue) release(x *tx) {
	if q.alone == x {
		q.alone = nil
	}
	q.shared = slices.DeleteFunc(q.shared, func(o *tx) bool { return o == x })
	q.serve()
}
