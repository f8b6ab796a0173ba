package streamtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/internal/stream"
)

// Consumer is one consumer's view of the streams.
type Consumer interface {
	Consumer() uuid.UUID
	Read(ctx context.Context, shard int, limit int64, block time.Duration) ([]stream.Entry, error)
	Recount(ctx context.Context, shard int, deliveries int64, ids ...string) error
	Settle(ctx context.Context, b stream.Batch) error
	Holders(ctx context.Context, shard int) ([]uuid.UUID, error)
	Inherit(ctx context.Context, shard int, dead uuid.UUID, limit int64) ([]stream.Entry, error)
	Claim(ctx context.Context, shard int, minIdle time.Duration, limit int64) ([]stream.Entry, error)
	Forget(ctx context.Context, shard int, idle time.Duration) (int, error)
	Oldest(ctx context.Context, shard int) (stream.Lag, error)
	Lost() int64
}

// Server is empty streams with two shards under test.
type Server struct {
	To     stream.Appender
	Reader func(consumer uuid.UUID, begin stream.Recover) Consumer
	Books  func() []stream.ShardBooks
	Held   func(shard int) stream.Held
	Delete func(shard int, entry string) // behind everybody's back
	Lose   func()                        // everything
	// Rebuild and Restarted are those of [stream.Probe].
	Rebuild   func(ctx context.Context, shard int, seed stream.Seed, known stream.Known) error
	Restarted func(ctx context.Context, shard int) (bool, error)
}

// shop is the field that most hits of the suite have.
const shop = "10000000-0000-0000-0000-000000000001/20000000-0000-0000-0000-000000000001"

// account is where the books count those hits.
const account = shop + "/494160"

// suite is one test's server.
type suite struct {
	*testing.T
	Server
}

// Run plays the suite over servers that open makes.
func Run(t *testing.T, open func(t *testing.T) Server) {
	t.Helper()
	for name, test := range map[string]func(s suite){
		"appends once":                          suite.appendsOnce,
		"moves what was announced":              suite.announces,
		"gives own entries again":               suite.readsAgain,
		"claims what is old":                    suite.claims,
		"inherits from the dead":                suite.inherits,
		"settles once and in order":             suite.settles,
		"tells of entries that were deleted":    suite.buries,
		"begins again after everything is lost": suite.begins,
		"counts down what was deleted":          suite.deletes,
		"makes books anew":                      suite.rebuilds,
	} {
		t.Run(name, func(t *testing.T) { test(suite{t, open(t)}) })
	}
}

func (s suite) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s suite) equal(what string, got, want any) {
	s.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		s.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}

// append sends hits from first to last of an epoch to shard 0.
func (s suite) append(epoch uuid.UUID, first, last int64) {
	s.Helper()
	var fields, payloads []string
	for n := first; n <= last; n++ {
		fields, payloads = append(fields, account), append(payloads, fmt.Sprint("hit ", n))
	}
	s.must(s.To.Append(s.Context(), stream.Run{Epoch: epoch, First: first, Last: last}, fields, payloads))
}

// numbers are those of entries' receipts.
func numbers(entries []stream.Entry) (list []int64) {
	for _, e := range entries {
		list = append(list, e.Receipt.Number)
	}
	return list
}

func (s suite) read(c Consumer, limit int64) []stream.Entry {
	s.Helper()
	entries, err := c.Read(s.Context(), 0, limit, 0)
	s.must(err)
	return entries
}

// batch is one of shard 0.
func batch(c Consumer, number int64, entries ...stream.Entry) stream.Batch {
	b := stream.Batch{Consumer: c.Consumer(), Number: number, Entries: []string{}, Fields: []string{}}
	for _, e := range entries {
		b.Entries, b.Fields = append(b.Entries, e.ID), append(b.Fields, e.Account(false))
	}
	return b
}

// storing is one of shard 0 that stored its hits.
func storing(c Consumer, number int64, entries ...stream.Entry) stream.Batch {
	b := batch(c, number, entries...)
	for i := range b.Fields {
		b.Fields[i] += "!"
	}
	return b
}

// books are those of shard 0, without what is zero.
func (s suite) books() stream.ShardBooks {
	b := s.Books()[0]
	for _, counts := range []map[string]int64{b.Accepted, b.InFlight, b.Spooled} {
		maps.DeleteFunc(counts, func(_ string, n int64) bool { return n == 0 })
	}
	return b
}

