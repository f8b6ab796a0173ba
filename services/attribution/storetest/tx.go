package storetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/touchline/touchline/services/attribution/postgres"
)

// attempts bounds how often a transaction is run again, as package postgres does.
const attempts = 8

// tx is one transaction.
type tx struct {
	conn  Conn
	m     *Memory
	wrote map[any]any   // by table
	seen  map[any]any   // by table: of REPEATABLE READ, what there was when it began
	held  []any         // locks
	waits *queue        // of the lock it waits for
	done  chan struct{} // closed at its end
}

// run runs work in one transaction, again while others are in its way.
func (c Conn) run(ctx context.Context, snapshot bool, work func(x *tx) error) error {
	var err error
	for attempt := range attempts {
		if err = c.once(ctx, snapshot, work); !errors.Is(err, postgres.ErrConflict) {
			return err
		}
		select { // who was waited for goes first
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Millisecond << attempt):
		}
	}
	return err
}

func (c Conn) once(ctx context.Context, snapshot bool, work func(x *tx) error) error {
	if err := c.pass(ctx, "begin", nil); err != nil {
		return err
	}
	x := c.Memory.begin(c, snapshot)
	defer x.end()
	if err := work(x); err != nil {
		return err
	}
	var conflict error
	if err := c.pass(ctx, "commit", func() { conflict = x.commit() }); err != nil {
		return err
	}
	return conflict
}

func (m *Memory) begin(c Conn, snapshot bool) *tx {
	m.mu.Lock()
	defer m.mu.Unlock()
	x := &tx{conn: c, m: m, wrote: map[any]any{}, done: make(chan struct{})}
	if snapshot {
		x.seen = map[any]any{}
		for _, t := range m.all {
			x.seen[t] = t.snapshot()
		}
	}
	return x
}

// commit makes what was written seen, once. Done twice, or after its end, it does nothing.
func (x *tx) commit() error {
	x.m.mu.Lock()
	defer x.m.mu.Unlock()
	select {
	case <-x.done:
		return nil
	default:
	}
	for _, t := range x.m.all {
		if t.conflicts(x) {
			x.finish()
			return fmt.Errorf("a row was changed meanwhile: %w", postgres.ErrConflict)
		}
	}
	for _, t := range x.m.all {
		t.apply(x)
	}
	x.finish()
	return nil
}

// end rolls back what was not committed.
func (x *tx) end() {
	x.m.mu.Lock()
	defer x.m.mu.Unlock()
	x.finish()
}

// finish gives the locks back. The Memory is locked.
func (x *tx) finish() {
	select {
	case <-x.done:
		return
	default:
	}
	for _, key := range x.held {
		x.m.locks[key].release(x)
	}
	close(x.done)
}

// statement waits for its turn and runs do with the Memory locked.
func (x *tx) statement(ctx context.Context, name string, do func() error) error {
	if err := x.conn.pass(ctx, name, nil); err != nil {
		return err
	}
	x.m.mu.Lock()
	defer x.m.mu.Unlock()
	return do()
}

// lock takes the locks of rows, in order of their keys.
func lock[K comparable](ctx context.Context, x *tx, keys ...K) error {
	slices.SortFunc(keys, func(a, b K) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	for _, key := range keys {
		if err := x.acquire(ctx, key, true); err != nil {
			return err
		}
	}
	return nil
}

// lockAll takes the locks of all rows that match, also of those that come to match while
// it waits, and returns their keys.
func lockAll[K comparable, V any](ctx context.Context, x *tx, t *table[K, V], match func(K, *V) bool) ([]K, error) {
	for {
		keys := t.keys(x, match)
		before := len(x.held)
		if err := lock(ctx, x, keys...); err != nil {
			return nil, err
		}
		if len(x.held) == before {
			return keys, nil
		}
	}
}

// batchesKey names the lock of the whole table of batches.
type batchesKey struct{}

// write says that the transaction writes batches, for which it waits while they are held.
func (x *tx) write(ctx context.Context) error { return x.acquire(ctx, batchesKey{}, false) }

// holdBatches waits until nobody else writes batches, and keeps it so.
func (x *tx) holdBatches(ctx context.Context) error { return x.acquire(ctx, batchesKey{}, true) }
