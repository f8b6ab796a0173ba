package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/touchline/touchline/services/internal/hit"
)

// stored returns the ids of an epoch's hits by their number, per shard, and fails
// when a number is there twice.
func stored(t *testing.T, s server, epoch uuid.UUID) []map[int64]string {
	t.Helper()
	cfg := s.cfg.withDefaults()
	shards := make([]map[int64]string, cfg.Shards)
	for i := range shards {
		shards[i] = map[int64]string{}
		messages, err := s.client.XRange(context.Background(), cfg.hitsKey(i), "-", "+").Result()
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range messages {
			e := newEntry(i, m)
			if e.Receipt.Epoch != epoch {
				continue
			}
			h, err := hit.Decode(e.Payload)
			if err != nil {
				t.Fatalf("entry %s: %v", m.ID, err)
			}
			if former, twice := shards[i][e.Receipt.Number]; twice {
				t.Errorf("shard %d holds number %d twice: %s and %s", i, e.Receipt.Number, former, h.Fact.ID)
			}
			shards[i][e.Receipt.Number] = h.Fact.ID
		}
	}
	return shards
}

// checkDense fails when the numbers of a shard are not 1 to n.
func checkDense(t *testing.T, shards []map[int64]string) {
	t.Helper()
	for i, numbers := range shards {
		for n := range int64(len(numbers)) {
			if _, ok := numbers[n+1]; !ok {
				t.Errorf("shard %d has %d hits, but none with number %d", i, len(numbers), n+1)
			}
		}
	}
}

func TestWriter_Append(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, s server) {
		w := s.writer(t, s.client)
		hits := newHits(3)
		receipt := mustAppend(t, w, hits)
		if receipt.Epoch != w.Epoch() || receipt.Number != 1 {
			t.Errorf("receipt %+v, want number 1 of epoch %s", receipt, w.Epoch())
		}
		want := map[int64]string{1: hits[0].Fact.ID, 2: hits[1].Fact.ID, 3: hits[2].Fact.ID}
		if diff := cmp.Diff(want, stored(t, s, w.Epoch())[receipt.Shard]); diff != "" {
			t.Errorf("stored (-want +got):\n%s", diff)
		}
		books, err := ReadBooks(t.Context(), s.client, s.cfg)
		if err != nil {
			t.Fatal(err)
		}
		count := map[string]int64{fieldOf(hits[0].Workspace, hits[0].Fact.Source): 3}
		wantBooks := ShardBooks{
			Shard: receipt.Shard, Accepted: count, InFlight: count, Spooled: map[string]int64{}, Settled: map[uuid.UUID]int64{},
			Appended: map[uuid.UUID]int64{w.Epoch(): receipt.Number + 2}, Announced: map[uuid.UUID]int64{},
		}
		if diff := cmp.Diff(wantBooks, books[receipt.Shard]); diff != "" {
			t.Errorf("books (-want +got):\n%s", diff)
		}
	})
}

func TestWriter_AppendNothing(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, s server) {
		receipt, err := s.writer(t, s.client).Append(t.Context(), nil)
		if err != nil || receipt != (hit.Receipt{}) {
			t.Errorf("got %+v, %v, want a zero receipt", receipt, err)
		}
	})
}

