package streamtest_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/internal/redistest"
	"github.com/touchline/touchline/services/internal/stream"
	"github.com/touchline/touchline/services/internal/stream/streamtest"
)

// tick lets the clock go on by more than what is in ids: entries from before and from
// behind a loss are told apart by it.
func tick() { <-time.After(2 * time.Millisecond) }

// overMemory is streams in memory.
func overMemory(*testing.T) streamtest.Server {
	m := streamtest.NewMemory(2, time.Now)
	conn := streamtest.Conn{Memory: m}
	return streamtest.Server{
		To: conn,
		Reader: func(consumer uuid.UUID, begin stream.Recover) streamtest.Consumer {
			return streamtest.NewReader(conn, consumer, begin)
		},
		Books:  m.Books,
		Held:   m.Held,
		Delete: func(shard int, entry string) { m.Delete(shard, entry) },
		Lose: func() {
			m.Restart(streamtest.State{})
			tick()
		},
		Rebuild: func(ctx context.Context, shard int, seed stream.Seed, known stream.Known) error {
			tick()
			return conn.Rebuild(ctx, shard, seed, known)
		},
		Restarted: conn.Restarted,
	}
}

// overRedis is those of a real one.
func overRedis(t *testing.T) streamtest.Server {
	t.Helper()
	client, prefix := redistest.New(t)
	cfg := stream.Config{Prefix: prefix, Shards: 2, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}
	probe := stream.NewProbe(client, cfg)
	key := func(shard int, name string) string { return fmt.Sprintf("{%s:%d}:%s", prefix, shard, name) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	return streamtest.Server{
		To: stream.NewAppender(client, cfg),
		Reader: func(consumer uuid.UUID, begin stream.Recover) streamtest.Consumer {
			reading := cfg
			reading.Recover = begin
			return stream.NewReader(client, reading, "test", consumer)
		},
		Books: func() []stream.ShardBooks {
			books, err := probe.Books(context.Background())
			must(err)
			return books
		},
		Held: func(shard int) stream.Held {
			held, err := probe.Held(context.Background(), shard)
			must(err)
			return held
		},
		Delete: func(shard int, entry string) {
			must(client.XDel(context.Background(), key(shard, "hits"), entry).Err())
		},
		Lose: func() {
			for shard := range 2 {
				must(client.Del(context.Background(), key(shard, "hits"), key(shard, "books"), key(shard, "hours"), key(shard, "settled")).Err())
			}
			tick()
		},
		Rebuild: func(ctx context.Context, shard int, seed stream.Seed, known stream.Known) error {
			tick()
			return probe.Rebuild(ctx, shard, seed, known)
		},
		Restarted: probe.Restarted,
	}
}

func TestMemory(t *testing.T) {
	t.Parallel()
	streamtest.Run(t, overMemory)
}

func TestRedis(t *testing.T) {
	t.Parallel()
	streamtest.Run(t, overRedis)
}

// The two say the same of whatever is asked of them, step by step.
func TestMemory_IsLikeRedis(t *testing.T) {
	t.Parallel()
	for seed := range uint64(30) {
		memory, redis := newPlay(overMemory(t), seed), newPlay(overRedis(t), seed)
		for step := range 60 {
			a, b := memory.step(t), redis.step(t)
			if diff := cmp.Diff(b, a); diff != "" {
				t.Fatalf("seed %d, step %d, %v (-redis +memory):\n%s", seed, step, b[0], diff)
			}
		}
	}
}

// play makes random calls, the same for the same seed.
type play struct {
	streamtest.Server
	random  *rand.Rand
	readers []streamtest.Consumer
	epochs  [2]uuid.UUID
	last    [2]int64          // of each epoch
	held    [3][]stream.Entry // last given to each reader
	number  [3]int64          // batches of each reader
	stored  map[hit.Receipt]bool
	seed    stream.Seed
	names   map[string]string // entries by id: their receipts
	ids     map[string]string // and the reverse
}

func newPlay(s streamtest.Server, seed uint64) *play {
	p := &play{Server: s, random: rand.New(rand.NewPCG(seed, 1)), names: map[string]string{}, ids: map[string]string{}}
	for i := range p.epochs {
		p.epochs[i] = uuid.NewSHA1(uuid.Nil, []byte{byte(i), byte(seed)})
	}
	p.stored = map[hit.Receipt]bool{}
	p.seed = stream.Seed{Accepted: map[string]int64{}, Settled: map[uuid.UUID]int64{}, Stored: map[uuid.UUID]int64{}}
	for i := range 3 {
		p.readers = append(p.readers, s.Reader(uuid.NewSHA1(uuid.Nil, []byte{9, byte(i)}), p.begin))
	}
	return p
}

// begin hands over what was stored.
func (p *play) begin(_ context.Context, _ int, apply func(stream.Seed) error) error {
	return apply(p.seed)
}

// known says what was.
func (p *play) known(context.Context, []hit.Receipt) (map[hit.Receipt]bool, error) {
	return p.stored, nil
}

// fields are accounts, with and without an hour.
var fields = []string{
	"10000000-0000-0000-0000-000000000001/20000000-0000-0000-0000-000000000001/494160",
	"10000000-0000-0000-0000-000000000001/20000000-0000-0000-0000-000000000002/494161",
	"10000000-0000-0000-0000-000000000001/20000000-0000-0000-0000-000000000001",
}

// named notes entries and says what can be compared of them.
func (p *play) named(reader int, entries []stream.Entry) (list []string) {
	for _, e := range entries {
		name := fmt.Sprint(e.Receipt)
		p.names[e.ID], p.ids[name] = name, e.ID
		list = append(list, fmt.Sprint(name, " ", e.Field, " ", string(e.Payload), " ", e.Deliveries))
	}
	if len(entries) > 0 {
		p.held[reader] = entries
	}
	return list
}

// step makes one call and returns what came of it.
func (p *play) step(t *testing.T) []any {
	t.Helper()
	ctx, i := t.Context(), p.random.IntN(3)
	r := p.readers[i]
	result := func(what string, err error, more ...any) []any {
		more = append([]any{fmt.Sprint(what, " by ", i), err != nil}, more...)
		return append(more, p.Books(), p.Held(0), r.Lost())
	}
	switch p.random.IntN(12) {
	case 0, 1, 2:
		return result("append", p.append(ctx))
	case 3:
		e := p.random.IntN(2)
		run := stream.Run{Epoch: p.epochs[e], First: p.last[e] + 1 + int64(p.random.IntN(2)), Last: p.last[e] + 3}
		told, err := p.To.Announce(ctx, run, map[string]int64{fields[run.Last%3]: run.Len()})
		return result("announce", err, told)
	case 4, 5:
		entries, err := r.Read(ctx, 0, int64(1+p.random.IntN(4)), 0)
		return result("read", err, p.named(i, entries))
	case 6:
		entries, err := r.Claim(ctx, 0, time.Duration(p.random.IntN(2))*time.Hour, int64(1+p.random.IntN(4)))
		return result("claim", err, p.named(i, entries))
	case 7:
		entries, err := r.Inherit(ctx, 0, p.readers[p.random.IntN(3)].Consumer(), int64(1+p.random.IntN(4)))
		return result("inherit", err, p.named(i, entries))
	case 8, 9:
		return result("settle", p.settle(ctx, i))
	case 10:
		return p.rare(ctx, i, result)
	default:
		holders, err := r.Holders(ctx, 0)
		known := map[uuid.UUID]bool{}
		for _, h := range holders {
			known[h] = true
		}
		return result("holders", err, known)
	}
}

// append sends a run that may overlap what was sent, and seldom jumps.
func (p *play) append(ctx context.Context) error {
	e := p.random.IntN(2)
	first := max(1, p.last[e]+1-int64(p.random.IntN(3)))
	if p.random.IntN(20) == 0 {
		first = p.last[e] + 3
	}
	run := stream.Run{Epoch: p.epochs[e], First: first, Last: first + int64(p.random.IntN(4))}
	var accounts, payloads []string
	for n := run.First; n <= run.Last; n++ {
		accounts, payloads = append(accounts, fields[n%3]), append(payloads, fmt.Sprint(n))
	}
	p.last[e] = max(p.last[e], run.Last)
	return p.To.Append(ctx, run, accounts, payloads)
}

// settle settles what a reader was given last, now and then out of order or again.
func (p *play) settle(ctx context.Context, i int) error {
	number := p.number[i] + int64(p.random.IntN(5)/2)
	b := stream.Batch{Consumer: p.readers[i].Consumer(), Number: number, Entries: []string{}, Fields: []string{}}
	for _, e := range p.held[i] {
		own := p.random.IntN(2) == 0
		b.Entries, b.Fields = append(b.Entries, e.ID), append(b.Fields, e.Account(own))
		if own && !p.stored[e.Receipt] {
			p.stored[e.Receipt] = true
			p.seed.Accepted[e.Field]++
			p.seed.Stored[e.Receipt.Epoch] = max(p.seed.Stored[e.Receipt.Epoch], e.Receipt.Number)
		}
	}
	err := p.readers[i].Settle(ctx, b)
	if err == nil {
		p.number[i] = max(number, p.number[i])
		p.seed.Settled[b.Consumer] = p.number[i]
	}
	return err
}

// rare is what seldom happens.
func (p *play) rare(ctx context.Context, i int, result func(string, error, ...any) []any) []any {
	r := p.readers[i]
	switch p.random.IntN(6) {
	case 5:
		return result("rebuild", p.Rebuild(ctx, 0, p.seed, p.known))
	case 0:
		if len(p.held[i]) > 0 {
			p.Delete(0, p.held[i][0].ID)
		}
		return result("delete", nil)
	case 1:
		if p.random.IntN(3) == 0 {
			p.Lose()
		}
		return result("lose", nil)
	case 2:
		// How many is left out: of consumers that hold nothing versions of Redis disagree.
		_, err := r.Forget(ctx, 0, time.Duration(p.random.IntN(2))*time.Hour)
		return result("forget", err)
	case 3:
		if len(p.held[i]) == 0 {
			return result("nothing", nil)
		}
		return result("recount", r.Recount(ctx, 0, int64(p.random.IntN(5)), p.held[i][0].ID))
	default:
		p.readers[i] = p.Reader(r.Consumer(), p.begin) // it starts again
		return result("start", nil)
	}
}
