package ledger

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"

	"github.com/touchline/touchline/services/attribution/consume"
	"github.com/touchline/touchline/services/attribution/digest"
	"github.com/touchline/touchline/services/attribution/postgres"
	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/internal/redistest"
	"github.com/touchline/touchline/services/internal/stream"
	"github.com/touchline/touchline/sql"
	"github.com/touchline/touchline/sql/sqltest"
)

var (
	shop = uuid.MustParse("10000000-0000-0000-0000-000000000001")
	site = uuid.MustParse("20000000-0000-0000-0000-000000000001")
)

// rig is an edge's writer, a database and what looks at both.
type rig struct {
	t      *testing.T
	url    string
	pool   *postgres.Pool
	rows   *pgxpool.Pool
	client redis.UniversalClient
	cfg    stream.Config
	writer *stream.Writer
	sides  Sides
}

func newRig(t *testing.T) *rig {
	t.Helper()
	client, prefix := redistest.New(t)
	return newRigOn(t, client, prefix)
}

// newRigOn is a rig with streams in some Redis.
func newRigOn(t *testing.T, client redis.UniversalClient, prefix string) *rig {
	t.Helper()
	schema := sqltest.NewSchema(t, sql.Newest)
	pool, err := postgres.Open(context.Background(), schema.URL, postgres.RoleWorker)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	r := &rig{t: t, url: schema.URL, pool: pool, rows: schema.Pool(t, "touchline_worker"), client: client}
	r.cfg = stream.Config{Prefix: prefix, Shards: 2, Logger: quiet(), Timeout: time.Minute}
	r.edge()
	r.sides = Sides{Probe: stream.NewProbe(client, r.cfg), Pool: pool}
	r.exec(`insert into workspace (workspace_id, name, currency, timezone, created_at) values ($1, 'shop', 'NOK', 'UTC', now())`, shop)
	return r
}

// edge starts a writer with an epoch of its own.
func (r *rig) edge() {
	r.t.Helper()
	writer, err := stream.NewWriter(r.client, r.cfg, uuid.New())
	if err != nil {
		r.t.Fatal(err)
	}
	r.writer = writer
	r.t.Cleanup(func() { _ = writer.Close(context.Background()) })
}

func (r *rig) exec(query string, args ...any) {
	r.t.Helper()
	if _, err := r.rows.Exec(context.Background(), query, args...); err != nil {
		r.t.Fatalf("%s: %v", query, err)
	}
}

func (r *rig) number(query string, args ...any) (n int64) {
	r.t.Helper()
	if err := r.rows.QueryRow(context.Background(), query, args...).Scan(&n); err != nil {
		r.t.Fatalf("%s: %v", query, err)
	}
	return n
}

// order is a hit that states an order.
func order(id string) hit.Hit {
	return hit.Hit{Workspace: shop, Fact: hit.Fact{
		Kind: hit.KindEvent, Source: site, Trust: hit.TrustBrowser, ID: id,
		At: hit.InstantOf(time.Now()), ReceivedAt: hit.InstantOf(time.Now()),
		Event: &hit.Event{Name: "Order Completed", Properties: []byte(fmt.Sprintf(`{"order_id":%q}`, id))},
	}}
}

func orders(name string, n int) []hit.Hit {
	hits := make([]hit.Hit, n)
	for i := range hits {
		hits[i] = order(fmt.Sprint(name, i))
	}
	return hits
}

// append sends hits in one call and returns the receipt of the first.
func (r *rig) append(hits ...hit.Hit) hit.Receipt {
	r.t.Helper()
	receipt, err := r.writer.Append(context.Background(), hits)
	if err != nil {
		r.t.Fatal(err)
	}
	return receipt
}

func (r *rig) hits(shard int) string  { return fmt.Sprintf("{%s:%d}:hits", r.cfg.Prefix, shard) }
func (r *rig) books(shard int) string { return fmt.Sprintf("{%s:%d}:books", r.cfg.Prefix, shard) }

// delete removes the entry of a receipt from its stream, as only an operator can.
func (r *rig) delete(receipt hit.Receipt) {
	r.t.Helper()
	entries, err := r.client.XRange(context.Background(), r.hits(receipt.Shard), "-", "+").Result()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, e := range entries {
		if e.Values["e"] == receipt.Epoch.String() && e.Values["n"] == fmt.Sprint(receipt.Number) {
			if n, err := r.client.XDel(context.Background(), r.hits(receipt.Shard), e.ID).Result(); err != nil || n != 1 {
				r.t.Fatalf("deleted %d, %v", n, err)
			}
			return
		}
	}
	r.t.Fatalf("%v is not in the stream", receipt)
}

// lose removes all that Redis has of a shard.
func (r *rig) lose(shard int) {
	r.t.Helper()
	keys, err := r.client.Keys(context.Background(), fmt.Sprintf("{%s:%d}:*", r.cfg.Prefix, shard)).Result()
	if err == nil && len(keys) > 0 {
		err = r.client.Del(context.Background(), keys...).Err()
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

func ring(t testing.TB) *digest.Ring {
	t.Helper()
	ring, err := digest.New([]byte(strings.Repeat("k", digest.Size)))
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// worker runs an impatient consumer until the test ends, or stop is called.
func (r *rig) worker() (stop func()) {
	r.t.Helper()
	reading := r.cfg
	reading.Recover = r.pool.RecoverBooks
	c := consume.New(consume.Config{
		Shards: 2, BatchSize: 20, Block: 20 * time.Millisecond, MinIdle: 200 * time.Millisecond, ClaimEvery: 50 * time.Millisecond,
		StaleAfter: 100 * time.Millisecond, ChoreEvery: 20 * time.Millisecond, Logger: quiet(),
	}, consume.Parts{
		Reader: stream.NewReader(r.client, reading, "attribution", uuid.New()), Books: r.sides.Probe.Books, Store: consume.NewStore(r.pool), Digests: ring(r.t),
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = c.Run(ctx)
	}()
	stop = func() { cancel(); <-done }
	r.t.Cleanup(stop)
	return stop
}

// drained waits until nothing is in the streams and everything is settled.
func (r *rig) drained() {
	r.t.Helper()
	until(r.t, "the streams to be empty", func() bool {
		for shard := range r.cfg.Shards {
			if n, err := r.client.XLen(context.Background(), r.hits(shard)).Result(); err != nil || n != 0 {
				return false
			}
		}
		return r.number("select count(*) from batch") == 0
	})
}

// search is one search for gaps. A watch may search beside it, and one does so at a time.
func (r *rig) search() (gaps Gaps) {
	r.t.Helper()
	until(r.t, "its turn to search", func() bool {
		var err error
		if gaps, err = r.sides.Search(context.Background(), time.Now().UTC()); err != nil {
			r.t.Fatal(err)
		}
		return gaps.Searched
	})
	return gaps
}

// until polls a condition; it fails the test after half a minute.
func until(t testing.TB, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !done(); {
		if time.Now().After(deadline) {
			t.Fatalf("waited for %s", what)
		}
		<-time.After(5 * time.Millisecond)
	}
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }
