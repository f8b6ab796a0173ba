package stream

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
)

// gated is an appender whose flushes wait to be let through, as by a slow Redis.
type gated struct {
	Appender
	begun chan Run
	pass  chan struct{}
	under atomic.Int64 // flushes under way
}

func (g *gated) Append(ctx context.Context, run Run, fields, payloads []string) error {
	g.under.Add(1)
	defer g.under.Add(-1)
	g.begun <- run
	<-g.pass
	return g.Appender.Append(ctx, run, fields, payloads)
}

// gatedWriter is a writer whose flushes wait.
func gatedWriter(t *testing.T, s server) (*Writer, *gated) {
	t.Helper()
	g := &gated{Appender: NewAppender(s.client, s.cfg), begun: make(chan Run, 100), pass: make(chan struct{}, 100)}
	w, err := NewWriterTo(g, s.cfg, uuid.New())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		close(g.pass)
		if err := w.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return w, g
}

// queued is how many hits wait, by shard.
func queued(w *Writer) []int {
	counts := make([]int, len(w.shards))
	for i, c := range w.shards {
		c.mu.Lock()
		counts[i] = c.entries
		c.mu.Unlock()
	}
	return counts
}

// What comes while a flush is under way goes with one flush of another shard, and each
// shard has its turn.
func TestWriter_Gathers(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, s server) {
		s.cfg.turn, s.cfg.Timeout, s.cfg.attempt = time.Hour, time.Hour, time.Hour
		w, g := gatedWriter(t, s)
		const callers = 9
		var wg sync.WaitGroup
		wg.Go(func() { mustAppend(t, w, newHits(1)) })
		former, shards := <-g.begun, map[int]bool{}
		for range 8 {
			shards[former.Shard] = true
			for range callers {
				wg.Go(func() { mustAppend(t, w, newHits(1)) })
			}
			eventually(t, "all calls are queued", func() bool {
				n := 0
				for _, waiting := range queued(w) {
					n += waiting
				}
				return n == callers
			})
			for i, waiting := range queued(w) {
				if waiting != 0 && (waiting != callers || i == former.Shard) {
					t.Errorf("%d of %d calls gather in shard %d, while one of shard %d is under way", waiting, callers, i, former.Shard)
				}
			}
			g.pass <- struct{}{}
			if former = <-g.begun; former.Len() != callers {
				t.Errorf("a flush has %d hits, want the %d that came meanwhile", former.Len(), callers)
			}
		}
		g.pass <- struct{}{}
		wg.Wait()
		if len(shards) != len(w.shards) {
			t.Errorf("%d of %d shards had a turn", len(shards), len(w.shards))
		}
		checkDense(t, stored(t, s, w.Epoch()))
	})
}

// A flush that is held up keeps the others waiting for its turn alone, and calls do not
// gather behind it.
func TestWriter_GoesOnWithoutAFlushThatIsHeldUp(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, s server) {
		s.cfg.Timeout, s.cfg.attempt = time.Hour, time.Hour
		w, g := gatedWriter(t, s)
		var wg sync.WaitGroup
		wg.Go(func() { mustAppend(t, w, newHits(1)) })
		shards := map[int]bool{(<-g.begun).Shard: true}
		for range len(w.shards) - 1 { // nothing is let through meanwhile
			wg.Go(func() { mustAppend(t, w, newHits(1)) })
			shards[(<-g.begun).Shard] = true
		}
		if len(shards) != len(w.shards) || g.under.Load() != int64(len(w.shards)) {
			t.Errorf("%d flushes of %d shards are under way, want one of each of %d", g.under.Load(), len(shards), len(w.shards))
		}
		for range w.shards {
			g.pass <- struct{}{}
		}
		wg.Wait()
		checkDense(t, stored(t, s, w.Epoch()))
	})
}

// Flushes that could not be larger do not wait for each other.
func TestWriter_FullFlushesTakeNoTurns(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, s server) {
		s.cfg.turn, s.cfg.Timeout, s.cfg.attempt, s.cfg.MaxEntries = time.Hour, time.Hour, time.Hour, 2
		w, g := gatedWriter(t, s)
		var wg sync.WaitGroup
		shards := map[int]bool{}
		for range w.shards { // nothing is let through meanwhile
			wg.Go(func() { mustAppend(t, w, newHits(2)) })
			shards[(<-g.begun).Shard] = true
		}
		if len(shards) != len(w.shards) {
			t.Errorf("flushes of %d shards are under way, want %d", len(shards), len(w.shards))
		}
		for range w.shards {
			g.pass <- struct{}{}
		}
		wg.Wait()
		checkDense(t, stored(t, s, w.Epoch()))
	})
}

// What is left behind a full flush needs no turn either when it is as much again.
func TestWriter_FullFlushesLeaveFullOnes(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, s server) {
		s.cfg.Shards, s.cfg.turn, s.cfg.Timeout, s.cfg.attempt, s.cfg.MaxEntries = 1, time.Hour, time.Hour, time.Hour, 2
		w, g := gatedWriter(t, s)
		end := w.turns.take(nil)
		c := w.shards[0]
		c.mu.Lock()
		for range 2 { // both before the committer sees one
			one, err := newCall(newHits(2))
			if err != nil {
				t.Fatal(err)
			}
			c.queue, c.entries, c.queued = append(c.queue, one), c.entries+2, c.queued+one.bytes
		}
		c.tell()
		c.mu.Unlock()
		c.wake <- struct{}{}
		for range 2 {
			if f := <-g.begun; f.Len() != 2 {
				t.Errorf("a flush has %d hits, want 2", f.Len())
			}
			g.pass <- struct{}{}
		}
		end(1)
	})
}

// The turn comes at once when the flush before was of one call, later when it was of many,
// and without its end being told in the end.
func TestTurns_Take(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		turns := newTurns(turnTime)
		begun := time.Now()
		for i, c := range []struct {
			calls int           // of a flush; -1: it does not end
			takes time.Duration // the flush
			next  time.Duration // when the turn after it comes, after its beginning
		}{
			{1, 0, 0},
			{2, 0, gatherTime},
			{2, gatherTime / 4, gatherTime},
			{9, 2 * gatherTime, 2 * gatherTime},
			{1, gatherTime / 4, gatherTime / 4},
			{-1, 0, turnTime},
			{0, 0, 0},
		} {
			end := turns.take(nil)
			if waited := time.Since(begun); waited != 0 {
				t.Errorf("flush %d: the turn came %s late", i, waited)
			}
			if c.calls >= 0 {
				<-time.After(c.takes)
				end(c.calls)
			}
			begun = begun.Add(c.next)
		}
	})
}