func (s suite) appendsOnce() {
	epoch := uuid.New()
	for _, r := range [][2]int64{{1, 3}, {2, 5}, {1, 4}, {4, 9}, {1, 9}} {
		s.append(epoch, r[0], r[1])
	}
	c := s.Reader(uuid.New(), nil)
	entries := s.read(c, 100)
	s.equal("numbers", numbers(entries), []int64{1, 2, 3, 4, 5, 6, 7, 8, 9})
	for _, e := range entries {
		if e.Deliveries != 1 || e.Account(true) != account+"!" || string(e.Payload) != fmt.Sprint("hit ", e.Receipt.Number) || e.Receipt.Epoch != epoch {
			s.Fatalf("entry %+v", e)
		}
	}
	last, err := s.To.Appended(s.Context(), epoch, 0)
	s.must(err)
	none, err := s.To.Appended(s.Context(), epoch, 1)
	s.must(err)
	s.equal("appended", []int64{last, none}, []int64{9, 0})
	b := s.books()
	s.equal("books", []any{b.Accepted, b.InFlight, b.Appended}, []any{map[string]int64{shop: 9}, map[string]int64{shop: 9}, map[uuid.UUID]int64{epoch: 9}})
	s.equal("held", s.Held(0).Runs, []stream.Run{{Epoch: epoch, First: 1, Last: 9}})
	s.equal("the other shard", s.Held(1).Runs, []stream.Run(nil))
}

func (s suite) announces() {
	epoch := uuid.New()
	tell := func(first, last int64, want bool) {
		s.Helper()
		told, err := s.To.Announce(s.Context(), stream.Run{Epoch: epoch, First: first, Last: last}, map[string]int64{account: last - first + 1})
		s.must(err)
		s.equal("told", told, want)
	}
	s.append(epoch, 1, 2)
	tell(4, 5, false) // 3 is missing
	tell(3, 6, true)
	tell(3, 5, true) // again
	b := s.books()
	s.equal("announced", []any{b.Accepted, b.InFlight, b.Spooled}, []any{map[string]int64{shop: 6}, map[string]int64{shop: 2}, map[string]int64{shop: 4}})
	s.append(epoch, 3, 4)
	b = s.books()
	s.equal("half of it", []any{b.Accepted, b.InFlight, b.Spooled}, []any{map[string]int64{shop: 6}, map[string]int64{shop: 4}, map[string]int64{shop: 2}})
	s.append(epoch, 3, 8)
	b = s.books()
	s.equal("all and more", []any{b.Accepted, b.InFlight, b.Spooled}, []any{map[string]int64{shop: 8}, map[string]int64{shop: 8}, map[string]int64{}})
	s.equal("no mark stays", b.Announced, map[uuid.UUID]int64{})
}

func (s suite) readsAgain() {
	epoch, name := uuid.New(), uuid.New()
	s.append(epoch, 1, 5)
	first := s.Reader(name, nil)
	s.equal("first", numbers(s.read(first, 2)), []int64{1, 2})
	s.equal("then", numbers(s.read(first, 1)), []int64{3})
	other := s.Reader(uuid.New(), nil)
	s.equal("another's", numbers(s.read(other, 10)), []int64{4, 5})
	again := s.Reader(name, nil)
	entries := s.read(again, 2)
	s.equal("again", numbers(entries), []int64{1, 2})
	s.equal("counted", entries[0].Deliveries, int64(2))
	s.equal("the rest", numbers(s.read(again, 2)), []int64{3})
	s.equal("nothing", numbers(s.read(again, 2)), []int64(nil))
	s.append(epoch, 6, 6)
	s.equal("new", numbers(s.read(again, 2)), []int64{6})
}

func (s suite) claims() {
	s.append(uuid.New(), 1, 5)
	dead, heir := s.Reader(uuid.New(), nil), s.Reader(uuid.New(), nil)
	s.read(dead, 4)
	young, err := heir.Claim(s.Context(), 0, time.Hour, 10)
	s.must(err)
	s.equal("young", numbers(young), []int64(nil))
	some, err := heir.Claim(s.Context(), 0, 0, 3)
	s.must(err)
	s.equal("old", numbers(some), []int64{1, 2, 3})
	s.equal("counted", some[0].Deliveries, int64(2))
	rest, err := heir.Claim(s.Context(), 0, 0, 3)
	s.must(err)
	s.equal("goes on where it ended", numbers(rest), []int64{4})
	s.must(heir.Recount(s.Context(), 0, 7, some[0].ID))
	again, err := heir.Claim(s.Context(), 0, 0, 10)
	s.must(err)
	s.equal("recounted", again[0].Deliveries, int64(8))
}

