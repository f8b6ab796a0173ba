package stream

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/touchline/touchline/services/internal/hit"
)

func TestWriter_LostAnswerIsResolvedOnce(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]fault{"swallowed": faultSwallow, "cut": faultCut, "late": faultLate, "refused": faultRefuse} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachServer(t, func(t *testing.T, s server) {
				s.cfg.Shards, s.cfg.Timeout, s.cfg.attempt = 1, 2*time.Second, 30*time.Millisecond
				client, p := s.through(t)
				w := s.writer(t, client)
				mustAppend(t, w, newHits(1))

				p.set(f)
				unanswered := newHits(2)
				if _, err := w.Append(t.Context(), unanswered); !errors.Is(err, ErrUnavailable) {
					t.Fatalf("append without an answer: %v, want ErrUnavailable", err)
				}
				eventually(t, "the writer is not ready", func() bool { return w.Ready() != nil })
				eventually(t, "a call in doubt is refused at once and not after its time", func() bool {
					began := time.Now()
					if _, err := w.Append(t.Context(), newHits(1)); !errors.Is(err, ErrUnavailable) {
						t.Errorf("append in doubt: %v, want ErrUnavailable", err)
					}
					return time.Since(began) < s.cfg.Timeout/2
				})

				p.set(faultNone)
				eventually(t, "the writer is ready again", func() bool { return w.Ready() == nil })
				after := newHits(1)
				if got := mustAppend(t, w, after); got.Number != 4 {
					t.Errorf("number %d after the flush in doubt, want 4", got.Number)
				}
				eventually(t, "held back requests have arrived", func() bool { return p.late.Load() == 0 })
				numbers := stored(t, s, w.Epoch())
				checkDense(t, numbers)
				if numbers[0][2] != unanswered[0].Fact.ID || numbers[0][4] != after[0].Fact.ID || len(numbers[0]) != 4 {
					t.Errorf("stored %v", numbers[0])
				}
			})
		})
	}
}

func TestWriter_AbandonedCallIsNeverSent(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, s server) {
		s.cfg.Shards, s.cfg.Timeout, s.cfg.attempt = 1, time.Minute, time.Second
		client, p := s.through(t)
		w := s.writer(t, client)
		mustAppend(t, w, newHits(1)) // so that a connection is there
		p.set(faultSwallow)
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = w.Append(context.Background(), newHits(1)) })
		eventually(t, "the first flush is on its way", func() bool {
			n, err := s.client.XLen(context.Background(), w.cfg.hitsKey(0)).Result()
			return err == nil && n == 2
		})
		ctx, cancel := context.WithCancel(t.Context())
		wg.Go(func() {
			if _, err := w.Append(ctx, newHits(1)); !errors.Is(err, ErrUnavailable) {
				t.Errorf("abandoned call: %v, want ErrUnavailable", err)
			}
		})
		eventually(t, "the second call is queued", func() bool { return !w.shards[0].empty() })
		cancel()
		eventually(t, "the second call is gone", w.shards[0].empty)
		p.set(faultNone)
		wg.Wait()
		if got := mustAppend(t, w, newHits(1)); got.Number != 3 {
			t.Errorf("number %d, want 3: the abandoned call took one", got.Number)
		}
	})
}

// TestWriter_Chaos appends from many goroutines while the line to Redis breaks in
// every way at random, and then holds what is stored against the receipts.
func TestWriter_Chaos(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, s server) {
		seed := uint64(time.Now().UnixNano())
		t.Logf("seed %d", seed)
		random := rand.New(rand.NewPCG(seed, 1))
		s.cfg.Timeout, s.cfg.attempt = 500*time.Millisecond, 40*time.Millisecond
		client, p := s.through(t)
		w := s.writer(t, client)

		stop, acked := make(chan struct{}), &ledger{ids: map[hit.Receipt]string{}}
		var wg sync.WaitGroup
		for range 12 {
			wg.Go(func() { acked.appendUntil(stop, w) })
		}
		for i := range 15 {
			p.set(fault(1 + random.IntN(4)))
			// One fault outlasts the patience of every call.
			<-time.After(time.Duration(random.IntN(150)+i/14*1000) * time.Millisecond)
			p.set(faultNone)
			before := acked.count()
			eventually(t, "hits are acknowledged again", func() bool { return acked.count() > before })
			<-time.After(time.Duration(random.IntN(60)) * time.Millisecond)
		}
		close(stop)
		wg.Wait()
		if err := w.Close(t.Context()); err != nil {
			t.Fatalf("close: %v", err)
		}
		eventually(t, "held back requests have arrived", func() bool { return p.late.Load() == 0 })
		acked.check(t, s, w)
	})
}

// ledger is what a sender knows: the hits that were acknowledged.
type ledger struct {
	mu      sync.Mutex
	ids     map[hit.Receipt]string
	refused int
}

func (l *ledger) appendUntil(stop <-chan struct{}, w *Writer) {
	for {
		select {
		case <-stop:
			return
		default:
		}
		hits := newHits(2)
		receipt, err := w.Append(context.Background(), hits)
		l.mu.Lock()
		if err != nil {
			l.refused++
		} else {
			for _, h := range hits {
				l.ids[receipt] = h.Fact.ID
				receipt.Number++
			}
		}
		l.mu.Unlock()
		if err != nil {
			<-time.After(time.Millisecond) // as a client would, or refusals keep the processor busy
		}
	}
}

func (l *ledger) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.ids)
}

func (l *ledger) check(t *testing.T, s server, w *Writer) {
	t.Helper()
	shards := stored(t, s, w.Epoch())
	checkDense(t, shards)
	seen := map[string]bool{}
	total := 0
	for _, numbers := range shards {
		total += len(numbers)
		for _, id := range numbers {
			if seen[id] {
				t.Errorf("hit %s is stored twice", id)
			}
			seen[id] = true
		}
	}
	for receipt, id := range l.ids {
		if got := shards[receipt.Shard][receipt.Number]; got != id {
			t.Errorf("receipt %d/%d is %q, want %q", receipt.Shard, receipt.Number, got, id)
		}
	}
	books, err := ReadBooks(t.Context(), s.client, s.cfg)
	if err != nil {
		t.Fatal(err)
	}
	var accepted, inFlight int64
	for _, b := range books {
		for f := range b.Accepted {
			accepted, inFlight = accepted+b.Accepted[f], inFlight+b.InFlight[f]
		}
	}
	if accepted != int64(total) || inFlight != int64(total) {
		t.Errorf("books say %d accepted and %d in flight, %d are stored", accepted, inFlight, total)
	}
	if len(l.ids) == 0 || l.refused == 0 {
		t.Errorf("%d acknowledged, %d refused: the test did not test", len(l.ids), l.refused)
	}
	t.Logf("%d acknowledged, %d refused calls, %d stored", len(l.ids), l.refused, total)
}
