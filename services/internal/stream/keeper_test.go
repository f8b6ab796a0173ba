package stream

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/internal/spool"
)

// spooled gives a server's writers a spool.
func (s *server) spooled(t *testing.T, dir string, cfg spool.Config) *spool.Spool {
	t.Helper()
	cfg.Logger = s.cfg.Logger
	disk, err := spool.Open(dir, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = disk.Close() })
	s.cfg.Spool = disk
	return disk
}

func totals(t testing.TB, s server) (accepted, spooled, inFlight int64) {
	t.Helper()
	books, err := ReadBooks(context.Background(), s.client, s.cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range books {
		for _, n := range b.Accepted {
			accepted += n
		}
		for _, n := range b.Spooled {
			spooled += n
		}
		for _, n := range b.InFlight {
			inFlight += n
		}
	}
	return accepted, spooled, inFlight
}

func TestWriter_KeepsOnDiskWhatRedisDoesNotTake(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]fault{"swallowed": faultSwallow, "cut": faultCut, "late": faultLate, "refused": faultRefuse} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachServer(t, func(t *testing.T, s server) {
				s.cfg.Shards, s.cfg.Timeout = 1, 50*time.Millisecond
				disk := s.spooled(t, t.TempDir(), spool.Config{})
				client, p := s.through(t)
				w := s.writer(t, client)
				want := map[int64]string{}
				add := func() {
					for _, h := range []int{1, 3} {
						hits := newHits(h)
						r := mustAppend(t, w, hits)
						for i := range hits {
							want[r.Number+int64(i)] = hits[i].Fact.ID
						}
					}
				}
				add()
				p.set(f)
				add()
				add()
				if w.Ready() != nil || disk.Stats().Bytes == 0 {
					t.Errorf("ready: %v, %d bytes on disk", w.Ready(), disk.Stats().Bytes)
				}
				p.set(faultNone)
				eventually(t, "the disk is drained", func() bool { return disk.Stats().Bytes == 0 })
				add()
				eventually(t, "nothing is on disk again", func() bool { return disk.Stats().Bytes == 0 }) // if Redis was slow
				eventually(t, "held back requests have arrived", func() bool { return p.late.Load() == 0 })
				if diff := cmp.Diff(want, stored(t, s, w.Epoch())[0]); diff != "" {
					t.Errorf("receipts and what is stored differ (-receipts +stored):\n%s", diff)
				}
				if accepted, spooled, inFlight := totals(t, s); accepted != 16 || spooled != 0 || inFlight != 16 {
					t.Errorf("books: %d accepted, %d spooled, %d in flight, want 16, 0, 16", accepted, spooled, inFlight)
				}
			})
		})
	}
}

// TestWriter_ChaosWithSpool breaks the line to Redis in every way: no hit is refused,
// and each is stored once under its receipt.
func TestWriter_ChaosWithSpool(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, s server) {
		s.cfg.Timeout = 40 * time.Millisecond
		disk := s.spooled(t, t.TempDir(), spool.Config{Segment: 4096})
		client, p := s.through(t)
		w := s.writer(t, client)
		stop, acked := make(chan struct{}), &ledger{ids: map[hit.Receipt]string{}}
		var wg sync.WaitGroup
		for range 12 {
			wg.Go(func() { acked.appendUntil(stop, w) })
		}
		spooledOnce := false
		for i := range 12 {
			p.set(fault(1 + i%4))
			before := acked.count()
			eventually(t, "hits are acknowledged without Redis", func() bool { return acked.count() > before+50 })
			spooledOnce = spooledOnce || disk.Stats().Bytes > 0
			p.set(faultNone)
			if i%3 == 0 {
				eventually(t, "the disk is drained while hits come", func() bool { return disk.Stats().Bytes == 0 })
			}
		}
		close(stop)
		wg.Wait()
		if err := w.Close(t.Context()); err != nil {
			t.Fatalf("close: %v", err)
		}
		if disk.Stats().Bytes > 0 { // Redis was slow at the end: the next start brings the rest
			s.writer(t, s.client)
			eventually(t, "the disk is drained", func() bool { return disk.Stats().Bytes == 0 })
		}
		if acked.refused > 0 || !spooledOnce {
			t.Errorf("%d refused, spooled %t", acked.refused, spooledOnce)
		}
		eventually(t, "held back requests have arrived", func() bool { return p.late.Load() == 0 })
		acked.refused++ // check wants a refusal to have been tested
		acked.check(t, s, w)
	})
}