func (s suite) inherits() {
	s.append(uuid.New(), 1, 5)
	dead, heir := s.Reader(uuid.New(), nil), s.Reader(uuid.New(), nil)
	none, err := heir.Holders(s.Context(), 0)
	s.must(err)
	s.equal("nobody", len(none), 0)
	entries := s.read(dead, 3)
	holders, err := heir.Holders(s.Context(), 0)
	s.must(err)
	s.equal("holders", holders, []uuid.UUID{dead.Consumer()})
	forgotten, err := heir.Forget(s.Context(), 0, 0)
	s.must(err)
	s.equal("who holds something stays", forgotten, 0)
	s.Delete(0, entries[1].ID)
	got, err := heir.Inherit(s.Context(), 0, dead.Consumer(), 2)
	s.must(err)
	s.equal("what is there of the first two", numbers(got), []int64{1})
	got, err = heir.Inherit(s.Context(), 0, dead.Consumer(), 2)
	s.must(err)
	s.equal("then", numbers(got), []int64{3})
	got, err = heir.Inherit(s.Context(), 0, dead.Consumer(), 2)
	s.must(err)
	s.equal("nothing", numbers(got), []int64(nil))
	forgotten, err = heir.Forget(s.Context(), 0, 0)
	s.must(err)
	s.equal("forgotten", forgotten, 1)
}

func (s suite) settles() {
	s.append(uuid.New(), 1, 6)
	one, two := s.Reader(uuid.New(), nil), s.Reader(uuid.New(), nil)
	entries := s.read(one, 6)
	s.must(one.Settle(s.Context(), batch(one, 1, entries[:2]...)))
	s.must(one.Settle(s.Context(), batch(one, 1, entries[:2]...)))
	s.equal("in flight", s.books().InFlight, map[string]int64{shop: 4})
	s.equal("what others stored is not accepted twice", s.books().Accepted, map[string]int64{shop: 4})
	if err := one.Settle(s.Context(), batch(one, 3, entries[2:4]...)); !errors.Is(err, stream.ErrOrder) {
		s.Fatalf("out of order: %v", err)
	}
	s.equal("nothing changed", s.books().InFlight, map[string]int64{shop: 4})
	claimed, err := two.Claim(s.Context(), 0, 0, 2)
	s.must(err)
	s.must(two.Settle(s.Context(), batch(two, 1, claimed...)))
	s.must(one.Settle(s.Context(), batch(one, 2, entries[2:5]...)))
	s.equal("each counts once", s.books().InFlight, map[string]int64{shop: 1})
	s.must(one.Settle(s.Context(), stream.Batch{Consumer: one.Consumer(), Number: 3, Entries: []string{stream.Lost}, Fields: []string{shop}}))
	b := s.books()
	s.equal("written off", b.InFlight, map[string]int64{})
	s.equal("settled", b.Settled, map[uuid.UUID]int64{one.Consumer(): 3, two.Consumer(): 1})
	s.equal("left", numbers(s.read(s.Reader(one.Consumer(), nil), 10)), []int64{6})
	lag, err := one.Oldest(s.Context(), 0)
	s.must(err)
	s.equal("length", lag.Length, int64(1))
}

func (s suite) buries() {
	s.append(uuid.New(), 1, 4)
	name := uuid.New()
	entries := s.read(s.Reader(name, nil), 3)
	s.Delete(0, entries[0].ID)
	s.Delete(0, entries[1].ID)
	again := s.Reader(name, nil)
	s.equal("what is there", numbers(s.read(again, 2)), []int64{3})
	s.equal("lost", again.Lost(), int64(2))
	s.equal("still in flight", s.books().InFlight, map[string]int64{shop: 4})
	s.Delete(0, entries[2].ID)
	heir := s.Reader(uuid.New(), nil)
	claimed, err := heir.Claim(s.Context(), 0, 0, 10)
	s.must(err)
	s.equal("claimed", numbers(claimed), []int64(nil))
	s.equal("lost to the heir", heir.Lost(), int64(1))
	holders, err := heir.Holders(s.Context(), 0)
	s.must(err)
	s.equal("nobody holds it", len(holders), 0)
}

