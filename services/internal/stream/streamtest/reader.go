package streamtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/internal/stream"
)

// Reader is [stream.Reader] over a Memory: each of its methods makes the same commands
// in the same order, so that any of them may fail.
type Reader struct {
	conn     Conn
	consumer uuid.UUID
	recover  stream.Recover
	lost     atomic.Int64

	mu      sync.Mutex
	cursors []cursor
}

// cursor is where a reader stands in one shard.
type cursor struct {
	last    id   // of the last entry that Read returned
	pending bool // own pending entries behind last may exist
	claim   id   // where the next Claim goes on
}

// NewReader returns a reader; begin may be nil.
func NewReader(conn Conn, consumer uuid.UUID, begin stream.Recover) *Reader {
	r := &Reader{conn: conn, consumer: consumer, recover: begin, cursors: make([]cursor, len(conn.Memory.shards))}
	for i := range r.cursors {
		r.cursors[i].pending = true
	}
	return r
}

// Consumer is as of [stream.Reader].
func (r *Reader) Consumer() uuid.UUID { return r.consumer }

// Lost is as of [stream.Reader].
func (r *Reader) Lost() int64 { return r.lost.Load() }

func (r *Reader) cursor(number int) cursor {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cursors[number]
}

func (r *Reader) move(number int, change func(*cursor)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.cursors[number])
}

// ask runs a command over a shard; what it returns are the answers of the server.
func (r *Reader) ask(ctx context.Context, what string, number int, command func(s *shard, now time.Time) error) error {
	if number < 0 || number >= len(r.cursors) {
		return fmt.Errorf("shard %d of %d", number, len(r.cursors))
	}
	var answer error
	err := r.conn.do(ctx, fmt.Sprintf("%s %d by %s", what, number, r.consumer), func() {
		answer = command(r.conn.Memory.shards[number], r.conn.Memory.now())
	})
	if err == nil {
		err = answer
	}
	if err != nil {
		return fmt.Errorf("%s of shard %d: %w", what, number, err)
	}
	return nil
}

// Read is as of [stream.Reader].
func (r *Reader) Read(ctx context.Context, number int, limit int64, block time.Duration) ([]stream.Entry, error) {
	if number < 0 || number >= len(r.cursors) {
		return nil, fmt.Errorf("shard %d of %d", number, len(r.cursors))
	}
	if r.cursor(number).pending {
		entries, err := r.readOwn(ctx, number, limit)
		if err != nil || len(entries) > 0 {
			return entries, err
		}
		r.move(number, func(c *cursor) { c.pending = false })
	}
	until := time.NewTimer(max(0, block))
	defer until.Stop()
	for {
		arrived := r.conn.Memory.wait()
		entries, err := r.readFresh(ctx, number, limit)
		if err != nil || len(entries) > 0 || block <= 0 {
			return entries, err
		}
		select { // of several that are ready none by chance: runs are to repeat
		case <-until.C:
			return nil, ctx.Err()
		default:
		}
		select {
		case <-arrived:
		case <-until.C:
			return nil, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		select { // of two that came at one instant the end is first: a run can be repeated
		case <-until.C:
			return nil, nil
		default:
		}
	}
}

// wait returns what is closed at the next append.
func (m *Memory) wait() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.arrived
}

// readFresh reads what nobody had, and creates a missing group.
func (r *Reader) readFresh(ctx context.Context, number int, limit int64) ([]stream.Entry, error) {
	var list []message
	read := func() error {
		return r.ask(ctx, "read", number, func(s *shard, now time.Time) (err error) {
			list, err = s.fresh(r.consumer, limit, now)
			return err
		})
	}
	if err := r.readWith(ctx, number, read); err != nil {
		return nil, err
	}
	return r.accept(ctx, number, list, true)
}

// readOwn reads what this consumer had been given.
func (r *Reader) readOwn(ctx context.Context, number int, limit int64) ([]stream.Entry, error) {
	var list []message
	behind := r.cursor(number).last
	read := func() error {
		return r.ask(ctx, "read again", number, func(s *shard, now time.Time) (err error) {
			list, err = s.own(r.consumer, behind, limit, now)
			return err
		})
	}
	if err := r.readWith(ctx, number, read); err != nil {
		return nil, err
	}
	return r.accept(ctx, number, list, false)
}

