package consume

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/touchline/touchline/services/internal/failpoint"
	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/internal/stream"
)

// traffic is a few facts, their copies and what contradicts them.
func traffic(n int) []hit.Hit {
	hits := make([]hit.Hit, n)
	for i := range hits {
		hits[i] = order(fmt.Sprint(i/3), noon.Add(time.Duration(i%2)*time.Second), fmt.Sprint(i%3/2))
	}
	return hits
}

// Two workers at once, the ledger folded underneath: the books balance whenever one
// looks, and at the end every hit is counted as what it is.
func TestConsumer_booksBalanceAllTheTime(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const total = 900
	var signals sync.Map
	for range 2 {
		start(t, r.consumer(t, func(_ *Config, p *Parts) {
			p.Signal = func(workspace uuid.UUID) { signals.Store(workspace, true) }
		}))
	}
	go func() {
		for hits := range slices.Chunk(traffic(total), 7) {
			r.append(t, hits...)
		}
	}()
	var last sums
	until(t, "all hits to be stored", func() bool {
		last = r.sums(t)
		if !last.balanced() {
			t.Fatalf("out of balance: %+v", last)
		}
		return last.accepted == total && last.inflight == 0
	})
	until(t, "settled terms to be folded", func() bool {
		if s := r.sums(t); !s.balanced() {
			t.Fatalf("out of balance: %+v", s)
		}
		return r.number(t, "select count(*) from ledger_batch") == 0
	})
	want := map[string]int64{"stored": total / 3, "duplicate": total / 3, "conflict": total / 3}
	got := map[string]int64{}
	for _, name := range []string{"stored", "duplicate", "conflict"} {
		got[name] = r.number(t, "select coalesce(sum("+name+"), 0)::bigint + (select count(*) from touched where term = '"+name+"') from ledger")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("terms (-want +got):\n%s", diff)
	}
	if n := r.number(t, "select count(*) from batch"); n != 0 {
		t.Errorf("%d batch rows left", n)
	}
	if _, ok := signals.Load(shop); !ok {
		t.Error("derive was never told")
	}
}

