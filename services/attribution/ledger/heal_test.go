package ledger

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/postgres"
	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/internal/redistest"
	"github.com/touchline/touchline/services/internal/stream"
)

// ownRig is a rig with a Redis of its own.
func ownRig(t *testing.T) (*rig, *redistest.Server) {
	t.Helper()
	server := redistest.Own(t)
	client, err := stream.NewWriterClient(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return newRigOn(t, client, "own"), server
}

// watch runs a watch until the test ends and returns what it says.
func (r *rig) watch() *syncBuffer {
	var log syncBuffer
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	w := NewWatch(Config{Every: 50 * time.Millisecond, Logger: slog.New(slog.NewJSONHandler(&log, nil))}, r.sides)
	done.Go(func() { _ = w.Run(ctx) })
	r.t.Cleanup(func() { cancel(); done.Wait() })
	return &log
}

// traffic is an edge at work that notes which hits were acknowledged.
type traffic struct {
	mu    sync.Mutex
	acked []hit.Receipt
	stop  chan struct{}
	done  sync.WaitGroup
}

// drive sends hits from several callers until end is called.
func (r *rig) drive() *traffic {
	x := &traffic{stop: make(chan struct{})}
	for caller := range 3 {
		x.done.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-x.stop:
					return
				case <-time.After(2 * time.Millisecond):
				}
				some := orders(fmt.Sprint("c", caller, "-", n, "-", uuid.NewString()[:8], "-"), 1+n%4)
				first, err := r.writer.Append(context.Background(), some)
				if err != nil {
					continue // not acknowledged
				}
				x.mu.Lock()
				for i := range some {
					x.acked = append(x.acked, hit.Receipt{Epoch: first.Epoch, Shard: first.Shard, Number: first.Number + int64(i)})
				}
				x.mu.Unlock()
			}
		})
	}
	r.t.Cleanup(x.end)
	return x
}

func (x *traffic) count() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.acked)
}

// more waits until some more hits were acknowledged: the edge goes on.
func (x *traffic) more(t testing.TB, n int) {
	t.Helper()
	before := x.count()
	until(t, "hits to be acknowledged", func() bool { return x.count() >= before+n })
}

func (x *traffic) end() {
	select {
	case <-x.stop:
	default:
		close(x.stop)
	}
	x.done.Wait()
}

// accounted ends the traffic and checks that each acknowledged hit is stored exactly once
// or named by a gap, and that the books are right once the gaps are written off.
func (r *rig) accounted(x *traffic) (lost int64) {
	r.t.Helper()
	x.end()
	r.drained()
	r.derived()
	var known map[hit.Receipt]bool
	err := r.pool.InTx(r.t.Context(), postgres.ReadCommitted, func(ctx context.Context, tx *postgres.Tx) (err error) {
		known, err = tx.Known(ctx, x.acked)
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	missing := 0
	for _, receipt := range x.acked {
		if known[receipt] {
			continue
		}
		missing++
		until(r.t, fmt.Sprint(receipt, ", which was acknowledged and is not stored, to be named by a gap"), func() bool {
			return r.number(`select count(*) from sequence_gap where closed_at is null and epoch = $1 and shard = $2 and $3 between first and last`,
				receipt.Epoch, receipt.Shard, receipt.Number) == 1
		})
	}
	r.search() // what was stored after the last one is not lost
	lost = r.number("select coalesce(sum(last - first + 1), 0)::bigint from sequence_gap where closed_at is null")
	if facts := r.number("select count(*) from fact"); facts != int64(len(x.acked)-missing) {
		r.t.Errorf("%d facts of %d hits that were acknowledged and not lost", facts, len(x.acked)-missing)
	}
	if lost != int64(missing) {
		r.t.Errorf("gaps of %d hits, %d are missing", lost, missing)
	}
	for shard := range r.cfg.Shards {
		until(r.t, "everything to be written off", func() bool {
			gone, err := r.sides.WriteOff(r.t.Context(), shard, "me", time.Now().UTC())
			return err == nil && len(gone) == 0
		})
	}
	until(r.t, "the batches of the write-off to be settled", func() bool { return r.number("select count(*) from batch") == 0 })
	until(r.t, "the books to be right", func() bool { return r.check().Right })
	if report := r.check(); report.Total.Pending != 0 {
		r.t.Errorf("%+v", report)
	}
	return lost
}

// Redis is emptied, loses a stream, loses a group, again and again, while an edge, two
// workers and a watch are at work: all of them go on, nothing counts twice, and what was
// lost is named.
func TestHeal_whileRunning(t *testing.T) {
	t.Parallel()
	harms := map[string]struct {
		do    func(r *rig) error
		loses bool
	}{
		"FLUSHALL": {func(r *rig) error { return r.client.FlushAll(context.Background()).Err() }, true},
		"DEL of the stream": {func(r *rig) error {
			return r.client.Del(context.Background(), r.hits(0), r.hits(1)).Err()
		}, true},
		"DEL of the books": {func(r *rig) error {
			return r.client.Del(context.Background(), r.books(0), r.books(1)).Err()
		}, false},
		"XGROUP DESTROY": {func(r *rig) error {
			for shard := range r.cfg.Shards {
				if err := r.client.XGroupDestroy(context.Background(), r.hits(shard), "attribution").Err(); err != nil {
					return err
				}
			}
			return nil
		}, false},
	}
	for name, harm := range harms {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, _ := ownRig(t)
			r.worker()
			r.worker()
			log := r.watch()
			x := r.drive()
			for range 3 {
				x.more(t, 100)
				if err := harm.do(r); err != nil {
					t.Fatal(err)
				}
			}
			x.more(t, 150)
			lost := r.accounted(x)
			if lost > 0 && !harm.loses {
				t.Errorf("%d hits were lost by %s", lost, name)
			}
			t.Logf("%d acknowledged, %d lost and named", x.count(), lost)
			if lost > 0 {
				until(t, "the watch to tell", func() bool { return strings.Contains(log.String(), "hits were lost") })
			}
		})
	}
}

// Redis is killed and comes back without the last commands, some of which were hits that
// are stored already, some of hits that are not, some settled: the books are made anew,
// and what is lost for good is named within 10 s.
func TestHeal_cutLog(t *testing.T) {
	t.Parallel()
	r, server := ownRig(t)
	log := r.watch()
	stop := r.worker()
	x := r.drive()
	for round := range 2 {
		x.more(t, 100)
		// What was settled behind this point is in the stream once more, what was appended
		// is nowhere.
		length := server.Logged()
		x.more(t, 100)
		if round == 1 {
			stop() // so that some is in nobody's hands
			x.more(t, 50)
		}
		before := strings.Count(log.String(), "they are made anew")
		server.Kill()
		server.Cut(length)
		server.Start()
		began := time.Now()
		if round == 1 {
			stop = r.worker()
		}
		until(t, "the books to be made anew", func() bool {
			return strings.Count(log.String(), "they are made anew") > before
		})
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("after %v", took)
		}
		x.more(t, 100)
	}
	lost := r.accounted(x)
	if lost == 0 {
		t.Error("the log was cut for nothing")
	}
	until(t, "the watch to tell", func() bool { return strings.Contains(log.String(), "hits were lost") })
	t.Logf("%d acknowledged, %d lost and named", x.count(), lost)
}

// Redis comes back without having settled what a worker settled, and with every number
// that was appended: the terms of that batch prove it.
func TestHeal_unsettled(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	stop := r.worker()
	first := r.append(orders("o", 3)...)
	r.drained()
	stop()
	r.exec(`with gone as (delete from touched returning *)
		insert into ledger_batch (workspace_id, consumer, shard, batch, source_id, hour, stored, duplicate, conflict, rejected)
		select workspace_id, consumer, shard, batch, source_id, hour, count(*), 0, 0, 0 from gone group by 1, 2, 3, 4, 5, 6`)
	r.search()
	if gaps := r.search(); len(gaps.Behind) != 0 {
		t.Fatalf("behind before anything happened: %v", gaps.Behind)
	}
	books, err := r.sides.Probe.Books(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for consumer := range books[first.Shard].Settled {
		if err := r.client.HDel(t.Context(), r.books(first.Shard), "settled:"+consumer.String()).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if gaps := r.search(); !slices.Equal(gaps.Behind, []int{first.Shard}) {
		t.Fatalf("behind: %v", gaps.Behind)
	}
	if err := r.sides.Rebuild(t.Context(), first.Shard); err != nil {
		t.Fatal(err)
	}
	if gaps := r.search(); len(gaps.Behind) != 0 {
		t.Errorf("behind still: %v", gaps.Behind)
	}
	until(t, "the books to be right", func() bool { return r.check().Right })
}

// Redis comes back with books of which nothing but the sum is wrong. In the run of Redis
// in which they were made that would be our fault, and stays to be seen.
func TestHeal_imbalance(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.worker()
	first := r.append(orders("o", 3)...)
	r.drained()
	log := r.watch()
	books := r.books(first.Shard)
	if err := r.client.HIncrBy(t.Context(), books, "accepted:"+shop.String()+"/"+site.String(), 2).Err(); err != nil {
		t.Fatal(err)
	}
	until(t, "the imbalance to be told", func() bool { return strings.Contains(log.String(), "the books do not balance") })
	if strings.Contains(log.String(), "made anew") {
		t.Error("books of this run of Redis were made anew")
	}
	fields, err := r.client.HKeys(t.Context(), books).Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range fields {
		if strings.HasPrefix(f, "run:") {
			r.client.HDel(t.Context(), books, f)
		}
	}
	r.client.HSet(t.Context(), books, "run:another", 1)
	until(t, "the books to be right", func() bool { return r.check().Right })
	if !strings.Contains(log.String(), "made anew") {
		t.Error("nothing was said")
	}
}
