package simulation_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/consume"
	"github.com/touchline/touchline/services/attribution/derive"
	"github.com/touchline/touchline/services/attribution/postgres/dbsqlc"
	"github.com/touchline/touchline/services/attribution/storetest"
	"github.com/touchline/touchline/services/internal/spool"
	"github.com/touchline/touchline/services/internal/stream"
	"github.com/touchline/touchline/services/internal/stream/streamtest"
)

// proc is one process: an edge or a worker.
type proc struct {
	w      *world
	name   string
	begin  func(p *proc)
	dead   bool // guarded by the world's lock
	paused time.Time
	life   int
	cancel context.CancelFunc
	ended  sync.WaitGroup

	front  *front // of an edge
	folder string // of its spool
	disk   *spool.Spool
	epoch  uuid.UUID
}

func (w *world) newProc(name string, begin func(p *proc)) *proc {
	return &proc{w: w, name: name, begin: begin, dead: true}
}

// start begins a life of the process.
func (p *proc) start() {
	p.w.mu.Lock()
	p.dead = false
	p.w.mu.Unlock()
	p.life++
	p.w.note("%s starts", p.name)
	p.begin(p)
}

// kill ends a process at once: what it had asked for may be done all the same, what it
// had on disk stays, and everything else is gone.
func (w *world) kill(p *proc) {
	w.mu.Lock()
	if p.dead {
		w.mu.Unlock()
		return
	}
	p.dead = true
	var cut []*call
	w.waiting = slices.DeleteFunc(w.waiting, func(c *call) bool {
		if c.proc == p {
			cut = append(cut, c)
		}
		return c.proc == p
	})
	w.mu.Unlock()
	w.note("%s is killed", p.name)
	w.met["killed "+p.name[:4]]++
	if p.disk != nil {
		w.copyDisk(p)
	}
	slices.SortStableFunc(cut, compareCalls)
	for _, c := range cut {
		if c.do != nil && w.chance(400) {
			w.note("%s is done all the same", c.name)
			c.do()
		}
		c.answer <- errDead
	}
	p.cancel()
	p.ended.Wait()
}

var quiet = slog.New(slog.DiscardHandler)

// worker runs a consumer and a deriver.
func (w *world) worker(p *proc) {
	var ctx context.Context
	ctx, p.cancel = context.WithCancel(context.Background())
	redis := streamtest.Conn{Memory: w.streams, Through: w.at(p, "redis")}
	base := storetest.Conn{Memory: w.store, Through: w.at(p, "postgres")}
	store := consume.Store(base)
	if w.bug != "" {
		store = buggy{store, w, redis}
	}
	odd := time.Duration(len(p.name)*1000+int(p.name[len(p.name)-1])*7919+p.life*104_729) * time.Nanosecond
	deriver := derive.New(storetest.Derive{Conn: base}, derive.Config{
		Poll: time.Second + odd, BatchRows: 1 + w.random.IntN(8), Parts: 1, Log: quiet, Jitter: jitter(p.name + " derive"),
	})
	consumer := consume.New(consume.Config{
		Shards: shards, BatchSize: 1 + w.random.IntN(6), Block: time.Second + 2*odd, MinIdle: 20 * time.Second, ClaimEvery: time.Second + 3*odd, TxTimeout: 5*time.Second + odd,
		StaleAfter: time.Second, FoldAfter: 5 * time.Second, ChoreEvery: 2*time.Second + 5*odd, Logger: quiet, Jitter: jitter(p.name),
		NewID: ids(fmt.Sprint(w.seed, p.name, p.life)),
	}, consume.Parts{
		Reader: streamtest.NewReader(redis, w.newID(), base.Recover), Store: store, Digests: w.ring, Signal: deriver.Wake,
		Books: redis.Books,
	})
	p.ended.Go(func() { _ = consumer.Run(ctx) })
	p.ended.Go(func() { _ = deriver.Run(ctx) })
	p.ended.Go(func() {
		pprof.Do(ctx, pprof.Labels("task", "watch"), func(ctx context.Context) { w.watch(ctx, redis, base, 2*time.Second+7*odd) })
	})
}

// watch makes books anew that fell behind, and those that do not balance since Redis
// restarted, as the ledger's watch does.
func (w *world) watch(ctx context.Context, redis streamtest.Conn, base storetest.Conn, every time.Duration) {
	before := ""
	for ctx.Err() == nil {
		_ = w.look(ctx, redis, base, every, &before) // again the next time
		select {
		case <-ctx.Done():
		case <-time.After(every):
		}
	}
}