// What cannot be a fact is kept with its reason and holds nothing up.
func TestConsumer_quarantine(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	good, refused, foreign := order("1", noon, "10"), order("2", noon, "10"), order("3", noon, "10")
	refused.Rejection = &hit.Rejection{Reason: "bad_event", Detail: "no name", Raw: []byte(`{"event":""}`)}
	foreign.Workspace = nowhere
	poison := order("4", noon, "10")
	poison.Fact.Flags = []string{"zero\x00byte"} // Postgres takes it for no text
	bodyless := order("5", noon, "10")
	bodyless.Fact.Event = nil
	r.append(t, good, refused, poison, foreign, bodyless, order("6", noon, "10"))
	// Not written by an edge.
	for _, values := range []map[string]any{
		{"w": shop.String() + "/" + site.String(), "h": "\x01nonsense", "n": "1", "e": uuid.NewString()},
		{"w": shop.String() + "/" + site.String(), "h": "\xffnewer", "n": "2", "e": uuid.NewString()},
		{"what": "ever"},
	} {
		if err := r.client.XAdd(t.Context(), &redis.XAddArgs{Stream: "{" + r.stream.Prefix + ":0}:hits", Values: values}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	start(t, r.consumer(t, nil))

	until(t, "all to be stored", func() bool {
		return r.number(t, "select (select count(*) from fact) + (select count(*) from quarantine)") == 9 &&
			r.number(t, "select count(*) from batch") == 0
	})
	var got []string
	r.scan(t, "select array_agg(format('%s %s %s', reason, detail, length(raw) > 0) order by reason, detail) from quarantine", &got)
	for i := range got {
		got[i], _, _ = strings.Cut(got[i], "invalid") // not uuid's words
	}
	want := []string{
		"bad_event no name t",
		"malformed a fact of kind event without its body t",
		"malformed hit: malformed encoding t",
		"malformed the entry names no workspace and source: ",
		"unknown_version hit: unknown encoding version: 255 t",
		"unknown_workspace  f", // nothing is kept of a workspace that is gone
		"unstorable the database refuses it: SQLSTATE 22021 t",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("quarantine (-want +got):\n%s", diff)
	}
	if n := r.number(t, "select count(*) from fact"); n != 2 {
		t.Errorf("%d facts, want the two good ones", n)
	}
	if n := r.number(t, "select (select coalesce(sum(rejected), 0) from ledger_batch)::bigint + (select coalesce(sum(rejected), 0) from ledger)::bigint"); n != 7 {
		t.Errorf("%d rejected, want 7", n)
	}
	if plain := r.number(t, "select count(*) from fact where position('4790000001'::bytea in body) > 0"); plain != 0 {
		t.Errorf("%d facts hold a phone number in plain text", plain)
	}
	if plain := r.number(t, "select count(*) from quarantine where position('4790000001'::bytea in raw) > 0"); plain != 0 {
		t.Errorf("%d rows of the quarantine hold a phone number in plain text", plain)
	}
	ring := newRing(t)
	var id uuid.UUID
	var kept []byte
	r.scan(t, "select quarantine_id, raw from quarantine where reason = 'unknown_version'", &id, &kept)
	if raw, err := ring.Open(shop, id, kept); err != nil || raw != "\xffnewer" {
		t.Errorf("the quarantine holds %q, %v", raw, err)
	}
	var sealed []byte
	phone := ring.Digest(shop, hit.Phone, "+4790000001")
	r.scan(t, "select ciphertext from identifier where digest = '"+phone.String()+"'", &sealed)
	if value, err := ring.Open(shop, phone, sealed); err != nil || value != "+4790000001" {
		t.Errorf("the identifier opens to %q, %v", value, err)
	}
}

// Redis' data is gone: the workers go on, and the terms of batches that it cannot
// settle any more count nevertheless.
func TestConsumer_redisLosesItsData(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	stop := start(t, r.consumer(t, nil))
	r.append(t, traffic(9)...)
	until(t, "the first hits", func() bool { return r.sums(t).inflight == 0 && r.number(t, "select count(*) from batch") == 0 })
	stop()
	// A batch that was committed as the third of a consumer of whom Redis knows nothing.
	entries := []stream.Entry{{ID: "1-1", Shard: 1, Field: shop.String() + "/" + site.String(), Receipt: hit.Receipt{Epoch: uuid.New(), Shard: 1, Number: 1}}}
	lost := order("lost", noon, "1")
	payload, err := hit.Encode(nil, &lost)
	if err != nil {
		t.Fatal(err)
	}
	entries[0].Payload = payload
	ring := newRing(t)
	if _, err := (place{store: NewStore(r.pool), seal: ring}).write(t.Context(), name{consumer: uuid.New(), shard: 1, number: 3}, []*item{newItem(entries[0], ring)}); err != nil {
		t.Fatal(err)
	}
	for shard := range r.stream.Shards {
		r.client.Del(t.Context(), fmt.Sprintf("{%s:%d}:hits", r.stream.Prefix, shard), fmt.Sprintf("{%s:%d}:books", r.stream.Prefix, shard))
	}

	before := r.number(t, "select count(*) from touched") + r.number(t, "select coalesce(sum(stored + duplicate + conflict + rejected), 0)::bigint from (select stored, duplicate, conflict, rejected from ledger union all select stored, duplicate, conflict, rejected from ledger_batch) l")
	start(t, r.consumer(t, nil))
	until(t, "the orphan to be settled", func() bool { return r.number(t, "select count(*) from batch") == 0 })
	until(t, "the books to be begun anew", func() bool { return r.sums(t).accepted == before })
	r.append(t, order("after", noon, "1"))
	until(t, "a hit after the loss", func() bool { return r.number(t, "select count(*) from fact where body like '%after%'::bytea") == 1 })
	until(t, "the last batch to be settled", func() bool { return r.sums(t).inflight == 0 })
	if s := r.sums(t); !s.balanced() || s.accepted != before+1 {
		t.Errorf("books after the loss: %+v, want %d accepted and balance", s, before+1)
	}
}

// Postgres is away: nothing is acknowledged, and nothing lost.
func TestConsumer_postgresAway(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	receipt, err := r.writer.Append(t.Context(), traffic(30))
	if err != nil {
		t.Fatal(err)
	}
	hide := func(from, to string) {
		if _, err := r.rows.Exec(context.Background(), "alter table "+from+" rename to "+to); err != nil {
			t.Fatal(err)
		}
	}
	hide("fact", "fact_away")
	start(t, r.consumer(t, nil))
	until(t, "a worker to have taken them", func() bool {
		n, err := r.client.XPending(t.Context(), fmt.Sprintf("{%s:%d}:hits", r.stream.Prefix, receipt.Shard), "attribution").Result()
		return err == nil && n.Count > 0
	})
	if s := r.sums(t); s.inflight != 30 || !s.balanced() {
		t.Errorf("while it is away: %+v", s)
	}
	hide("fact_away", "fact")
	until(t, "the hits once it is back", func() bool { return r.sums(t).inflight == 0 })
	if n := r.number(t, "select count(*) from fact"); n != 10 {
		t.Errorf("%d facts, want 10", n)
	}
}

// A worker that dies at the worst moments leaves nothing that the next one does not
// put right: every hit counts exactly once.
func TestConsumer_killed(t *testing.T) {
	t.Parallel()
	for _, point := range []string{"after_read", "before_commit", "after_commit", "after_settle"} {
		for _, pass := range []int{1, 3} {
			t.Run(fmt.Sprint(point, " pass ", pass), func(t *testing.T) {
				t.Parallel()
				r := newRig(t)
				const total = 150
				for hits := range slices.Chunk(traffic(total), 3) {
					r.append(t, hits...)
				}
				kill(t, r, fmt.Sprint(point, ":", pass))
				if s := r.sums(t); !s.balanced() {
					t.Errorf("after the kill: %+v", s)
				}
				start(t, r.consumer(t, nil))
				until(t, "the next worker to finish", func() bool {
					s := r.sums(t)
					if !s.balanced() {
						t.Fatalf("out of balance: %+v", s)
					}
					return s.inflight == 0 && r.number(t, "select count(*) from batch") == 0
				})
				s := r.sums(t)
				if s.accepted != total || s.touched+s.stored+s.duplicate+s.conflict != total {
					t.Errorf("at the end: %+v", s)
				}
				if n := r.number(t, "select count(*) from fact"); n != total/3 {
					t.Errorf("%d facts, want %d", n, total/3)
				}
			})
		}
	}
}

// A worker that lives for a moment only finishes what the dead left in it: with a
// crash a second their hits would else wait for ever.
func TestConsumer_finishesForTheDeadFirst(t *testing.T) {
	t.Parallel()
	for _, point := range []string{"after_read", "after_commit"} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.append(t, traffic(9)...)
			kill(t, r, point+":1")
			next := r.consumer(t, func(cfg *Config, _ *Parts) {
				cfg.ClaimEvery, cfg.MinIdle, cfg.ChoreEvery, cfg.StaleAfter = time.Hour, time.Hour, time.Hour, time.Nanosecond
			})
			until(t, "the server to see the death", func() bool { return r.dead(t, next) })
			start(t, next)
			until(t, "the hits of the dead", func() bool {
				return r.sums(t).inflight == 0 && r.number(t, "select count(*) from batch") == 0
			})
		})
	}
}

