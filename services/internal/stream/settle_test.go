package stream

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
)

// checkBooks compares the books of shard 0.
func checkBooks(t *testing.T, s server, want ShardBooks) {
	t.Helper()
	books, err := ReadBooks(t.Context(), s.client, s.cfg)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, books[0], cmpopts.IgnoreFields(ShardBooks{}, "Appended", "Announced")); diff != "" {
		t.Errorf("books (-want +got):\n%s", diff)
	}
}

func TestReader_SettleIsDoneOnce(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, s server) {
		s.cfg.Shards = 1
		w, r := s.writer(t, s.client), s.reader()
		one, two := newHits(2), newHits(1)
		mustAppend(t, w, one)
		mustAppend(t, w, two)
		entries := mustRead(t, r, 0, 0)
		a, b := entries[0].Field, entries[2].Field
		want := ShardBooks{
			Accepted: map[string]int64{a: 2, b: 1},
			InFlight: map[string]int64{a: 1, b: 0},
			Spooled:  map[string]int64{},
			Settled:  map[uuid.UUID]int64{r.Consumer(): 1},
		}
		for range 2 {
			if err := r.Settle(t.Context(), batch(r, 1, entries[1:])); err != nil {
				t.Fatal(err)
			}
			checkBooks(t, s, want)
		}
		if lag, err := r.Oldest(t.Context(), 0); err != nil || lag.Length != 1 {
			t.Errorf("lag %+v, %v, want one entry", lag, err)
		}
	})
}

func TestReader_SettleKeepsTheOrderOfBatches(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, s server) {
		s.cfg.Shards = 1
		r := s.reader()
		mustAppend(t, s.writer(t, s.client), newHits(2))
		entries := mustRead(t, r, 0, 0)
		if err := r.Settle(t.Context(), batch(r, 2, entries)); !errors.Is(err, ErrOrder) {
			t.Errorf("settling batch 2 first: %v, want ErrOrder", err)
		}
		if lag, err := r.Oldest(t.Context(), 0); err != nil || lag.Length != 2 {
			t.Errorf("lag %+v, %v: a refused batch removed entries", lag, err)
		}
		for number, some := range [][]Entry{entries[:1], entries[1:], nil} {
			if err := r.Settle(t.Context(), batch(r, int64(number)+1, some)); err != nil {
				t.Errorf("batch %d: %v", number+1, err)
			}
		}
	})
}

func TestReader_SettleByTwoConsumersCountsOnce(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, s server) {
		s.cfg.Shards = 1
		slow, quick := s.reader(), s.reader()
		mustAppend(t, s.writer(t, s.client), newHits(1))
		entries := mustRead(t, slow, 0, 0)
		claimed, err := quick.Claim(t.Context(), 0, 0, 10)
		if err != nil {
			t.Fatal(err)
		}
		if err := quick.Settle(t.Context(), batch(quick, 1, claimed)); err != nil {
			t.Fatal(err)
		}
		known := batch(slow, 1, entries)
		known.Fields[0] = entries[0].Account(false) // quick stored it
		if err := slow.Settle(t.Context(), known); err != nil {
			t.Fatal(err)
		}
		f := entries[0].Field
		checkBooks(t, s, ShardBooks{
			Accepted: map[string]int64{f: 1}, InFlight: map[string]int64{f: 0},
			Spooled: map[string]int64{},
			Settled: map[uuid.UUID]int64{slow.Consumer(): 1, quick.Consumer(): 1},
		})
	})
}

