package consume

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/internal/failpoint"
	"github.com/touchline/touchline/services/internal/stream"
)

// process starts a worker in a process of its own, which ends with the test.
func (r *rig) process(t *testing.T) (worker *exec.Cmd, ended chan struct{}) {
	t.Helper()
	worker = exec.Command(os.Args[0], "-test.run=^TestWorkerProcess$")
	impatient, err := url.Parse(r.URL)
	if err != nil {
		t.Fatal(err)
	}
	query := impatient.Query()
	query.Set("idle_in_transaction_session_timeout", "500")
	impatient.RawQuery = query.Encode()
	worker.Env = append(os.Environ(), failpoint.Variable+"=", envURL+"="+impatient.String(), envPrefix+"="+r.stream.Prefix)
	var output bytes.Buffer
	worker.Stdout, worker.Stderr = &output, &output
	if err := worker.Start(); err != nil {
		t.Fatal(err)
	}
	ended = make(chan struct{})
	go func() {
		defer close(ended)
		_ = worker.Wait()
	}()
	t.Cleanup(func() {
		_ = worker.Process.Kill() // also one that is stopped
		<-ended
		if t.Failed() {
			t.Logf("the worker said:\n%s", output.String())
		}
	})
	return worker, ended
}

// A worker hangs (SIGSTOP) with entries in its hands and a transaction that waits: it
// lives as far as the database can tell, and still another takes its entries over. When it
// wakes it stores nothing twice.
func TestConsumer_hangs(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const total = 60
	// It comes as far as the facts, and waits there.
	blocked, err := r.rows.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = blocked.Rollback(context.Background()) }()
	if _, err := blocked.Exec(t.Context(), "lock table fact in access exclusive mode"); err != nil {
		t.Fatal(err)
	}
	r.append(t, traffic(total)...)
	worker, ended := r.process(t)
	waiting := "select count(*) from pg_locks l join pg_class c on c.oid = l.relation join pg_namespace n on n.oid = c.relnamespace where not l.granted and c.relname = 'fact' and n.nspname = current_schema()"
	until(t, "the worker to wait in a transaction", func() bool { return r.number(t, waiting) > 0 })
	if err := worker.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if err := blocked.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Its transaction holds the receipts, so nobody can tell whether they are stored, until
	// the server ends it because it asks for nothing.
	start(t, r.consumer(t, nil))
	until(t, "another worker to finish the work", func() bool { return r.sums(t).inflight == 0 })
	if s := r.sums(t); !s.balanced() || s.accepted != total {
		t.Errorf("while one hangs: %+v", s)
	}
	if err := worker.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	more := traffic(3)
	for i := range more {
		more[i].Fact.ID += "-more"
	}
	r.append(t, more...)
	until(t, "both to be at rest", func() bool { return r.sums(t).inflight == 0 && r.number(t, "select count(*) from batch") == 0 })
	select {
	case <-ended:
		t.Error("the worker ended when it woke")
	default:
	}
	s := r.sums(t)
	if !s.balanced() || s.accepted != total+3 || s.touched+s.stored+s.duplicate+s.conflict != total+3 {
		t.Errorf("after it woke: %+v", s)
	}
}

// A worker dies in the middle of a replay: the rows wait still, and are replayed once.
func TestReplayer_killed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	stop := start(t, r.consumer(t, nil))
	r.refuse(t, 3)
	stop()
	for n := range 3 {
		h := order("again"+string(rune('a'+n)), noon, "1")
		r.mend(t, n+1, &h)
	}
	if n := r.ask(t); n != 3 {
		t.Fatalf("asked for %d", n)
	}
	before := r.sums(t)
	kill(t, r, "before_replay")
	if n := r.number(t, "select count(*) from quarantine where asked_at is not null and replayed_at is null and length(raw) > 0"); n != 3 {
		t.Errorf("%d wait to be replayed after the kill", n)
	}
	if n := r.number(t, "select count(*) from fact"); n != 0 || r.sums(t) != before {
		t.Errorf("%d facts, %+v, before %+v", n, r.sums(t), before)
	}
	start(t, r.consumer(t, nil))
	until(t, "the replay", func() bool { return r.number(t, "select count(*) from quarantine where replayed_at is not null") == 3 })
	until(t, "it to be settled", func() bool { return r.number(t, "select count(*) from batch") == 0 })
	s := r.sums(t)
	if n := r.number(t, "select count(*) from fact"); n != 3 || !s.balanced() || s.rejected != 0 || s.accepted != before.accepted {
		t.Errorf("%d facts, %+v", n, s)
	}
}

// Somebody deletes entries between the commit of their batch and its settling: their hits
// are stored, so they are not in flight any more, and that is counted once. An entry that
// is deleted and not stored stays in flight.
func TestConsumer_deletedBetweenCommitAndSettle(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := r.consumer(t, nil)
	receipt, err := r.writer.Append(t.Context(), traffic(6))
	if err != nil {
		t.Fatal(err)
	}
	hits := fmt.Sprintf("{%s:%d}:hits", r.stream.Prefix, receipt.Shard)
	entries, err := c.parts.Reader.Read(t.Context(), receipt.Shard, 100, time.Second)
	if err != nil || len(entries) != 6 {
		t.Fatalf("read %d entries, %v", len(entries), err)
	}
	var items []*item
	for _, e := range entries[:5] {
		items = append(items, newItem(e, c.parts.Digests))
	}
	did, err := (place{store: NewStore(r.pool), seal: c.parts.Digests}).write(t.Context(), name{consumer: uuid.New(), shard: receipt.Shard, number: 1}, items)
	if err != nil {
		t.Fatal(err)
	}
	// Two that are stored, and the one that is not.
	if n := r.client.XDel(t.Context(), hits, entries[0].ID, entries[3].ID, entries[5].ID).Val(); n != 3 {
		t.Fatalf("deleted %d", n)
	}
	for range 2 { // a lost answer
		if err := c.parts.Reader.Settle(t.Context(), did.batch); err != nil {
			t.Fatal(err)
		}
	}
	if s := r.sums(t); s.inflight != 1 || !s.balanced() {
		t.Errorf("%+v", s)
	}
	// Another worker, which held copies of them, takes nothing off again.
	late := stream.Batch{Consumer: uuid.New(), Shard: receipt.Shard, Number: 1}
	for _, e := range entries[:5] {
		late.Entries, late.Fields = append(late.Entries, e.ID), append(late.Fields, e.Account(false))
	}
	if err := c.parts.Reader.Settle(t.Context(), late); err != nil {
		t.Fatal(err)
	}
	if s := r.sums(t); s.inflight != 1 || !s.balanced() {
		t.Errorf("after the late one: %+v", s)
	}
	hours := r.client.HGetAll(t.Context(), fmt.Sprintf("{%s:%d}:hours:%s", r.stream.Prefix, receipt.Shard, shop)).Val()
	flying := 0
	for name, n := range hours {
		if strings.HasPrefix(name, "inflight:") && n == "1" {
			flying++
		}
	}
	if flying != 1 {
		t.Errorf("by hour: %v", hours)
	}
}
