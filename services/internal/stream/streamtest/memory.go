// Package streamtest has the streams in memory, for simulations, and the tests that
// they and Redis' have to pass alike.
//
// What the scripts and commands of package stream do to keys of Redis, [Memory] does to
// maps, one command at a time. Whoever uses it goes through a [Conn], whose Through may
// hold a command up, drop it, do it twice or late, or keep its answer back.
package streamtest

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/internal/stream"
)

// Memory is what one Redis holds: some shards with their books and one group. Safe for
// concurrent use.
type Memory struct {
	now func() time.Time

	mu      sync.Mutex
	shards  []*shard
	arrived chan struct{} // closed at the next append
	ever    []stream.Entry
}

// NewMemory returns empty streams. now is the server's clock.
func NewMemory(shards int, now func() time.Time) *Memory {
	m := &Memory{now: now, shards: make([]*shard, shards), arrived: make(chan struct{})}
	for i := range m.shards {
		m.shards[i] = newShard()
	}
	return m
}

// id names an entry: milliseconds, and a counter within them.
type id struct{ millis, counter int64 }

func (a id) compare(b id) int {
	return cmp.Or(cmp.Compare(a.millis, b.millis), cmp.Compare(a.counter, b.counter))
}

func (a id) String() string {
	return strconv.FormatInt(a.millis, 10) + "-" + strconv.FormatInt(a.counter, 10)
}

func parseID(text string) id {
	left, right, _ := strings.Cut(text, "-")
	millis, _ := strconv.ParseInt(left, 10, 64) // of our own making
	counter, _ := strconv.ParseInt(right, 10, 64)
	return id{millis, counter}
}

// entry is one hit in a shard.
type entry struct {
	id      id
	epoch   string
	number  int64
	field   string
	hour    string // of receipt; "" when the account has none
	payload string
}

// shard is one stream with its books and its group. What the books say by hour is left
// out: no consumer reads it.
type shard struct {
	entries []entry // by id
	last    id      // ever given out
	books   map[string]int64
	group   *group // nil: there is none
	run     int    // of the server, from 0
}

func newShard() *shard { return &shard{books: map[string]int64{}} }

func (s *shard) clone() *shard {
	c := &shard{entries: slices.Clone(s.entries), last: s.last, books: maps.Clone(s.books)}
	if s.group != nil {
		c.group = s.group.clone()
	}
	return c
}

// find is where an entry is.
func (s *shard) find(at id) (int, bool) {
	return slices.BinarySearchFunc(s.entries, at, func(e entry, at id) int { return e.id.compare(at) })
}

// remove deletes an entry and says whether it was there.
func (s *shard) remove(at id) bool {
	i, found := s.find(at)
	if found {
		s.entries = slices.Delete(s.entries, i, i+1)
	}
	return found
}

// add appends an entry under the next id.
func (s *shard) add(e entry, now time.Time) entry {
	e.id = id{now.UnixMilli(), 0}
	if e.id.compare(s.last) <= 0 {
		e.id = id{s.last.millis, s.last.counter + 1}
	}
	s.last = e.id
	s.entries = append(s.entries, e)
	return e
}

// shardBooks reads the books of a shard.
func (s *shard) shardBooks(number int) stream.ShardBooks {
	b := stream.ShardBooks{
		Shard: number, Accepted: map[string]int64{}, InFlight: map[string]int64{}, Spooled: map[string]int64{},
		Settled: map[uuid.UUID]int64{}, Appended: map[uuid.UUID]int64{}, Announced: map[uuid.UUID]int64{},
	}
	counts := map[string]map[string]int64{"accepted": b.Accepted, "inflight": b.InFlight, "spooled": b.Spooled}
	marks := map[string]map[uuid.UUID]int64{"settled": b.Settled, "epoch": b.Appended, "announced": b.Announced}
	b.Jumped = s.books["jumped"]
	for name, n := range s.books {
		kind, rest, _ := strings.Cut(name, ":")
		if counts[kind] != nil {
			counts[kind][rest] = n
		}
		if marks[kind] != nil {
			marks[kind][uuid.MustParse(rest)] = n
		}
	}
	return b
}