// look is one look. before is the imbalance of the look before.
func (w *world) look(ctx context.Context, redis streamtest.Conn, base storetest.Conn, every time.Duration, before *string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second+every)
	defer cancel()
	behind, err := base.Behind(ctx, redis.Books)
	if err != nil {
		return err
	}
	if err := w.rebuild(ctx, redis, base, behind); err != nil {
		return err
	}
	if _, err := redis.Books(ctx); err != nil { // it does not see what it can't reach
		return err
	}
	differs := ""
	if by := w.imbalance(); len(by) > 0 {
		differs = fmt.Sprint(by)
	}
	stays := differs != "" && differs == *before
	*before = differs
	if !stays {
		return nil
	}
	var old []int
	for shard := range shards {
		restarted, err := redis.Restarted(ctx, shard)
		if err != nil {
			return err
		}
		if restarted {
			old = append(old, shard)
		}
	}
	return w.rebuild(ctx, redis, base, old)
}

// rebuild makes the books of some shards anew.
func (w *world) rebuild(ctx context.Context, redis streamtest.Conn, base storetest.Conn, list []int) error {
	for _, shard := range list {
		err := base.Rebuild(ctx, shard, func(seed stream.Seed, known stream.Known) error {
			return redis.Rebuild(ctx, shard, seed, known)
		})
		if err != nil {
			return err
		}
		w.mu.Lock()
		w.rebuilt++
		w.mu.Unlock()
	}
	return nil
}

// newID is the world's own: no order of goroutines changes it.
func (w *world) newID() uuid.UUID {
	var id uuid.UUID
	for i := range id {
		id[i] = byte(w.random.UintN(256))
	}
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return id
}

// ids makes ids for the tasks of one life of a process: each has its own row, since
// nobody knows which of two that run at once comes first.
func ids(of string) func(ctx context.Context) uuid.UUID {
	var mu sync.Mutex
	made := map[string]int{}
	return func(ctx context.Context) uuid.UUID {
		mu.Lock()
		defer mu.Unlock()
		task := task(ctx)
		made[task]++
		return uuid.NewSHA1(shop, fmt.Append(nil, of, task, made[task]))
	}
}

// buggy has the bugs of a consumer.
type buggy struct {
	consume.Store
	w     *world
	redis streamtest.Conn
}

func (b buggy) InTx(ctx context.Context, work func(ctx context.Context, tx consume.Tx) error) error {
	return b.Store.InTx(ctx, func(ctx context.Context, tx consume.Tx) error { return work(ctx, buggyTx{tx, b}) })
}

type buggyTx struct {
	consume.Tx
	b buggy
}

func (t buggyTx) ReceiptKnown(ctx context.Context, arg dbsqlc.ReceiptKnownParams) ([]dbsqlc.ReceiptKnownRow, error) {
	if t.b.w.bug == noReceipts {
		return nil, nil
	}
	return t.Tx.ReceiptKnown(ctx, arg)
}

func (t buggyTx) BatchInsert(ctx context.Context, arg dbsqlc.BatchInsertParams) (int64, error) {
	n, err := t.Tx.BatchInsert(ctx, arg)
	if t.b.w.bug == settleFirst && err == nil {
		reader := streamtest.NewReader(t.b.redis, arg.Consumer, nil)
		err = reader.Settle(ctx, stream.Batch{Consumer: arg.Consumer, Shard: int(arg.Shard), Number: arg.Batch, Entries: arg.Entries, Fields: arg.Fields})
	}
	return n, err
}

// diskFolder is where spools are. A disk in memory spares the real one some ten thousand
// syncs, which nothing here can see.
func diskFolder(t *testing.T) (dir string, remove func()) {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "simulation-")
	if err != nil {
		dir = t.TempDir()
	}
	return dir, func() { _ = os.RemoveAll(dir) }
}

// copyDisk puts what is on a process's disk into a folder for its next life: the dying
// one may still write to the old one. A record may be torn at the end.
func (w *world) copyDisk(p *proc) {
	next := filepath.Join(w.dir, fmt.Sprint(p.name, "-", p.life))
	if err := os.CopyFS(next, os.DirFS(p.folder)); err != nil {
		w.fail("copy the disk: %v", err)
	}
	p.folder = next
	if !w.chance(300) {
		return
	}
	logs, _ := filepath.Glob(filepath.Join(next, "*"))
	for _, log := range logs {
		segments, _ := filepath.Glob(filepath.Join(log, "*.seg"))
		if len(segments) == 0 {
			continue
		}
		if file, err := os.OpenFile(slices.Max(segments), os.O_APPEND|os.O_WRONLY, 0); err == nil {
			w.met["torn"]++
			_, _ = file.Write([]byte{0, 0, 0, 9, 1, 2, 3}[:1+w.random.IntN(7)])
			_ = file.Close()
		}
	}
}