func TestWriter_ConcurrentCallsShareFlushes(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, s server) {
		s.cfg.MaxEntries, s.cfg.Timeout = 7, time.Minute // calls of up to 10 hits do not fit, and go alone
		w := s.writer(t, s.client)
		const callers, calls = 20, 15
		var mu sync.Mutex
		want := map[string]string{}
		var wg sync.WaitGroup
		for range callers {
			wg.Go(func() {
				for i := range calls {
					hits := newHits(1 + i%10)
					receipt, err := w.Append(context.Background(), hits)
					if err != nil {
						t.Errorf("append: %v", err)
						return
					}
					mu.Lock()
					for j, h := range hits {
						want[fmt.Sprintf("%d/%d", receipt.Shard, receipt.Number+int64(j))] = h.Fact.ID
					}
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		shards := stored(t, s, w.Epoch())
		checkDense(t, shards)
		got := map[string]string{}
		for i, numbers := range shards {
			for n, id := range numbers {
				got[fmt.Sprintf("%d/%d", i, n)] = id
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("receipts and what is stored differ (-receipts +stored):\n%s", diff)
		}
	})
}

func TestWriter_FlushBounds(t *testing.T) {
	t.Parallel()
	c := &committer{cfg: Config{MaxEntries: 3, MaxBytes: 100}.withDefaults()}
	for _, size := range []struct{ entries, bytes int }{{2, 20}, {1, 20}, {1, 20}, {1, 70}, {1, 20}, {9, 500}, {1, 1}} {
		one := &call{payloads: make([]string, size.entries), bytes: size.bytes}
		c.queue = append(c.queue, one)
		c.queued += size.bytes
	}
	var got []int
	for calls := c.take(); len(calls) > 0; calls = c.take() {
		got = append(got, len(calls))
	}
	if want := []int{2, 2, 1, 1, 1}; !slices.Equal(got, want) {
		t.Errorf("flushes of %v calls, want %v", got, want)
	}
	if c.queued != 0 {
		t.Errorf("%d bytes are left in an empty queue", c.queued)
	}
}

func TestWriter_RefusesWhenTooMuchWaits(t *testing.T) {
	t.Parallel()
	c := &committer{cfg: Config{MaxQueued: 100}.withDefaults(), wake: make(chan struct{}, 1)}
	big := func() *call { return &call{bytes: 80, done: make(chan struct{})} }
	first := big()
	if !c.enqueue(first) {
		t.Fatal("an empty queue refused a call")
	}
	if c.enqueue(big()) {
		t.Error("a full queue took a call")
	}
	c.abandon(first)
	if !c.enqueue(big()) {
		t.Error("the queue is still full after its call was abandoned")
	}
}

func TestWriter_CloseDrains(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, s server) {
		w := newWriter(t, s.client, s.cfg, uuid.New())
		var calls []*call
		for i := range 50 {
			c, err := newCall(newHits(1))
			if err != nil {
				t.Fatal(err)
			}
			if !w.shards[i%2].enqueue(c) {
				t.Fatal("refused")
			}
			calls = append(calls, c)
		}
		if err := w.Close(t.Context()); err != nil {
			t.Fatalf("close: %v", err)
		}
		for i, c := range calls {
			if <-c.done; c.first == 0 {
				t.Errorf("call %d was queued before Close and not written", i)
			}
		}
		if _, err := w.Append(t.Context(), newHits(1)); !errors.Is(err, ErrUnavailable) {
			t.Errorf("append after close: %v, want ErrUnavailable", err)
		}
		if err := w.Close(t.Context()); err != nil {
			t.Errorf("second close: %v", err)
		}
	})
}

func TestWriter_CloseGivesUp(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, s server) {
		client, p := s.through(t)
		p.set(faultRefuse)
		s.cfg.Timeout = time.Minute
		w := newWriter(t, client, s.cfg, uuid.New())
		failed := make(chan error, 1)
		go func() {
			_, err := w.Append(context.Background(), newHits(1))
			failed <- err
		}()
		eventually(t, "the call is on its way", func() bool { return w.shards[0].empty() && w.shards[1].empty() })
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if err := w.Close(ctx); err != nil && !errors.Is(err, ErrUnavailable) {
			t.Errorf("close: %v, want ErrUnavailable", err)
		}
		if err := <-failed; !errors.Is(err, ErrUnavailable) {
			t.Errorf("append: %v, want ErrUnavailable", err)
		}
	})
}

func TestWriter_HighNumbersAreExact(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, s server) {
		// Lua counts in doubles and prints large ones as 1e+15 unless told otherwise.
		w := s.writer(t, s.client)
		const start = int64(1) << 52
		cfg := s.cfg.withDefaults()
		args := []any{w.Epoch().String(), strconv.FormatInt(start, 10), "w/s", "a", "w/s", "b"}
		keys := []string{cfg.hitsKey(0), cfg.booksKey(0)}
		for _, want := range []int{1, 0} {
			if got, err := newScripts().appendHits.Run(t.Context(), s.client, keys, args...).Int(); err != nil || got != want {
				t.Fatalf("script returned %d, %v, want %d", got, err, want)
			}
		}
		entries, err := s.reader().Read(t.Context(), 0, 10, 0)
		if err != nil || len(entries) != 2 || entries[1].Receipt.Number != start+1 {
			t.Errorf("read %+v, %v, want numbers %d and %d", entries, err, start, start+1)
		}
	})
}

// What the books count a hit by is written as an entry says it.
func TestAccount(t *testing.T) {
	t.Parallel()
	for _, at := range []hit.Instant{0, 1, -5e15, 1_795_290_789_387_000} {
		h := newHits(1)[0]
		h.Fact.ReceivedAt = at
		want := Entry{Field: fieldOf(h.Workspace, h.Fact.Source), Hour: at.Time()}.Account(false)
		if got := account(&h); got != want {
			t.Errorf("account %s, want %s", got, want)
		}
	}
}
