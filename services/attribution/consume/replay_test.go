package consume

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/touchline/touchline/services/attribution/postgres"
	"github.com/touchline/touchline/services/attribution/postgres/dbsqlc"
	"github.com/touchline/touchline/services/internal/hit"
)

// refuse puts n entries into the stream that nobody can decode, as an edge that is too
// new would, and waits until they are in quarantine.
func (r *rig) refuse(t *testing.T, n int) {
	t.Helper()
	field, epoch := shop.String()+"/"+site.String(), uuid.NewString()
	for i := range n {
		pipe := r.client.TxPipeline()
		pipe.XAdd(t.Context(), &redis.XAddArgs{Stream: "{" + r.stream.Prefix + ":0}:hits", Values: map[string]any{"w": field, "h": "\xffnewer", "n": i + 1, "e": epoch}})
		pipe.HIncrBy(t.Context(), "{"+r.stream.Prefix+":0}:books", "accepted:"+field, 1)
		pipe.HIncrBy(t.Context(), "{"+r.stream.Prefix+":0}:books", "inflight:"+field, 1)
		if _, err := pipe.Exec(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "the quarantine", func() bool {
		return r.number(t, "select count(*) from quarantine where reason = 'unknown_version'") == int64(n) && r.sums(t).inflight == 0
	})
}

// mend makes what was kept of the first of a number of rows something that this release
// can decode, as an upgrade would.
func (r *rig) mend(t *testing.T, number int, h *hit.Hit) {
	t.Helper()
	payload, err := hit.Encode(nil, h)
	if err != nil {
		t.Fatal(err)
	}
	var id uuid.UUID
	r.scan(t, fmt.Sprintf("select quarantine_id from quarantine where number = %d and shard = 0", number), &id)
	sealed, err := newRing(t).Seal(shop, id, string(payload))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.rows.Exec(t.Context(), "update quarantine set raw = $2 where quarantine_id = $1", id, sealed); err != nil {
		t.Fatal(err)
	}
}

// ask asks for a replay of everything and returns of how much.
func (r *rig) ask(t *testing.T) (asked int64) {
	t.Helper()
	err := r.pool.InTx(t.Context(), postgres.ReadCommitted, func(ctx context.Context, tx *postgres.Tx) (err error) {
		asked, err = tx.QuarantineAsk(ctx, dbsqlc.QuarantineAskParams{WorkspaceID: shop, At: time.Now(), Subject: "test", Ids: []uuid.UUID{}})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return asked
}

// What can be decoded by now moves from rejected to what it is, at one moment and once;
// what still cannot stays, with one more try.
func TestReplayer(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var signals sync.Map
	start(t, r.consumer(t, func(_ *Config, p *Parts) {
		p.Signal = func(workspace uuid.UUID) { signals.Store(workspace, true) }
	}))
	r.append(t, order("known", noon, "1"))
	r.refuse(t, 5)
	signals.Clear()
	first, copied, other, foreign := order("new", noon, "1"), order("known", noon, "1"), order("known", noon, "2"), order("foreign", noon, "1")
	foreign.Workspace = nowhere
	r.mend(t, 1, &first)
	r.mend(t, 2, &copied)
	r.mend(t, 3, &other)
	r.mend(t, 4, &foreign) // says that it is of another workspace than its row
	before := r.sums(t)
	if n := r.ask(t); n != 5 {
		t.Errorf("asked for %d", n)
	}
	until(t, "the replay", func() bool {
		if s := r.sums(t); !s.balanced() || s.accepted != before.accepted {
			t.Fatalf("out of balance: %+v", s)
		}
		return r.number(t, "select count(*) from quarantine where asked_at is not null") == 0
	})
	until(t, "the batch of the replay to be settled", func() bool { return r.number(t, "select count(*) from batch") == 0 })
	after := r.sums(t)
	if !after.balanced() || after.rejected != 2 || after.accepted != before.accepted || before.rejected != 5 {
		t.Errorf("before %+v, after %+v", before, after)
	}
	var got []string
	r.scan(t, "select array_agg(format('%s %s %s %s', number, reason, coalesce(outcome, '-'), tries) || case when length(raw) > 0 then ' kept' else '' end order by number) from quarantine", &got)
	want := []string{
		"1 unknown_version stored 2", "2 unknown_version duplicate 2", "3 unknown_version conflict 2",
		"4 malformed - 2 kept", "5 unknown_version - 2 kept",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("quarantine (-want +got):\n%s", diff)
	}
	if _, ok := signals.Load(shop); !ok {
		t.Error("derive was not told")
	}
	// Again: only what failed is tried, and nothing counts twice.
	if n := r.ask(t); n != 2 {
		t.Errorf("asked again for %d", n)
	}
	until(t, "the second replay", func() bool {
		return r.number(t, "select count(*) from quarantine where asked_at is not null") == 0
	})
	if s := r.sums(t); s != after {
		t.Errorf("after the second replay %+v, not %+v", s, after)
	}
	if n := r.number(t, "select count(*) from fact"); n != 2 {
		t.Errorf("%d facts", n)
	}
}

// Two at once, one row that the database refuses among the others: each is stored once.
func TestReplayer_twoAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	stop := start(t, r.consumer(t, nil))
	const total = 12
	r.refuse(t, total)
	stop()
	for n := 1; n <= total; n++ {
		h := order(fmt.Sprint(n), noon, "1")
		if n == 7 {
			h.Fact.Flags = []string{"zero\x00byte"}
		}
		r.mend(t, n, &h)
	}
	r.ask(t)
	var group sync.WaitGroup
	var mu sync.Mutex
	well, badly := 0, 0
	for range 3 {
		group.Go(func() {
			for range 3 {
				replayer := Replayer{Store: NewStore(r.pool), Digests: newRing(t), Logger: quiet()}
				a, b, err := replayer.Run(context.Background())
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				well, badly = well+a, badly+b
				mu.Unlock()
			}
		})
	}
	group.Wait()
	if well != total-1 || badly != 1 {
		t.Errorf("%d replayed, %d failed", well, badly)
	}
	if n := r.number(t, "select count(*) from fact"); n != total-1 {
		t.Errorf("%d facts", n)
	}
	if n := r.number(t, "select count(*) from quarantine where reason = 'unstorable' and tries = 2 and replayed_at is null"); n != 1 {
		t.Errorf("%d rows failed", n)
	}
	start(t, r.consumer(t, nil))
	until(t, "the batches to be settled", func() bool { return r.number(t, "select count(*) from batch") == 0 })
	if s := r.sums(t); !s.balanced() || s.rejected != 1 || s.accepted != total {
		t.Errorf("%+v", s)
	}
}