// readWith repeats a reading once when the group had to be created.
func (r *Reader) readWith(ctx context.Context, number int, read func() error) error {
	err := read()
	if errors.Is(err, errNoGroup) {
		if err = r.createGroup(ctx, number); err != nil {
			return err
		}
		err = read()
	}
	if err != nil {
		r.move(number, func(c *cursor) { c.pending = true })
	}
	return err
}

func (r *Reader) accept(ctx context.Context, number int, list []message, fresh bool) ([]stream.Entry, error) {
	entries, gone := r.entries(number, list)
	if !fresh {
		if err := r.count(ctx, number, entries); err != nil {
			return nil, err
		}
	}
	if err := r.bury(ctx, number, gone); err != nil {
		return nil, err
	}
	if n := len(list); n > 0 {
		r.move(number, func(c *cursor) { c.last = list[n-1].id })
	}
	if len(entries) == 0 && len(gone) > 0 {
		return r.readOwn(ctx, number, int64(len(list)))
	}
	return entries, nil
}

// entries turns messages into entries; gone are those that were deleted.
func (r *Reader) entries(number int, list []message) (entries []stream.Entry, gone []id) {
	for _, m := range list {
		if m.entry == nil {
			gone = append(gone, m.id)
			continue
		}
		entries = append(entries, newEntry(number, *m.entry))
	}
	return entries, gone
}

// newEntry is an entry as a reader gives it.
func newEntry(number int, from entry) stream.Entry {
	e := stream.Entry{ID: from.id.String(), Shard: number, Field: from.field, Payload: []byte(from.payload), Deliveries: 1}
	if epoch, err := uuid.Parse(from.epoch); err == nil && from.number > 0 {
		e.Receipt = hit.Receipt{Epoch: epoch, Shard: number, Number: from.number}
	}
	if hour, err := strconv.ParseInt(from.hour, 10, 64); err == nil && hour >= 0 && len(from.field) == accountLen-1 {
		e.Hour = time.Unix(hour*3600, 0).UTC()
	}
	return e
}

func (r *Reader) createGroup(ctx context.Context, number int) error {
	if err := r.begin(ctx, number); err != nil {
		return err
	}
	err := r.ask(ctx, "create the group", number, func(s *shard, _ time.Time) error {
		if s.group == nil {
			s.group = newGroup()
		}
		return nil
	})
	r.move(number, func(c *cursor) { c.claim = id{} })
	return err
}

// begin starts books that were lost.
func (r *Reader) begin(ctx context.Context, number int) error {
	if r.recover == nil {
		return nil
	}
	begun := false
	err := r.ask(ctx, "look whether the books are begun", number, func(s *shard, _ time.Time) error {
		begun = s.books["begun"] == 1
		return nil
	})
	if err != nil || begun {
		return err
	}
	return r.recover(ctx, number, func(seed stream.Seed) error {
		return r.ask(ctx, "begin the books", number, func(s *shard, now time.Time) error {
			s.seed(seed, false, now)
			return nil
		})
	})
}

// Claim is as of [stream.Reader].
func (r *Reader) Claim(ctx context.Context, number int, minIdle time.Duration, limit int64) ([]stream.Entry, error) {
	var list []message
	var next id
	var deleted []id
	asked := claim{r.consumer, minIdle, r.cursor(number).claim, limit}
	err := r.ask(ctx, "claim", number, func(s *shard, now time.Time) (err error) {
		list, next, deleted, err = s.autoClaim(asked, now)
		return err
	})
	if errors.Is(err, errNoGroup) {
		return nil, r.createGroup(ctx, number)
	}
	if err != nil {
		return nil, err
	}
	r.move(number, func(c *cursor) { c.claim = next })
	entries, gone := r.entries(number, list)
	if err := r.bury(ctx, number, append(gone, deleted...)); err != nil {
		return nil, err
	}
	return entries, r.count(ctx, number, entries)
}

// count sets how often entries were delivered.
func (r *Reader) count(ctx context.Context, number int, entries []stream.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	return r.ask(ctx, "count deliveries", number, func(s *shard, _ time.Time) error {
		for i := range entries {
			if s.group == nil {
				return errNoGroup
			}
			if p := s.group.pending[parseID(entries[i].ID)]; p != nil {
				entries[i].Deliveries = p.count
			}
		}
		return nil
	})
}

// Recount is as of [stream.Reader].
func (r *Reader) Recount(ctx context.Context, number int, deliveries int64, entries ...string) error {
	if len(entries) == 0 {
		return nil
	}
	return r.ask(ctx, "recount", number, func(s *shard, now time.Time) error {
		return s.recount(r.consumer, ids(entries), deliveries, now)
	})
}

func ids(entries []string) []id {
	list := make([]id, len(entries))
	for i, text := range entries {
		list[i] = parseID(text)
	}
	return list
}

// bury counts entries that were deleted before they were settled.
func (r *Reader) bury(ctx context.Context, number int, gone []id) error {
	if len(gone) == 0 {
		return nil
	}
	r.lost.Add(int64(len(gone)))
	return r.ask(ctx, "acknowledge what is lost", number, func(s *shard, _ time.Time) error {
		for _, at := range gone {
			s.group.drop(at)
		}
		return nil
	})
}

// Holders is as of [stream.Reader]; the order is that of the names.
func (r *Reader) Holders(ctx context.Context, number int) (holders []uuid.UUID, err error) {
	err = r.ask(ctx, "list consumers", number, func(s *shard, _ time.Time) error {
		holders = nil
		if s.group == nil {
			return nil
		}
		for _, p := range s.group.pending {
			if p.consumer != r.consumer && !slices.Contains(holders, p.consumer) {
				holders = append(holders, p.consumer)
			}
		}
		slices.SortFunc(holders, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
		return nil
	})
	return holders, err
}

// Inherit is as of [stream.Reader].
func (r *Reader) Inherit(ctx context.Context, number int, dead uuid.UUID, limit int64) ([]stream.Entry, error) {
	var held []id
	err := r.ask(ctx, "list what a consumer held", number, func(s *shard, _ time.Time) error {
		if s.group == nil {
			return nil
		}
		held = s.group.list(dead)
		held = held[:min(int64(len(held)), limit)]
		return nil
	})
	if err != nil || len(held) == 0 {
		return nil, err
	}
	var list []message
	err = r.ask(ctx, "inherit", number, func(s *shard, now time.Time) (err error) {
		list, err = s.take(r.consumer, held, now)
		return err
	})
	if err != nil {
		return nil, err
	}
	entries, _ := r.entries(number, list)
	return entries, r.count(ctx, number, entries)
}

// Settle is as of [stream.Reader].
func (r *Reader) Settle(ctx context.Context, b stream.Batch) error {
	if len(b.Entries) != len(b.Fields) {
		return fmt.Errorf("settle batch %d: %d entries with %d fields", b.Number, len(b.Entries), len(b.Fields))
	}
	return r.ask(ctx, "settle", b.Shard, func(s *shard, _ time.Time) error { return s.settle(b) })
}

// Forget is as of [stream.Reader].
func (r *Reader) Forget(ctx context.Context, number int, idle time.Duration) (removed int, err error) {
	err = r.ask(ctx, "forget consumers", number, func(s *shard, now time.Time) error {
		removed = 0
		if s.group == nil {
			return nil
		}
		for name, seen := range s.group.consumers {
			if name != r.consumer && now.Sub(seen) >= idle && len(s.group.list(name)) == 0 {
				delete(s.group.consumers, name)
				removed++
			}
		}
		return nil
	})
	return removed, err
}

// Oldest is as of [stream.Reader].
func (r *Reader) Oldest(ctx context.Context, number int) (lag stream.Lag, err error) {
	err = r.ask(ctx, "measure the lag", number, func(s *shard, now time.Time) error {
		lag = stream.Lag{Length: int64(len(s.entries))}
		if len(s.entries) > 0 {
			lag.Oldest = max(0, time.Duration(now.UnixMilli()-s.entries[0].id.millis)*time.Millisecond)
		}
		return nil
	})
	return lag, err
}
