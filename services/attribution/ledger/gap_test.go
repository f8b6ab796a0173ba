package ledger

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/internal/stream"
)

// One acknowledged entry is deleted, the last of its stream and nothing comes after it:
// a watch says so within 10 s and names its receipt.
func TestWatch_namesADeletedEntry(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.append(orders("a", 3)...)
	lost := r.append(orders("b", 2)...)
	lost.Number++ // the last of its shard
	r.delete(lost)
	r.worker()
	r.drained()

	var log syncBuffer
	metrics := prometheus.NewRegistry()
	watch := NewWatch(Config{Logger: slog.New(slog.NewJSONHandler(&log, nil)), Registerer: metrics}, r.sides)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	begun := time.Now()
	go func() { ended <- watch.Run(ctx) }()
	name := fmt.Sprintf("%s-%d-%d", lost.Epoch, lost.Shard, lost.Number)
	until(t, "the alarm", func() bool { return strings.Contains(log.String(), name) })
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("after %v", took)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if n := testutil.ToFloat64(watch.metrics.gaps); n != 1 {
		t.Errorf("%v gaps counted", n)
	}
	if n := testutil.ToFloat64(watch.metrics.imbalance); n != 0 {
		t.Errorf("imbalance %v: what was lost is still pending", n)
	}
	if n, err := testutil.GatherAndCount(metrics, "touchline_sequence_gaps_total", "touchline_ledger_imbalance"); err != nil || n != 2 {
		t.Errorf("%d metrics, %v", n, err)
	}
}

// put has hits of an edge that has numbered nine in the second shard.
func (r *rig) put(epoch uuid.UUID, numbers ...int) {
	r.t.Helper()
	for _, n := range numbers {
		h := order(fmt.Sprint(n))
		payload, err := hit.Encode(nil, &h)
		if err != nil {
			r.t.Fatal(err)
		}
		if err := r.client.Do(r.t.Context(), "XADD", r.hits(1), "*", "e", epoch.String(), "n", n, "w", shop.String()+"/"+site.String(), "h", payload).Err(); err != nil {
			r.t.Fatal(err)
		}
	}
	if err := r.client.HSet(r.t.Context(), r.books(1), "epoch:"+epoch.String(), 9).Err(); err != nil {
		r.t.Fatal(err)
	}
}

// What has been stored since a gap was noted is not written off: it would count as lost
// and as stored for good.
func TestSides_WriteOff_turnedUp(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	epoch := uuid.New()
	r.put(epoch, 1, 2, 8)
	r.worker()
	r.drained()
	if gaps := r.search(); gaps.Open != 6 {
		t.Fatalf("%+v", gaps)
	}
	r.put(epoch, 3, 4, 6, 7, 9)
	r.drained()
	r.writeOff(1, 1)
	if n := r.number("select first from sequence_gap where written_off_at is not null"); n != 5 {
		t.Errorf("%d was written off, want 5", n)
	}
	if n := r.number("select sum(last - first + 1)::bigint from sequence_gap where closed_at is not null"); n != 5 {
		t.Errorf("the table tells of %d closed, want those that turned up", n)
	}
}

// A gap is told once, narrows when a part of it turns up, and closes with the rest.
func TestSides_Search_closesWhatTurnsUp(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	epoch := uuid.New()
	run := func(first, last int64) stream.Run {
		return stream.Run{Epoch: epoch, Shard: 1, First: first, Last: last}
	}
	r.put(epoch, 1, 2, 8)
	r.worker()
	r.drained()
	steps := []struct {
		turnsUp []int
		want    Gaps
	}{
		{nil, Gaps{Found: []stream.Run{run(3, 7), run(9, 9)}, Open: 6}},
		{nil, Gaps{Open: 6}},
		{[]int{5}, Gaps{Closed: []stream.Run{run(5, 5)}, Open: 5}},
		{nil, Gaps{Open: 5}},
		{[]int{3, 4, 6, 7, 9}, Gaps{Closed: []stream.Run{run(3, 4), run(6, 7), run(9, 9)}}},
		{nil, Gaps{}},
	}
	for n, step := range steps {
		r.put(epoch, step.turnsUp...)
		r.drained()
		step.want.Searched = true
		if diff := cmp.Diff(step.want, r.search()); diff != "" {
			t.Errorf("step %d (-want +got):\n%s", n, diff)
		}
	}
	if n := r.number("select sum(last - first + 1)::bigint from sequence_gap where closed_at is not null"); n != 6 {
		t.Errorf("the table tells of %d closed", n)
	}
}