// A batch that is long, and of whose entries some are gone, some stored by others and one
// lost, counts each as if it were alone.
func TestReader_SettleManyAtOnce(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, s server) {
		s.cfg.Shards = 1
		key := s.cfg.withDefaults().hitsKey(0)
		w, r := s.writer(t, s.client), s.reader()
		mustAppend(t, w, newHits(1100))
		mustAppend(t, w, newHits(7))
		entries, err := r.Read(t.Context(), 0, 5000, 0)
		if err != nil || len(entries) != 1107 {
			t.Fatalf("%d entries, %v", len(entries), err)
		}
		b := batch(r, 1, entries)
		known, gone, lost := 1100, 1101, 1102
		b.Fields[known], b.Fields[gone] = entries[known].Account(false), entries[gone].Account(false)
		b.Entries[lost], b.Fields[lost] = Lost, entries[lost].Account(false)
		for _, deleted := range []int{3, 600, gone} {
			if err := s.client.XDel(t.Context(), key, entries[deleted].ID).Err(); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			if err := r.Settle(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			many, few := entries[0].Field, entries[1100].Field
			checkBooks(t, s, ShardBooks{
				Accepted: map[string]int64{many: 1100, few: 6}, // the one that another batch stored was sent twice
				InFlight: map[string]int64{many: 0, few: 1},    // the one that is gone, which whoever stored it counts
				Spooled:  map[string]int64{}, Settled: map[uuid.UUID]int64{r.Consumer(): 1},
			})
		}
		left, err := s.client.XRange(t.Context(), key, "-", "+").Result()
		if err != nil || len(left) != 1 || left[0].ID != entries[lost].ID {
			t.Errorf("%d entries are left, %v", len(left), err)
		}
		pending, err := s.client.XPending(t.Context(), key, "test").Result()
		if err != nil || pending.Count != 1 {
			t.Errorf("%+v, %v: want the one that was lost to be pending", pending, err)
		}
		surplus, ok, err := NewProbe(s.client, s.cfg).Surplus(t.Context(), 0)
		if err != nil || !ok || len(surplus.Fields) > 0 || len(surplus.Hours) > 0 {
			t.Errorf("surplus %+v, %v, %v", surplus, ok, err)
		}
	})
}

func TestReader_SettleWithALostAnswer(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, s server) {
		s.cfg.Shards = 1
		client, p := s.through(t)
		r := NewReader(client, s.cfg, "test", uuid.New())
		mustAppend(t, s.writer(t, s.client), newHits(1))
		entries := mustRead(t, r, 0, 0)
		p.set(faultCut)
		if err := r.Settle(t.Context(), batch(r, 1, entries)); err == nil {
			t.Fatal("a cut connection gave no error")
		}
		p.set(faultNone)
		if err := r.Settle(t.Context(), batch(r, 1, entries)); err != nil {
			t.Fatal(err)
		}
		checkBooks(t, s, ShardBooks{
			Accepted: map[string]int64{entries[0].Field: 1}, InFlight: map[string]int64{entries[0].Field: 0},
			Spooled: map[string]int64{},
			Settled: map[uuid.UUID]int64{r.Consumer(): 1},
		})
	})
}

func TestReadBooks_OfNothing(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, s server) {
		books, err := ReadBooks(t.Context(), s.client, s.cfg)
		if err != nil || len(books) != 2 || books[1].Shard != 1 || books[1].Accepted == nil || books[1].Settled == nil {
			t.Errorf("books %+v, %v", books, err)
		}
	})
}

func TestReadBooks_RefusesWhatIsNoNumber(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, s server) {
		s.client.HSet(t.Context(), s.cfg.withDefaults().booksKey(0), "accepted:w/s", "many")
		if _, err := ReadBooks(t.Context(), s.client, s.cfg); err == nil {
			t.Error("books with a word for a count were read")
		}
	})
}

func TestReader_Oldest(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, s server) {
		s.cfg.Shards = 1
		r := s.reader()
		if lag, err := r.Oldest(t.Context(), 0); err != nil || lag != (Lag{}) {
			t.Errorf("lag of nothing: %+v, %v", lag, err)
		}
		mustAppend(t, s.writer(t, s.client), newHits(2))
		eventually(t, "the oldest entry ages", func() bool {
			lag, err := r.Oldest(t.Context(), 0)
			return err == nil && lag.Length == 2 && lag.Oldest >= 5*time.Millisecond && lag.Oldest < time.Minute
		})
	})
}

func TestAge(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		id, now string
		want    time.Duration
	}{
		{"1000-7", "2500", 1500 * time.Millisecond},
		{"1000-7", "900", 0}, // the clock went back
		{"", "900", 0},
		{"x-1", "900", 0},
	} {
		if got := age(c.id, c.now); got != c.want {
			t.Errorf("age(%q, %q) = %s, want %s", c.id, c.now, got, c.want)
		}
	}
}
