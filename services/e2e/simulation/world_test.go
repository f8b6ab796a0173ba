// Package simulation_test plays edges, streams, workers and a database in one process
// and on one clock, with whatever can go wrong between them, as one number says: the
// same number, the same run. What runs are the real edge, writer, spool, consumer and
// deriver; Redis and Postgres are those of streamtest and storetest.
//
// One goroutine, the world's, lets everything else happen: each command that goes to Redis
// and each statement that goes to Postgres waits at its gate until the world, which draws
// lots, lets it through, fails it, does it and keeps the answer back, or does it when
// nobody waits for it any more. Time (testing/synctest) passes when the world sleeps.
package simulation_test

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	runtimedebug "runtime/debug"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/derive"
	"github.com/touchline/touchline/services/attribution/digest"
	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/attribution/storetest"
	"github.com/touchline/touchline/services/attribution/timeline"
	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/internal/stream"
	"github.com/touchline/touchline/services/internal/stream/streamtest"
)

const shards = 2

var (
	errCut  = errors.New("simulated: no answer")
	errDead = errors.New("simulated: the process is dead")
)

// bug is one that is planted, to see that it is found.
type bug string

const (
	ackFirst    bug = "the edge acknowledges before it appends"
	settleFirst bug = "a batch is settled before its commit"
	noReceipts  bug = "nobody looks whether a receipt is known"
	sameNumbers bug = "an edge counts from 1 again after a crash, under its old name"
	trimmed     bug = "the streams are trimmed"
)

// world is one run.
type world struct {
	t      *testing.T
	seed   uint64
	bug    bug
	random *rand.Rand // the world's alone
	ring   *digest.Ring
	dir    string // of spools

	streams *streamtest.Memory
	store   *storetest.Memory
	procs   []*proc
	senders []*sender
	late    []func() // commands whose client waits no longer

	mu      sync.Mutex
	waiting []*call
	acked   []ack
	rebuilt int // shards whose books were made anew

	step    int
	calm    bool // nothing goes wrong any more
	lossy   bool // Redis may lose what it has
	lost    bool // and did
	healed  time.Time
	differs string // of the books, since Redis lost data
	saved   *streamtest.State
	down    map[string]time.Time // until when Redis or Postgres is away
	marked  map[hit.Receipt]int64
	kept    []stream.Run // on disks, as read some steps ago
	fault   string       // what is wrong; ends the run

	digest uint64
	seen   [2]uint64 // digest and acknowledgements when last looked at
	trace  []string
	met    map[string]int
}

// call is a command or statement that waits at a gate.
type call struct {
	proc   *proc
	where  string // redis or postgres
	name   string
	task   string // of the process
	step   int    // in which it came
	do     func() // nil: a statement, which its client does
	answer chan error
	left   bool // nobody waits for it; guarded by the world's lock
}

// ack is a hit that a sender knows to be durable.
type ack struct {
	receipt hit.Receipt
	id      string
}

// at is the gate of a process to a server.
func (w *world) at(p *proc, where string) func(ctx context.Context, name string, do func()) error {
	return func(ctx context.Context, name string, do func()) error {
		c := &call{proc: p, where: where, name: name, task: task(ctx), do: do, answer: make(chan error, 1)}
		w.mu.Lock()
		if p.dead {
			w.mu.Unlock()
			return errDead
		}
		c.step = w.step
		w.waiting = append(w.waiting, c)
		w.mu.Unlock()
		select {
		case err := <-c.answer:
			return err
		case <-ctx.Done():
			w.mu.Lock()
			defer w.mu.Unlock()
			select { // of two that came at one instant the answer is first: a run can be repeated
			case err := <-c.answer:
				return err
			default:
			}
			c.left = true
			return ctx.Err()
		}
	}
}

// note adds to the digest of the run.
func (w *world) note(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%x %d %s", w.digest, time.Now().UnixNano(), line)
	w.digest = h.Sum64()
	w.trace = append(w.trace, fmt.Sprintf("%6d %s %s", w.step, time.Now().Format("05.000000"), line))
	if extra := len(w.trace) - 4000; extra > 0 && !testing.Verbose() {
		w.trace = slices.Delete(w.trace, 0, extra)
	}
}

func (w *world) fail(format string, args ...any) {
	if w.fault == "" {
		w.fault = fmt.Sprintf(format, args...)
		w.note("FAULT %s", w.fault)
	}
}

// chance is true in some of a thousand.
func (w *world) chance(thousandth int) bool { return w.random.IntN(1000) < thousandth }

// jitter is different for each process and moment, and the same in each run.
func jitter(name string) func(time.Duration) time.Duration {
	return func(pause time.Duration) time.Duration {
		h := fnv.New64a()
		_, _ = fmt.Fprintf(h, "%s %d %d", name, time.Now().UnixNano(), pause)
		return pause/2 + time.Duration(h.Sum64()%uint64(pause/2))
	}
}

// task is which of a process's tasks has ctx.
func task(ctx context.Context) string {
	name, _ := pprof.Label(ctx, "task")
	return name
}

// lots makes ids from the seed.
type lots struct {
	mu     sync.Mutex
	random *rand.ChaCha8
}

// Read implements io.Reader.
func (l *lots) Read(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.random.Read(p)
}

func newLots(seed uint64) io.Reader {
	var key [32]byte
	key[0], key[1], key[2], key[3] = byte(seed), byte(seed>>8), byte(seed>>16), byte(seed>>24)
	return &lots{random: rand.NewChaCha8(key)}
}

// outcome is what a run came to.
type outcome struct {
	fault  string
	digest uint64
	trace  []string
	met    map[string]int
}