// A process dies at any moment with hits on disk: the next one finds them, and what
// both bring to Redis is there once.
func TestWriter_FindsWhatACrashLeft(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, s server) {
		s.cfg.Timeout = 20 * time.Millisecond
		dir := t.TempDir()
		s.spooled(t, dir, spool.Config{})
		client, p := s.through(t)
		w := s.writer(t, client)
		acked := &ledger{ids: map[hit.Receipt]string{}, refused: 1}
		p.set(faultCut)
		stop := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() { acked.appendUntil(stop, w) })
		eventually(t, "hits are kept", func() bool { return acked.count() > 100 })
		close(stop)
		wg.Wait()

		// What the disk holds at this moment is what a crash would leave.
		left := t.TempDir()
		if err := os.CopyFS(left, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		p.set(faultNone) // the "dead" one drains half of its own beside the next one
		next := s
		disk := next.spooled(t, left, spool.Config{})
		after := next.writer(t, s.client)
		mustAppend(t, after, newHits(1))
		eventually(t, "both are drained", func() bool {
			return disk.Stats().Bytes == 0 && s.cfg.Spool.Stats().Bytes == 0
		})
		if err := after.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if logs, err := filepath.Glob(filepath.Join(left, "*.*")); err != nil || len(logs) > 0 {
			t.Errorf("logs left: %v, %v", logs, err)
		}
		shards := stored(t, s, w.Epoch())
		checkDense(t, shards)
		for receipt, id := range acked.ids {
			if got := shards[receipt.Shard][receipt.Number]; got != id {
				t.Errorf("receipt %d/%d is %q, want %q", receipt.Shard, receipt.Number, got, id)
			}
		}
		total := int64(len(shards[0]) + len(shards[1]) + 1)
		if accepted, spooled, inFlight := totals(t, s); accepted != total || spooled != 0 || inFlight != total {
			t.Errorf("books: %d accepted, %d spooled, %d in flight, want %d, 0, %d", accepted, spooled, inFlight, total, total)
		}
	})
}

func TestWriter_SpoolFull(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, s server) {
		s.cfg.Shards, s.cfg.Timeout, s.cfg.attempt = 1, 20*time.Millisecond, 20*time.Millisecond
		disk := s.spooled(t, t.TempDir(), spool.Config{MaxBytes: 4000})
		client, p := s.through(t)
		w := s.writer(t, client)
		p.set(faultRefuse)
		kept := 0
		for ; kept < 100; kept++ {
			if _, err := w.Append(t.Context(), newHits(1)); errors.Is(err, ErrUnavailable) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
		if kept == 0 || kept == 100 {
			t.Fatalf("%d hits were kept", kept)
		}
		if w.Ready() == nil {
			t.Error("ready with a full spool")
		}
		p.set(faultNone)
		eventually(t, "the disk is drained", func() bool { return disk.Stats().Bytes == 0 })
		receipt := mustAppend(t, w, newHits(1))
		if receipt.Number != int64(kept+1) {
			t.Errorf("number %d, want %d: a refused hit took one", receipt.Number, kept+1)
		}
		eventually(t, "nothing is on disk again", func() bool { return disk.Stats().Bytes == 0 })
		checkDense(t, stored(t, s, w.Epoch()))
		if w.Ready() != nil {
			t.Errorf("not ready: %v", w.Ready())
		}
	})
}

// Close leaves on disk what Redis does not take, and does not wait for it.
func TestWriter_CloseWithoutRedis(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, s server) {
		s.cfg.Shards, s.cfg.Timeout = 1, 20*time.Millisecond
		dir := t.TempDir()
		disk := s.spooled(t, dir, spool.Config{})
		client, p := s.through(t)
		w := newWriter(t, client, s.cfg, uuid.New())
		p.set(faultRefuse)
		hits := newHits(2)
		mustAppend(t, w, hits)
		if err := w.Close(t.Context()); err != nil {
			t.Fatalf("close: %v", err)
		}
		if err := disk.Close(); err != nil {
			t.Fatal(err)
		}
		s.spooled(t, dir, spool.Config{})
		s.writer(t, s.client)
		eventually(t, "the next start brings them", func() bool { return len(stored(t, s, w.Epoch())[0]) == 2 })
	})
}

