package stream

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/touchline/touchline/services/internal/hit"
)

// mustRead reads up to 100 entries of a shard.
func mustRead(t *testing.T, r *Reader, shard int, block time.Duration) []Entry {
	t.Helper()
	entries, err := r.Read(t.Context(), shard, 100, block)
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	return entries
}

// batch is all entries as the consumer's batch of a number, which stored their hits.
func batch(r *Reader, number int64, entries []Entry) Batch {
	b := Batch{Consumer: r.Consumer(), Number: number}
	for _, e := range entries {
		b.Shard = e.Shard
		b.Entries = append(b.Entries, e.ID)
		b.Fields = append(b.Fields, e.Account(true))
	}
	return b
}

func ids(t *testing.T, entries []Entry) []string {
	t.Helper()
	var got []string
	for _, e := range entries {
		h, err := hit.Decode(e.Payload)
		if err != nil {
			t.Fatalf("entry %s: %v", e.ID, err)
		}
		got = append(got, h.Fact.ID)
	}
	return got
}

func hitIDs(hits []hit.Hit) []string {
	var want []string
	for _, h := range hits {
		want = append(want, h.Fact.ID)
	}
	return want
}

func TestReader_Read(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, s server) {
		hits := newHits(3)
		receipt := mustAppend(t, s.writer(t, s.client), hits)
		entries := mustRead(t, s.reader(), receipt.Shard, 0)
		if diff := cmp.Diff(hitIDs(hits), ids(t, entries)); diff != "" {
			t.Errorf("read (-want +got):\n%s", diff)
		}
		for i, e := range entries {
			want := receipt
			want.Number += int64(i)
			if e.Receipt != want || e.Deliveries != 1 || e.Shard != receipt.Shard ||
				e.Field != fieldOf(hits[i].Workspace, hits[i].Fact.Source) {
				t.Errorf("entry %d is %+v, want receipt %+v", i, e, want)
			}
		}
	})
}

func TestReader_WaitsForNewEntries(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, s server) {
		s.cfg.Shards = 1
		r, got := s.reader(), make(chan []Entry, 1)
		if entries := mustRead(t, r, 0, 0); len(entries) != 0 {
			t.Fatalf("an empty stream gave %v", entries)
		}
		go func() {
			entries, err := r.Read(context.Background(), 0, 10, 5*time.Second)
			if err != nil {
				t.Errorf("read: %v", err)
			}
			got <- entries
		}()
		hits := newHits(1)
		mustAppend(t, s.writer(t, s.client), hits)
		if diff := cmp.Diff(hitIDs(hits), ids(t, <-got)); diff != "" {
			t.Errorf("read (-want +got):\n%s", diff)
		}
	})
}

func TestReader_OwnPendingEntriesComeFirstAfterAStart(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, s server) {
		s.cfg.Shards = 1
		w, r := s.writer(t, s.client), s.reader()
		before, after := newHits(2), newHits(1)
		mustAppend(t, w, before)
		mustRead(t, r, 0, 0)
		mustAppend(t, w, after)

		again := NewReader(s.client, s.cfg, "test", r.Consumer())
		first := mustRead(t, again, 0, 0)
		if diff := cmp.Diff(hitIDs(before), ids(t, first)); diff != "" {
			t.Errorf("first read (-want +got):\n%s", diff)
		}
		if first[0].Deliveries < 2 {
			t.Errorf("delivered %d times, want at least 2", first[0].Deliveries)
		}
		if diff := cmp.Diff(hitIDs(after), ids(t, mustRead(t, again, 0, 0))); diff != "" {
			t.Errorf("second read (-want +got):\n%s", diff)
		}
	})
}

func TestReader_LostAnswerStrandsNothing(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, s server) {
		s.cfg.Shards = 1
		client, p := s.through(t)
		w, r := s.writer(t, s.client), NewReader(client, s.cfg, "test", uuid.New())
		first, second := newHits(1), newHits(2)
		mustAppend(t, w, first)
		mustRead(t, r, 0, 0)
		mustRead(t, r, 0, 0)
		mustAppend(t, w, second)
		p.set(faultCut)
		if _, err := r.Read(t.Context(), 0, 10, 0); err == nil {
			t.Fatal("a cut connection gave no error")
		}
		p.set(faultNone)
		eventually(t, "Redis has handed the entries out", func() bool {
			pending, err := s.client.XPending(context.Background(), s.cfg.withDefaults().hitsKey(0), "test").Result()
			return err == nil && pending.Count == 3
		})
		if diff := cmp.Diff(hitIDs(second), ids(t, mustRead(t, r, 0, 0))); diff != "" {
			t.Errorf("read after the cut (-want +got):\n%s", diff)
		}
	})
}