func (s suite) begins() {
	epoch, other := uuid.New(), uuid.New()
	s.append(epoch, 1, 3)
	seeds := 0
	begin := func(_ context.Context, _ int, apply func(stream.Seed) error) error {
		seeds++
		return apply(stream.Seed{Accepted: map[string]int64{shop: int64(10 * seeds)}, Settled: map[uuid.UUID]int64{other: 4}})
	}
	c := s.Reader(uuid.New(), begin)
	s.equal("first", numbers(s.read(c, 2)), []int64{1, 2})
	s.equal("begun", s.books().Accepted, map[string]int64{shop: 13})
	s.Lose()
	s.append(epoch, 4, 5)
	s.equal("after the loss", numbers(s.read(c, 10)), []int64{4, 5})
	b := s.books()
	s.equal("begun anew", []any{b.Accepted, b.Settled, seeds}, []any{map[string]int64{shop: 22}, map[uuid.UUID]int64{other: 4}, 2})
	s.equal("another does not begin", numbers(s.read(s.Reader(uuid.New(), begin), 10)), []int64(nil))
	if !slices.Equal(s.Held(0).Runs, []stream.Run{{Epoch: epoch, First: 4, Last: 5}}) || seeds != 2 {
		s.Fatalf("held %v after %d seeds", s.Held(0), seeds)
	}
}

func (s suite) deletes() {
	s.append(uuid.New(), 1, 4)
	one, two := s.Reader(uuid.New(), nil), s.Reader(uuid.New(), nil)
	entries := s.read(one, 10)
	s.Delete(0, entries[0].ID)
	s.Delete(0, entries[1].ID)
	s.must(one.Settle(s.Context(), batch(one, 1, entries[0])))
	s.equal("who did not store leaves it", s.books().InFlight, map[string]int64{shop: 4})
	s.must(one.Settle(s.Context(), storing(one, 2, entries[0], entries[2])))
	s.must(two.Settle(s.Context(), batch(two, 1, entries[2])))
	s.equal("who stored counts", s.books().InFlight, map[string]int64{shop: 2})
	s.Lose()
	s.must(two.Settle(s.Context(), storing(two, 1, entries[3])))
	s.append(uuid.New(), 1, 2)
	s.must(two.Settle(s.Context(), storing(two, 2, entries[3])))
	b := s.books()
	s.equal("while they are not begun", []any{b.InFlight, b.Accepted}, []any{map[string]int64{shop: 2}, map[string]int64{shop: 2}})
	s.read(s.Reader(uuid.New(), func(_ context.Context, _ int, apply func(stream.Seed) error) error { return apply(stream.Seed{}) }), 1)
	s.must(two.Settle(s.Context(), storing(two, 3, entries[3])))
	b = s.books()
	s.equal("of an earlier life", []any{b.InFlight, b.Accepted}, []any{map[string]int64{shop: 2}, map[string]int64{shop: 3}})
}

func (s suite) restarted() bool {
	is, err := s.Restarted(s.Context(), 0)
	s.must(err)
	return is
}

func (s suite) rebuilds() {
	epoch, fresh, name := uuid.New(), uuid.New(), uuid.New()
	s.append(epoch, 1, 4)
	s.equal("not begun in this run", s.restarted(), true)
	c := s.Reader(name, nil)
	entries := s.read(c, 3)
	s.append(epoch, 7, 8) // 5 and 6 are nowhere
	told, err := s.To.Announce(s.Context(), stream.Run{Epoch: epoch, First: 9, Last: 10}, map[string]int64{account: 2})
	s.must(err)
	s.equal("told", told, true)
	s.equal("jumped", s.books().Jumped, int64(1))
	seed := stream.Seed{
		Accepted: map[string]int64{shop: 20}, Settled: map[uuid.UUID]int64{name: 5},
		Stored: map[uuid.UUID]int64{epoch: 2, fresh: 3},
	}
	s.must(s.Rebuild(s.Context(), 0, seed, func(_ context.Context, receipts []hit.Receipt) (map[hit.Receipt]bool, error) {
		s.equal("asked", len(receipts), 6)
		return map[hit.Receipt]bool{entries[0].Receipt: true, entries[1].Receipt: true}, nil
	}))
	b := s.books()
	s.equal("the books", b, stream.ShardBooks{
		Accepted: map[string]int64{shop: 24}, InFlight: map[string]int64{shop: 4}, Spooled: map[string]int64{},
		Settled: map[uuid.UUID]int64{name: 5}, Appended: map[uuid.UUID]int64{epoch: 8, fresh: 3}, Announced: map[uuid.UUID]int64{},
	})
	s.equal("made in this run", s.restarted(), false)
	s.equal("left", numbers(s.read(s.Reader(name, nil), 10)), []int64{3})
	s.must(c.Settle(s.Context(), storing(c, 6, entries[2])))
	s.append(fresh, 1, 3)
	s.equal("stored ones are not appended again", s.books().InFlight, map[string]int64{shop: 3})
}
