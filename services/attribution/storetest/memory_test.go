package storetest_test

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/consume"
	"github.com/touchline/touchline/services/attribution/derive"
	"github.com/touchline/touchline/services/attribution/digest"
	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/attribution/postgres"
	"github.com/touchline/touchline/services/attribution/postgres/dbsqlc"
	"github.com/touchline/touchline/services/attribution/reftest"
	"github.com/touchline/touchline/services/attribution/storetest"
	"github.com/touchline/touchline/services/attribution/timeline"
	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/internal/stream"
	"github.com/touchline/touchline/services/internal/stream/streamtest"
	"github.com/touchline/touchline/sql"
	"github.com/touchline/touchline/sql/sqltest"
)

func newRing(t *testing.T) *digest.Ring {
	t.Helper()
	ring, err := digest.New([]byte(strings.Repeat("k", digest.Size)))
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// overMemory is a database in memory.
func overMemory(t *testing.T) storetest.Database {
	t.Helper()
	p := policy.Default()
	m := storetest.NewMemory(time.Now, newRing(t), map[uuid.UUID]derive.Workspace{storetest.Shop: {Currency: "NOK", Versions: []derive.Version{
		{Number: 1, Identity: 1, Policy: &p, Rules: timeline.Compile(&p)},
	}}})
	conn := storetest.Conn{Memory: m}
	return storetest.Database{Consume: conn, Derive: storetest.Derive{Conn: conn}, Recover: conn.Recover, Terms: m.Terms}
}

// overPostgres is one of a real server.
func overPostgres(t *testing.T) storetest.Database {
	t.Helper()
	schema := sqltest.NewSchema(t, sql.Newest)
	pool, err := postgres.Open(context.Background(), schema.URL, postgres.RoleWorker)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	document := policy.Default()
	rows := schema.Pool(t, "touchline_worker")
	_, err = rows.Exec(t.Context(), `insert into workspace (workspace_id, name, currency, timezone, created_at) values ($1, 'shop', 'NOK', 'UTC', now())`, storetest.Shop)
	if err == nil {
		_, err = rows.Exec(t.Context(), `insert into policy (workspace_id, version, document, identity_version, reference_version, state, created_at, created_by, published_at)
			values ($1, 1, $2, 1, 'test', 'live', now(), 'test', now())`, storetest.Shop, document.Document())
	}
	if err != nil {
		t.Fatal(err)
	}
	return storetest.Database{
		Consume: consume.NewStore(pool), Derive: postgres.NewDeriveStore(pool, newRing(t)), Recover: pool.RecoverBooks,
		Terms: func(arg dbsqlc.IngestionTermsParams) (list []dbsqlc.IngestionTermsRow) {
			err := pool.InTx(context.Background(), postgres.ReadCommitted, func(ctx context.Context, tx *postgres.Tx) (err error) {
				list, err = tx.IngestionTerms(ctx, arg)
				return err
			})
			if err != nil {
				t.Error(err)
			}
			return list
		},
	}
}

func TestMemory(t *testing.T) {
	t.Parallel()
	storetest.Run(t, overMemory)
}

//nolint:paralleltest // the schemas of this and the next test share the server's locks of one workspace
func TestPostgres(t *testing.T) {
	storetest.Run(t, overPostgres)
}

// What consume and derive make of random histories is the same in both: facts, terms,
// persons and the table.
//
//nolint:paralleltest // as above
func TestMemory_IsLikePostgres(t *testing.T) {
	for seed := range 4 {
		hits := history(seed)
		want, got := play(t, overPostgres(t), hits), play(t, overMemory(t), hits)
		if len(want.facts) < 5 || len(want.table.Conversions) == 0 {
			t.Fatalf("seed %d: too little to compare: %d facts", seed, len(want.facts))
		}
		options := gocmp.Options{gocmp.AllowUnexported(outcome{}), cmpopts.EquateEmpty()}
		if diff := gocmp.Diff(want, got, options); diff != "" {
			t.Errorf("seed %d (-postgres +memory):\n%s", seed, diff)
		}
	}
}

// history is what happened in a workspace, some of it sent twice, some with another value.
func history(seed int) (hits []hit.Hit) {
	random := rand.New(rand.NewPCG(uint64(seed), 3))
	for _, f := range reftest.Histories().Example(seed).Facts {
		for range 1 + random.IntN(3)/2 {
			copied := f
			if copied.Event != nil && random.IntN(6) == 0 {
				event := *copied.Event
				event.Properties = []byte(`{"order_id":"o","value":7}`)
				copied.Event = &event
			}
			hits = append(hits, hit.Hit{Workspace: storetest.Shop, Fact: copied})
		}
	}
	hits = append(hits, hit.Hit{Workspace: storetest.Nowhere, Fact: hits[0].Fact},
		hit.Hit{Workspace: storetest.Shop, Fact: hit.Fact{Source: hits[0].Fact.Source, ReceivedAt: hits[0].Fact.ReceivedAt}, Rejection: &hit.Rejection{Reason: "bad_id"}})
	random.Shuffle(len(hits), func(i, j int) { hits[i], hits[j] = hits[j], hits[i] })
	return hits
}

// outcome is what can be compared of a database.
type outcome struct {
	facts []hit.Fact
	terms []dbsqlc.IngestionTermsRow
	table derive.Current
}

// play has the hits consumed and derived, a few at a time.
func play(t *testing.T, d storetest.Database, hits []hit.Hit) outcome {
	t.Helper()
	streams := streamtest.NewMemory(1, time.Now)
	conn := streamtest.Conn{Memory: streams}
	quiet := slog.New(slog.DiscardHandler)
	writer, err := stream.NewWriterTo(conn, stream.Config{Shards: 1, Logger: quiet}, uuid.New())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = writer.Close(context.Background()) }()
	ctx, cancel := context.WithCancel(t.Context())
	deriver := derive.New(d.Derive, derive.Config{Log: quiet})
	consumer := consume.New(consume.Config{Shards: 1, BatchSize: 4, Block: 10 * time.Millisecond, ChoreEvery: 5 * time.Millisecond, FoldAfter: 20 * time.Millisecond, Logger: quiet},
		consume.Parts{
			Reader: streamtest.NewReader(conn, uuid.New(), d.Recover), Store: d.Consume, Digests: newRing(t),
			Books: func(context.Context) ([]stream.ShardBooks, error) { return streams.Books(), nil },
		})
	ended := make(chan error, 1)
	go func() { ended <- consumer.Run(ctx) }()
	for chunk := range slices.Chunk(hits, 7) {
		if _, err := writer.Append(ctx, chunk); err != nil {
			t.Fatal(err)
		}
		for len(streams.Held(0).Runs) > 0 {
			<-time.After(time.Millisecond)
		}
		if err := deriver.Workspace(ctx, storetest.Shop); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	return look(t, d, streams.Books())
}

// look reads what a database holds.
func look(t *testing.T, d storetest.Database, books []stream.ShardBooks) (found outcome) {
	t.Helper()
	asked := dbsqlc.IngestionTermsParams{WorkspaceID: storetest.Shop}
	for name, batch := range books[0].Settled {
		asked.Consumers, asked.Shards, asked.Batches = append(asked.Consumers, name), append(asked.Shards, 0), append(asked.Batches, batch)
	}
	found.terms = d.Terms(asked)
	_, err := d.Derive.Exclusive(t.Context(), storetest.Shop, func(s derive.Session) error {
		return s.Snapshot(t.Context(), func(tx derive.Tx) error {
			keys, err := tx.Walk(t.Context(), uuid.Nil, 1000)
			refs, err2 := tx.Refs(t.Context(), keys)
			byRef, err3 := tx.ByRef(t.Context(), refs)
			if len(byRef) != len(keys) {
				t.Errorf("%d of %d facts are found by their references", len(byRef), len(keys))
			}
			var err4, err5 error
			found.facts, err4 = tx.Load(t.Context(), keys)
			found.table, err5 = held(t.Context(), tx, refs)
			return errors.Join(err, err2, err3, err4, err5)
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	found.normalise()
	return found
}

// held is what hangs on references.
func held(ctx context.Context, tx derive.Tx, refs []uuid.UUID) (c derive.Current, err error) {
	v, faults := derive.Version{Number: 1, Identity: 1}, [5]error{}
	c.Conversions, faults[0] = tx.Conversions(ctx, v, refs)
	c.Messages, faults[1] = tx.Messages(ctx, v, refs)
	c.Persons, faults[2] = tx.Persons(ctx, v, refs)
	c.Links, faults[3] = tx.Links(ctx, v, refs)
	c.Claims, faults[4] = tx.Claims(ctx, v, refs)
	return c, errors.Join(faults[:]...)
}

// normalise leaves out what the two may differ in: orders, and kinds that Postgres does
// not keep.
func (o *outcome) normalise() {
	by := func(f hit.Fact) string { return f.Key().String() }
	slices.SortFunc(o.facts, func(a, b hit.Fact) int { return cmp.Compare(by(a), by(b)) })
	c := &o.table
	for i := range c.Links {
		l := &c.Links[i]
		l.A.Kind, l.A.Folded, l.B.Kind, l.B.Folded = "", "", "", ""
	}
	for i := range c.Persons {
		c.Persons[i].Identifier.Folded = ""
	}
	for i := range c.Claims {
		c.Claims[i].Device.Folded, c.Claims[i].Holder = "", hit.Identifier{Value: c.Claims[i].Holder.Value}
	}
	sum := storetest.Table{Messages: c.Messages, Persons: c.Persons, Links: c.Links, Claims: c.Claims}.Sorted()
	c.Messages, c.Persons, c.Links, c.Claims = sum.Messages, sum.Persons, sum.Links, sum.Claims
	slices.SortFunc(c.Conversions, func(a, b derive.ConversionRow) int {
		return cmp.Or(cmp.Compare(a.Key.Definition, b.Key.Definition), cmp.Compare(a.Key.ID, b.Key.ID))
	})
}