// Redis loses everything after the numbers were noted: the lost ones are known although
// nothing of that edge ever comes again.
func TestSides_Search_redisEmptied(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	first := r.append(orders("a", 4)...)
	if gaps := r.search(); gaps.Open != 0 {
		t.Fatalf("%+v although all is in the stream", gaps)
	}
	r.client.Del(t.Context(), r.hits(first.Shard), r.books(first.Shard))
	r.worker()
	want := []stream.Run{{Epoch: first.Epoch, Shard: first.Shard, First: 1, Last: 4}}
	if diff := cmp.Diff(want, r.search().Found); diff != "" {
		t.Errorf("found (-want +got):\n%s", diff)
	}
}

// Traffic, workers that die and come again, entries handed out twice, batches of which
// nobody knows whether they were stored: searched all the time, and never an alarm.
func TestSides_Search_noFalseAlarms(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var sent atomic.Int64
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for n := range 150 {
			if n == 70 {
				r.edge()
			}
			r.append(orders(fmt.Sprint("x", n, "-"), 1+n%9)...)
			sent.Add(int64(1 + n%9))
		}
	}()
	searched := 0
	look := func() {
		if gaps := r.search(); len(gaps.Found) > 0 || gaps.Open > 0 {
			t.Fatalf("a false alarm after %d searches: %v", searched, gaps.Found)
		}
		searched++
	}
	for round := 0; ; round++ {
		stop := r.worker()
		for range 5 {
			look()
		}
		stop()
		select {
		case <-stopped:
		default:
			// Everything that is in the stream is handed out again.
			for shard := range r.cfg.Shards {
				r.client.Do(t.Context(), "XGROUP", "SETID", r.hits(shard), "attribution", "0")
			}
			continue
		}
		break
	}
	r.worker()
	r.drained()
	look()
	if n := r.number("select count(*) from fact"); n != sent.Load() {
		t.Errorf("%d facts of %d hits", n, sent.Load())
	}
	t.Logf("%d hits, %d searches", sent.Load(), searched)
}

// A thousand entries that are handed out again change no term.
func TestLedger_redeliveryChangesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const total = 1000
	for n := range 10 {
		r.append(orders(fmt.Sprint("r", n, "-"), total/10)...)
	}
	copies := map[int][]map[string]any{}
	for shard := range r.cfg.Shards {
		entries, err := r.client.XRange(t.Context(), r.hits(shard), "-", "+").Result()
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			copies[shard] = append(copies[shard], e.Values)
		}
	}
	r.worker()
	r.drained()
	terms := func() (map[string]Terms, error) { return r.sides.terms(t.Context()) }
	before := inTime(r, terms)
	again := 0
	for shard, all := range copies {
		for _, values := range all {
			if err := r.client.Do(t.Context(), "XADD", r.hits(shard), "*", "e", values["e"], "n", values["n"], "w", values["w"], "h", values["h"]).Err(); err != nil {
				t.Fatal(err)
			}
			// As the first time: an entry that is there is accepted and in flight.
			r.client.HIncrBy(t.Context(), r.books(shard), "accepted:"+fmt.Sprint(values["w"]), 1)
			r.client.HIncrBy(t.Context(), r.books(shard), "inflight:"+fmt.Sprint(values["w"]), 1)
			again++
		}
	}
	r.drained()
	after := inTime(r, terms)
	if diff := cmp.Diff(before, after); diff != "" || again != total {
		t.Errorf("after %d redeliveries (-before +after):\n%s", again, diff)
	}
	if gaps := r.search(); gaps.Open != 0 {
		t.Errorf("%+v", gaps)
	}
}

// syncBuffer is a log that is read while it is written.
type syncBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