// Books is [stream.ReadBooks], of one instant of all shards. It never fails.
func (m *Memory) Books() []stream.ShardBooks {
	m.mu.Lock()
	defer m.mu.Unlock()
	books := make([]stream.ShardBooks, len(m.shards))
	for i, s := range m.shards {
		books[i] = s.shardBooks(i)
	}
	return books
}

// Held is what a shard's stream holds, as [stream.Probe] says it.
func (m *Memory) Held(number int) stream.Held {
	m.mu.Lock()
	defer m.mu.Unlock()
	held, open := stream.Held{Fields: map[string]int64{}}, map[uuid.UUID]int{}
	for _, e := range m.shards[number].entries {
		held.Fields[e.field]++
		epoch, err := uuid.Parse(e.epoch)
		if err != nil || e.number < 1 {
			continue // no edge wrote it
		}
		if at, begun := open[epoch]; begun && held.Runs[at].Last == e.number-1 {
			held.Runs[at].Last = e.number
			continue
		}
		open[epoch] = len(held.Runs)
		held.Runs = append(held.Runs, stream.Run{Epoch: epoch, Shard: number, First: e.number, Last: e.number})
	}
	return held
}

// Ever is everything that was ever appended, whatever has become of it: a witness.
func (m *Memory) Ever() []stream.Entry {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.ever)
}

// State is what a Redis may come back with.
type State struct{ shards []*shard }

// Save returns what there is now, as an append-only file would keep it.
func (m *Memory) Save() State {
	m.mu.Lock()
	defer m.mu.Unlock()
	var s State
	for _, one := range m.shards {
		s.shards = append(s.shards, one.clone())
	}
	return s
}

// Restart puts an earlier state in the place of what there is; the zero State is nothing.
func (m *Memory) Restart(s State) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, before := range m.shards {
		m.shards[i] = newShard()
		if s.shards != nil {
			m.shards[i] = s.shards[i].clone()
		}
		m.shards[i].run = before.run + 1
	}
}

// Delete takes an entry out of a stream behind everybody's back.
func (m *Memory) Delete(number int, entry string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.shards[number].remove(parseID(entry))
}

// Trim leaves the youngest entries of each shard only, as MAXLEN would.
func (m *Memory) Trim(most int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.shards {
		if extra := len(s.entries) - most; extra > 0 {
			s.entries = slices.Delete(s.entries, 0, extra)
		}
	}
}

// Conn is one client's way to a Memory.
type Conn struct {
	Memory *Memory
	// Through does a command, or lets it be; nil does each at once. Its error is what the
	// client sees, whatever became of the command. The name is for people.
	Through func(ctx context.Context, name string, do func()) error
}

// do runs one command.
func (c Conn) do(ctx context.Context, name string, command func()) error {
	locked := func() {
		c.Memory.mu.Lock()
		defer c.Memory.mu.Unlock()
		command()
	}
	if c.Through != nil {
		return c.Through(ctx, name, locked)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	locked()
	return nil
}

// Append implements [stream.Appender].
func (c Conn) Append(ctx context.Context, run stream.Run, fields, payloads []string) error {
	return c.do(ctx, "append "+run.String(), func() {
		m := c.Memory
		for _, e := range m.shards[run.Shard].append(run, fields, payloads, m.now()) {
			m.ever = append(m.ever, newEntry(run.Shard, e))
		}
		close(m.arrived)
		m.arrived = make(chan struct{})
	})
}

// Appended implements [stream.Appender].
func (c Conn) Appended(ctx context.Context, epoch uuid.UUID, number int) (last int64, err error) {
	err = c.do(ctx, fmt.Sprintf("appended %s %d", epoch, number), func() {
		last = c.Memory.shards[number].books["epoch:"+epoch.String()]
	})
	return last, err
}

// Announce implements [stream.Appender].
func (c Conn) Announce(ctx context.Context, run stream.Run, counts map[string]int64) (told bool, err error) {
	err = c.do(ctx, "announce "+run.String(), func() { told = c.Memory.shards[run.Shard].announce(run, counts) })
	return told, err
}