func TestReader_CancelledReadStrandsNothing(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, s server) {
		s.cfg.Shards = 1
		r := s.reader()
		mustRead(t, r, 0, 0)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if _, err := r.Read(ctx, 0, 10, 300*time.Millisecond); err == nil {
			t.Error("a cancelled read gave no error")
		}
		hits := newHits(1)
		mustAppend(t, s.writer(t, s.client), hits)
		// Redis may give it to the forgotten read, whose connection is gone.
		var entries []Entry
		eventually(t, "the entry is read", func() bool {
			more, err := r.Read(t.Context(), 0, 10, 20*time.Millisecond)
			entries = append(entries, more...)
			return err == nil && len(entries) > 0
		})
		if diff := cmp.Diff(hitIDs(hits), ids(t, entries)); diff != "" {
			t.Errorf("read (-want +got):\n%s", diff)
		}
	})
}

func TestReader_MissingGroupIsHealed(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, s server) {
		s.cfg.Shards = 1
		key := s.cfg.withDefaults().hitsKey(0)
		w, r := s.writer(t, s.client), s.reader()
		mustRead(t, r, 0, 0)
		if err := s.client.Del(t.Context(), key).Err(); err != nil {
			t.Fatal(err)
		}
		if entries, err := r.Claim(t.Context(), 0, 0, 10); err != nil || len(entries) > 0 {
			t.Fatalf("claim without a group: %v, %v", entries, err)
		}
		if err := s.client.XGroupDestroy(t.Context(), key, "test").Err(); err != nil {
			t.Fatal(err)
		}
		// What came in while there was no group must be read.
		hits := newHits(2)
		mustAppend(t, w, hits)
		if diff := cmp.Diff(hitIDs(hits), ids(t, mustRead(t, r, 0, 0))); diff != "" {
			t.Errorf("read (-want +got):\n%s", diff)
		}
	})
}

func TestReader_StreamDeletedWhileWaiting(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, s server) {
		s.cfg.Shards = 1
		r := s.reader()
		mustRead(t, r, 0, 0)
		done := make(chan error, 1)
		go func() {
			_, err := r.Read(context.Background(), 0, 10, 200*time.Millisecond)
			done <- err
		}()
		if err := s.client.Del(t.Context(), s.cfg.withDefaults().hitsKey(0)).Err(); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Errorf("read: %v", err)
		}
		hits := newHits(1)
		mustAppend(t, s.writer(t, s.client), hits)
		if diff := cmp.Diff(hitIDs(hits), ids(t, mustRead(t, r, 0, 0))); diff != "" {
			t.Errorf("read (-want +got):\n%s", diff)
		}
	})
}

func TestReader_ClaimTakesOverWhatAnotherLeft(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, s server) {
		s.cfg.Shards = 1
		dead, living := s.reader(), s.reader()
		hits := newHits(5)
		mustAppend(t, s.writer(t, s.client), hits)
		mustRead(t, dead, 0, 0)
		if entries, err := living.Claim(t.Context(), 0, time.Hour, 10); err != nil || len(entries) > 0 {
			t.Fatalf("claimed %v, %v from a consumer that lives", entries, err)
		}
		var got []string
		for range 3 { // five entries, two at a time
			entries, err := living.Claim(t.Context(), 0, 0, 2)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				if e.Deliveries < 2 {
					t.Errorf("entry %s delivered %d times, want at least 2", e.ID, e.Deliveries)
				}
			}
			got = append(got, ids(t, entries)...)
		}
		if diff := cmp.Diff(hitIDs(hits), got); diff != "" {
			t.Errorf("claimed (-want +got):\n%s", diff)
		}
	})
}