// dead says whether all who hold entries are known to be dead: the server gives their
// locks back a moment after the process is gone.
func (r *rig) dead(t *testing.T, c *Consumer) bool {
	t.Helper()
	var holders []uuid.UUID
	for shard := range r.stream.Shards {
		held, err := c.parts.Reader.Holders(t.Context(), shard)
		if err != nil {
			t.Fatal(err)
		}
		holders = append(holders, held...)
	}
	dead, err := r.pool.Dead(t.Context(), holders)
	if err != nil || len(holders) == 0 {
		t.Fatalf("%d holders, %v", len(holders), err)
	}
	return len(dead) == len(holders)
}

// The environment of a worker that is to be killed.
const (
	envURL    = "CONSUME_TEST_DATABASE"
	envPrefix = "CONSUME_TEST_PREFIX"
)

// kill runs a worker in a process of its own until it dies at a failpoint.
func kill(t *testing.T, r *rig, setting string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	worker := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestWorkerProcess$")
	worker.Env = append(os.Environ(), failpoint.Variable+"="+setting, envURL+"="+r.URL, envPrefix+"="+r.stream.Prefix)
	output, err := worker.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 137 {
		t.Fatalf("the worker ended with %v, not at the failpoint:\n%s", err, output)
	}
}

// A commit whose answer was lost: the batch is stored again under another name, and
// nothing counts twice.
func TestConsumer_commitWithUnknownOutcome(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := r.consumer(t, nil)
	receipt, err := r.writer.Append(t.Context(), traffic(6))
	if err != nil {
		t.Fatal(err)
	}
	entries, err := c.parts.Reader.Read(t.Context(), receipt.Shard, 100, time.Second)
	if err != nil || len(entries) != 6 {
		t.Fatalf("read %d entries, %v", len(entries), err)
	}
	l := newLane(c, receipt.Shard)
	l.rename(t.Context())
	var items []*item
	for _, e := range entries {
		items = append(items, newItem(e, c.parts.Digests))
	}
	if _, err := (place{store: NewStore(r.pool), seal: c.parts.Digests}).write(t.Context(), l.name, items[:4]); err != nil {
		t.Fatal(err)
	}
	l.persist(t.Context(), items)
	if s := r.sums(t); !s.balanced() || s.inflight != 4 {
		t.Errorf("before the first attempt is settled: %+v", s)
	}
	start(t, r.consumer(t, nil))
	until(t, "the first attempt to be settled", func() bool { return r.sums(t).inflight == 0 })
	if s := r.sums(t); !s.balanced() || s.accepted != 6 {
		t.Errorf("at the end: %+v", s)
	}
}
