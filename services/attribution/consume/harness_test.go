package consume

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

	"github.com/touchline/touchline/services/attribution/digest"
	"github.com/touchline/touchline/services/attribution/postgres"
	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/internal/redistest"
	"github.com/touchline/touchline/services/internal/stream"
	"github.com/touchline/touchline/sql"
	"github.com/touchline/touchline/sql/sqltest"
)

var (
	shop    = uuid.MustParse("10000000-0000-0000-0000-000000000001")
	nowhere = uuid.MustParse("10000000-0000-0000-0000-000000000002") // a workspace that is not there
	site    = uuid.MustParse("20000000-0000-0000-0000-000000000001")
	server  = uuid.MustParse("20000000-0000-0000-0000-000000000002")
	noon    = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
)

// database is a schema with one workspace.
type database struct {
	*sqltest.Schema
	pool *postgres.Pool
	rows *pgxpool.Pool
}

func newDatabase(t testing.TB) *database {
	t.Helper()
	schema := sqltest.NewSchema(t, sql.Newest)
	pool, err := postgres.Open(context.Background(), schema.URL, postgres.RoleWorker)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	d := &database{Schema: schema, pool: pool, rows: schema.Pool(t, "touchline_worker")}
	var id uuid.UUID
	d.scan(t, `insert into workspace (workspace_id, name, currency, timezone, created_at) values ('`+shop.String()+`', 'shop', 'NOK', 'UTC', now()) returning workspace_id`, &id)
	return d
}

func (d *database) scan(t testing.TB, query string, into ...any) {
	t.Helper()
	if err := d.rows.QueryRow(context.Background(), query).Scan(into...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// number runs a query for one number.
func (d *database) number(t testing.TB, query string) int64 {
	t.Helper()
	var n int64
	d.scan(t, query, &n)
	return n
}

func newRing(t testing.TB) *digest.Ring {
	t.Helper()
	ring, err := digest.New([]byte(strings.Repeat("k", digest.Size)))
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// order is a hit that states an order of somebody.
func order(id string, at time.Time, value string) hit.Hit {
	return hit.Hit{Workspace: shop, Fact: hit.Fact{
		Kind: hit.KindEvent, Source: site, Trust: hit.TrustBrowser, ID: id,
		At: hit.InstantOf(at), ReceivedAt: hit.InstantOf(noon.Add(time.Minute)),
		Identifiers: []hit.Identifier{{Kind: hit.Phone, Value: "+4790000001"}},
		Device:      &hit.Identifier{Kind: hit.Device, Value: "device-" + id},
		Event:       &hit.Event{Name: "Order Completed", Properties: []byte(fmt.Sprintf(`{"order_id":%q,"value":%q}`, id, value))},
	}}
}

// rig is a database and streams.
type rig struct {
	*database
	client redis.UniversalClient
	stream stream.Config
	writer *stream.Writer
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{database: newDatabase(t)}
	client, prefix := redistest.New(t)
	r.client, r.stream = client, stream.Config{Prefix: prefix, Shards: 2, Logger: quiet(), Timeout: 10 * time.Second}
	writer, err := stream.NewWriter(client, r.stream, uuid.New())
	if err != nil {
		t.Fatal(err)
	}
	r.writer = writer
	t.Cleanup(func() { _ = r.writer.Close(context.Background()) })
	return r
}

// append sends hits in one call.
func (r *rig) append(t testing.TB, hits ...hit.Hit) {
	t.Helper()
	if _, err := r.writer.Append(context.Background(), hits); err != nil {
		t.Fatal(err)
	}
}

// consumer returns a consumer that is impatient.
func (r *rig) consumer(t testing.TB, change func(*Config, *Parts)) *Consumer {
	t.Helper()
	cfg := Config{
		Shards: 2, BatchSize: 20, Block: 20 * time.Millisecond, MinIdle: 200 * time.Millisecond, ClaimEvery: 50 * time.Millisecond,
		StaleAfter: 100 * time.Millisecond, ChoreEvery: 20 * time.Millisecond, FoldAfter: foldAfter, Logger: quiet(),
	}
	reading := r.stream
	reading.Recover = r.pool.RecoverBooks
	parts := Parts{
		Reader: stream.NewReader(r.client, reading, "attribution", uuid.New()),
		Books: func(ctx context.Context) ([]stream.ShardBooks, error) {
			return stream.ReadBooks(ctx, r.client, r.stream)
		},
		Store:   NewStore(r.pool),
		Digests: newRing(t),
	}
	if change != nil {
		change(&cfg, &parts)
	}
	return New(cfg, parts)
}

// start runs c until the test ends, or stop is called.
func start(t testing.TB, c *Consumer) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := c.Run(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
	}()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return stop
}

// sums are the books as the API reads them.
type sums struct {
	accepted, inflight, touched           int64
	stored, duplicate, conflict, rejected int64
}

func (s sums) balanced() bool {
	return s.accepted == s.inflight+s.touched+s.stored+s.duplicate+s.conflict+s.rejected
}

// foldAfter is when what was settled is folded: by then whoever has read Redis has read the
// database too.
const foldAfter = 5 * time.Second

// sums reads Redis first and then, in one statement, what was settled by then; once more when that
// took so long that some of it may have been folded.
func (r *rig) sums(t testing.TB) sums {
	t.Helper()
	for {
		begun := time.Now()
		if s := r.sumsOnce(t); time.Since(begun) < foldAfter/2 {
			return s
		}
	}
}

func (r *rig) sumsOnce(t testing.TB) sums {
	t.Helper()
	books, err := stream.ReadBooks(context.Background(), r.client, r.stream)
	if err != nil {
		t.Fatal(err)
	}
	var s sums
	settled := []string{"('" + uuid.Nil.String() + "'::uuid, 0, 0)"}
	for _, b := range books {
		for _, n := range b.Accepted {
			s.accepted += n
		}
		for _, n := range b.InFlight {
			s.inflight += n
		}
		for consumer, n := range b.Settled {
			settled = append(settled, fmt.Sprintf("('%s'::uuid, %d, %d)", consumer, b.Shard, n))
		}
	}
	r.scan(t, `with settled (consumer, shard, batch) as (values `+strings.Join(settled, ",")+`), terms as (
		select stored, duplicate, conflict, rejected from ledger
		union all select b.stored, b.duplicate, b.conflict, b.rejected from ledger_batch b join settled s on b.consumer = s.consumer and b.shard = s.shard and b.batch <= s.batch)
		select coalesce(sum(stored), 0)::bigint, coalesce(sum(duplicate), 0)::bigint, coalesce(sum(conflict), 0)::bigint, coalesce(sum(rejected), 0)::bigint,
		(select count(*) from touched t join settled s on t.consumer = s.consumer and t.shard = s.shard and t.batch <= s.batch) from terms`,
		&s.stored, &s.duplicate, &s.conflict, &s.rejected, &s.touched)
	return s
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