// play plays one run. Runs share the source of ids, so they are played one after the other.
func play(t *testing.T, seed uint64, b bug) (end outcome) {
	t.Helper()
	ring, err := digest.New([]byte(strings.Repeat("k", digest.Size)))
	if err != nil {
		t.Fatal(err)
	}
	uuid.SetRand(newLots(seed))
	defer uuid.SetRand(nil)
	dir, remove := diskFolder(t)
	defer remove()
	defer runtimedebug.SetGCPercent(runtimedebug.SetGCPercent(400)) // little is kept, and much is made
	synctest.Test(t, func(t *testing.T) {
		p := policy.Default()
		w := &world{
			t: t, seed: seed, bug: b, random: rand.New(rand.NewPCG(seed, 24)), ring: ring, dir: dir,
			streams: streamtest.NewMemory(shards, time.Now), down: map[string]time.Time{}, marked: map[hit.Receipt]int64{}, met: map[string]int{},
		}
		w.store = storetest.NewMemory(time.Now, ring, map[uuid.UUID]derive.Workspace{shop: {
			Currency: "NOK", Versions: []derive.Version{{Number: 1, Identity: 1, Policy: &p, Rules: timeline.Compile(&p)}},
		}})
		w.lossy = b == "" && seed%4 == 3
		w.run()
		end = outcome{w.fault, w.digest, w.trace, w.met}
	})
	return end
}

// run is the run.
func (w *world) run() {
	for i := range 1 + w.random.IntN(3) {
		w.procs = append(w.procs, w.newProc(fmt.Sprint("edge", i), w.edge))
	}
	for i := range 1 + w.random.IntN(3) {
		w.procs = append(w.procs, w.newProc(fmt.Sprint("worker", i), w.worker))
	}
	for _, p := range w.procs {
		p.start()
	}
	w.send()
	const troubled, most = 800, 12_000
	for w.fault == "" && w.step < most {
		synctest.Wait()
		if w.changed() {
			w.check()
		}
		if w.step > troubled && !w.calm {
			w.heal()
			synctest.Wait()
		}
		if w.calm && w.drained() {
			break
		}
		w.mu.Lock()
		w.step++
		w.mu.Unlock()
		w.act()
	}
	if w.fault == "" && !w.drained() {
		w.fail("after %d steps it is not drained: %s", w.step, w.left())
	}
	if w.fault == "" {
		w.finish()
	}
	for _, s := range w.senders {
		s.cancel()
	}
	for _, p := range w.procs {
		w.kill(p)
	}
	synctest.Wait()
}

// changed says whether anything happened since it was asked last: something was noted, or
// acknowledged.
func (w *world) changed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := w.seen
	w.seen = [2]uint64{w.digest, uint64(len(w.acked))}
	return w.seen != before
}

// calls are those that wait, in an order that does not hang on who was first.
func (w *world) calls() []*call {
	w.mu.Lock()
	defer w.mu.Unlock()
	live := w.waiting[:0]
	for _, c := range w.waiting {
		if c.left {
			if c.do != nil && c.where == "redis" && !c.proc.dead {
				w.late = append(w.late, c.do)
			}
			continue
		}
		live = append(live, c)
	}
	w.waiting = live
	slices.SortStableFunc(w.waiting, compareCalls)
	var ready []*call
	for i, c := range w.waiting {
		if i > 0 && w.bug == "" && compareCalls(w.waiting[i-1], c) == 0 {
			w.fail("two calls are the same to the simulation, which then is not repeatable: %s of %s, %s", c.name, c.proc.name, c.task)
		}
		if time.Now().After(c.proc.paused) || w.calm {
			ready = append(ready, c)
		}
	}
	return ready
}

// act does one thing.
func (w *world) act() {
	if !w.calm {
		w.trouble()
	}
	synctest.Wait() // whoever was started or killed has got somewhere
	calls := w.calls()
	switch {
	case len(w.late) > 0 && w.chance(100):
		i := w.random.IntN(len(w.late))
		w.note("a late command is done")
		w.late[i]()
		w.late = slices.Delete(w.late, i, i+1)
	case len(calls) > 0:
		w.serve(calls[w.random.IntN(len(calls))])
	}
	w.pass(len(calls))
}

// pass lets time go by: little while there is much to do.
func (w *world) pass(busy int) {
	pause := time.Duration(1 + w.random.IntN(2_000_000)) // 2 ms
	switch {
	case busy == 0:
		pause *= 40
	case w.chance(20):
		pause *= 300
	}
	time.Sleep(pause)
}

// serve answers a call, in one of the ways that there are.
func (w *world) serve(c *call) {
	w.mu.Lock()
	w.waiting = slices.DeleteFunc(w.waiting, func(o *call) bool { return o == c })
	w.mu.Unlock()
	how, err := "done", error(nil)
	apply := c.do != nil
	switch lot := w.random.IntN(1000); {
	case w.calm:
	case time.Now().Before(w.down[c.where]), lot < 15:
		how, err, apply = "refused", errCut, false
	case lot < 30:
		how, err = "done, answer lost", errCut
	case lot < 40 && c.where == "redis":
		how, err, apply = "late", errCut, false
		w.late = append(w.late, c.do)
	}
	if w.bug == ackFirst && strings.HasPrefix(c.name, "append") {
		how, err, apply = "acknowledged", nil, false
		w.late = append(w.late, c.do)
	}
	w.met[c.where+" "+how]++
	w.note("%s: %s: %s", c.proc.name, c.name, how)
	if apply {
		c.do()
		if w.bug == trimmed && w.chance(300) {
			w.streams.Trim(3)
		}
	}
	c.answer <- err
}