// From the moment Redis answers again the books know of everything that is still on disk.
func TestDrain_TellsTheBooks(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, s server) {
		s.cfg.Shards = 1
		s.cfg = s.cfg.withDefaults()
		disk := s.spooled(t, t.TempDir(), spool.Config{})
		w := &Writer{cfg: s.cfg, metrics: newWriterMetrics(nil)}
		epoch := uuid.New()
		log, err := disk.Log(logName(epoch, 0))
		if err != nil {
			t.Fatal(err)
		}
		k := newKeeper(w.line(NewAppender(s.client, s.cfg), 0, epoch), log, w.metrics, make(chan struct{}))
		number := int64(1)
		keep := func(hits int) {
			c, err := newCall(newHits(hits))
			if err != nil {
				t.Fatal(err)
			}
			f := newFlush(number, []*call{c})
			number += int64(hits)
			if err := k.begin(f, nil); err != nil {
				t.Fatal(err)
			}
		}
		expect := func(moment string, accepted, spooled, inFlight int64) {
			t.Helper()
			if a, sp, in := totals(t, s); a != accepted || sp != spooled || in != inFlight {
				t.Errorf("%s: %d accepted, %d spooled, %d in flight, want %d, %d, %d", moment, a, sp, in, accepted, spooled, inFlight)
			}
		}
		for _, n := range []int{2, 3, 4} {
			keep(n)
		}
		d := drain{keeper: k}
		step := func() {
			f, behind, err := d.next()
			if err != nil || !d.send(t.Context(), f) {
				t.Fatal(err)
			}
			d.drop(behind)
		}
		expect("before", 0, 0, 0)
		step() // the one in doubt alone
		expect("after the first", 9, 7, 2)
		keep(5)
		d.announce(t.Context())
		expect("after one more was kept", 14, 12, 2)
		step()
		expect("after the rest", 14, 0, 14)
		if !log.Empty() || !k.rested() {
			t.Error("the log is not empty")
		}
		if left, err := s.client.HExists(t.Context(), s.cfg.booksKey(0), "announced:"+epoch.String()).Result(); err != nil || left {
			t.Errorf("the announcement is left: %t, %v", left, err)
		}
	})
}

// Redis lost its data between the announcement and the hits: nothing counts twice.
func TestDrain_RedisLostTheAnnouncement(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, s server) {
		s.cfg.Shards = 1
		s.cfg = s.cfg.withDefaults()
		l := (&Writer{cfg: s.cfg}).line(NewAppender(s.client, s.cfg), 0, uuid.New())
		c, err := newCall(newHits(3))
		if err != nil {
			t.Fatal(err)
		}
		f := newFlush(11, []*call{c})
		if told, err := l.announce(t.Context(), 11, 13, map[string]int64{c.fields[0]: 3}); err != nil || told {
			t.Errorf("announced 11 to 13 to books that know nothing: %t, %v", told, err)
		}
		for range 2 {
			if err := l.append(t.Context(), f, time.Minute); err != nil {
				t.Fatal(err)
			}
		}
		if told, err := l.announce(t.Context(), 12, 13, map[string]int64{c.fields[0]: 2}); err != nil || !told {
			t.Errorf("announced what is appended: %t, %v", told, err)
		}
		if a, sp, in := totals(t, s); a != 3 || sp != 0 || in != 3 {
			t.Errorf("books: %d, %d, %d, want 3, 0, 3", a, sp, in)
		}
	})
}

func TestFlush_Record(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringN(0, 300, -1)
		f := flush{first: rapid.Int64Range(1, 1<<62).Draw(t, "first")}
		for range rapid.IntRange(0, 5).Draw(t, "hits") {
			f.fields = append(f.fields, text.Draw(t, "field"))
			f.payloads = append(f.payloads, text.Draw(t, "payload"))
		}
		got, err := decodeFlush(f.encode())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(f, got, cmp.AllowUnexported(flush{})); diff != "" {
			t.Fatal(diff)
		}
	})
}

func FuzzDecodeFlush(f *testing.F) {
	f.Add(flush{first: 7, fields: []string{"a/b"}, payloads: []string{"x"}}.encode())
	f.Add([]byte{1, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, record []byte) {
		got, err := decodeFlush(record)
		if err != nil {
			return
		}
		again, err := decodeFlush(got.encode())
		if err != nil || !cmp.Equal(got, again, cmp.AllowUnexported(flush{})) {
			t.Fatalf("%v, %v", again, err)
		}
	})
}