func TestReader_DeletedEntriesAreCountedAsLost(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, s server) {
		s.realOnly(t, "its XDEL takes entries off the pending list")
		s.cfg.Shards = 1
		key := s.cfg.withDefaults().hitsKey(0)
		dead := s.reader()
		hits := newHits(3)
		mustAppend(t, s.writer(t, s.client), hits)
		entries := mustRead(t, dead, 0, 0)
		if err := s.client.XDel(t.Context(), key, entries[0].ID, entries[1].ID).Err(); err != nil {
			t.Fatal(err)
		}
		// The consumer starts again, and finds its own pending ones gone …
		again := NewReader(s.client, s.cfg, "test", dead.Consumer())
		if diff := cmp.Diff(hitIDs(hits[2:]), ids(t, mustRead(t, again, 0, 0))); diff != "" {
			t.Errorf("own pending (-want +got):\n%s", diff)
		}
		// … or another one claims them.
		if err := s.client.XDel(t.Context(), key, entries[2].ID).Err(); err != nil {
			t.Fatal(err)
		}
		other := s.reader()
		if claimed, err := other.Claim(t.Context(), 0, 0, 10); err != nil || len(claimed) > 0 {
			t.Errorf("claimed %v, %v", claimed, err)
		}
		if lost := again.Lost() + other.Lost(); lost != 3 {
			t.Errorf("%d lost, want 3", lost)
		}
		pending, err := s.client.XPending(t.Context(), key, "test").Result()
		if err != nil || pending.Count != 0 {
			t.Errorf("%+v, %v pending, want none", pending, err)
		}
	})
}

func TestReader_ForeignEntryIsHandedOut(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, s server) {
		cfg := s.cfg.withDefaults()
		err := s.client.Do(t.Context(), "XADD", cfg.hitsKey(0), "*", "n", "-1", "h", "x").Err()
		if err != nil {
			t.Fatal(err)
		}
		entries := mustRead(t, s.reader(), 0, 0)
		if len(entries) != 1 || entries[0].Receipt != (hit.Receipt{}) || string(entries[0].Payload) != "x" {
			t.Errorf("read %+v, want one entry without a receipt", entries)
		}
	})
}

func TestReader_ForgetKeepsWhoHasPendingEntries(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, s server) {
		s.realOnly(t, "it does not know how long a consumer has been idle")
		s.cfg.Shards = 1
		busy, idle, me := s.reader(), s.reader(), s.reader()
		mustAppend(t, s.writer(t, s.client), newHits(1))
		entries := mustRead(t, busy, 0, 0)
		// An idle consumer is known once it had something.
		if claimed, err := idle.Claim(t.Context(), 0, 0, 1); err != nil || len(claimed) != 1 {
			t.Fatalf("claimed %v, %v", claimed, err)
		}
		if _, err := busy.Claim(t.Context(), 0, 0, 1); err != nil {
			t.Fatal(err)
		}
		mustRead(t, me, 0, 0)
		if n, err := me.Forget(t.Context(), 0, time.Hour); err != nil || n != 0 {
			t.Errorf("forgot %d, %v within the hour, want none", n, err)
		}
		if n, err := me.Forget(t.Context(), 0, 0); err != nil || n != 1 {
			t.Errorf("forgot %d, %v, want one", n, err)
		}
		if err := busy.Settle(t.Context(), batch(busy, 1, entries)); err != nil {
			t.Fatal(err)
		}
		if n, err := me.Forget(t.Context(), 0, 0); err != nil || n != 1 {
			t.Errorf("forgot %d, %v after settling, want one", n, err)
		}
	})
}

func TestReader_UnknownShard(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, s server) {
		r := s.reader()
		for _, shard := range []int{-1, 2} {
			_, read := r.Read(t.Context(), shard, 1, 0)
			_, claim := r.Claim(t.Context(), shard, 0, 1)
			_, oldest := r.Oldest(t.Context(), shard)
			_, forget := r.Forget(t.Context(), shard, 0)
			settle := r.Settle(t.Context(), Batch{Shard: shard})
			for i, err := range []error{read, claim, oldest, forget, settle} {
				if err == nil {
					t.Errorf("call %d took shard %d of 2", i, shard)
				}
			}
		}
		if err := r.Settle(t.Context(), Batch{Entries: []string{"1-1"}}); err == nil || errors.Is(err, ErrOrder) {
			t.Errorf("a batch with an entry without field: %v", err)
		}
	})
}
