package historytest_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"

	"github.com/touchline/touchline/services/attribution/digest"
	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/attribution/postgres"
	"github.com/touchline/touchline/services/attribution/postgres/dbsqlc"
	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/internal/redistest"
	"github.com/touchline/touchline/services/internal/stream"
	"github.com/touchline/touchline/sql"
	"github.com/touchline/touchline/sql/sqltest"
)

var identityKey = base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", digest.Size)))

func newRing() (*digest.Ring, error) { return digest.New([]byte(strings.Repeat("k", digest.Size))) }

// play is servers, workers and the groups that they work on.
type play struct {
	ctx    context.Context
	t      testing.TB
	random *rand.Rand
	ring   *digest.Ring
	met    *counts

	pool   *postgres.Pool
	rows   *pgxpool.Pool // as the worker
	client redis.UniversalClient
	stream stream.Config
	edges  []*stream.Writer // as many as there are edges
	fleet  *fleet
	harmIn int                // acts
	undone map[uuid.UUID]bool // workspaces whose books were spoiled
}

// newPlay makes a schema and streams of its own.
func newPlay(t testing.TB, seed int, ring *digest.Ring, met *counts) *play {
	t.Helper()
	schema := sqltest.NewSchema(t, sql.Newest)
	client, prefix := redistest.New(t)
	p := &play{
		ctx: t.Context(), t: t, random: rand.New(rand.NewPCG(uint64(seed), 13)), ring: ring, met: met, undone: map[uuid.UUID]bool{},
		rows: schema.Pool(t, string(postgres.RoleWorker)), client: client,
		stream: stream.Config{Prefix: prefix, Shards: shards, Timeout: 20 * time.Second},
	}
	var err error
	if p.pool, err = postgres.Open(p.ctx, schema.URL, postgres.RoleWorker); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.pool.Close)
	for range 3 {
		w, err := stream.NewWriter(client, p.stream, uuid.New())
		if err != nil {
			t.Fatal(err)
		}
		p.edges = append(p.edges, w)
		t.Cleanup(func() { _ = w.Close(context.Background()) })
	}
	address, err := url.Parse(schema.URL)
	if err != nil {
		t.Fatal("the database's address is no URL")
	}
	query := address.Query()
	query.Set("application_name", prefix)
	address.RawQuery = query.Encode()
	p.fleet = &fleet{
		settings: settings{Database: address.String(), Redis: os.Getenv(redistest.Env), Prefix: prefix},
		random:   p.random, rows: schema.Pool(t, ""), met: met,
	}
	return p
}

// open makes the workspaces of groups.
func (p *play) open(groups []*group) {
	p.t.Helper()
	for _, g := range groups {
		err := p.pool.WorkspaceCreate(p.ctx, dbsqlc.WorkspaceInsertParams{
			WorkspaceID: g.workspace, Name: "histories", Currency: currency, Timezone: "UTC", CreatedAt: time.Now(),
		}, draft(&g.policies[0]))
		if err != nil {
			p.t.Fatal(err)
		}
	}
}

func draft(p *policy.Policy) postgres.PolicyDraft {
	return postgres.PolicyDraft{Policy: p, Reference: "test", By: "test", At: time.Now()}
}

// perform lets every act of every group happen, beside each other, and waits until
// nothing is pending. Now and then it does harm to the workers. It returns the groups
// that are not done although nothing has happened for as long as patience.
func (p *play) perform(groups []*group, patience time.Duration) (stuck []*group) {
	p.t.Helper()
	var before map[uuid.UUID]state
	for until := time.Now().Add(patience); ; {
		states := p.books()
		if !maps.Equal(states, before) { // however slowly, the workers get on
			before, until = states, time.Now().Add(patience)
		}
		acted := 0
		stuck = nil
		for _, g := range groups {
			n := p.step(g, states[g.workspace])
			acted += n
			if n > 0 || g.done < len(g.acts) || states[g.workspace].busy() {
				stuck = append(stuck, g)
			}
		}
		if len(stuck) == 0 {
			return nil
		}
		if acted > 0 {
			p.harm(acted)
		}
		if err := p.fleet.tend(); err != nil {
			p.t.Fatal(err)
		}
		if time.Now().After(until) {
			return stuck
		}
		<-time.After(50 * time.Millisecond)
	}
}

// harm strikes every few acts, at a moment of its own.
func (p *play) harm(acted int) {
	p.t.Helper()
	if p.harmIn -= acted; p.harmIn > 0 {
		return
	}
	p.harmIn = 8 + p.random.IntN(16)
	<-time.After(time.Duration(p.random.IntN(15)) * time.Millisecond)
	if err := p.fleet.harm(p.ctx); err != nil {
		p.t.Fatal(err)
	}
}

// step lets the next act happen when its time has come, and returns how many did.
func (p *play) step(g *group, s state) int {
	p.t.Helper()
	if g.done == len(g.acts) || s.pending >= g.acts[g.done].below {
		return 0
	}
	a := g.acts[g.done]
	if a.publish != nil {
		version, state, err := p.pool.PolicyPublish(p.ctx, g.workspace, draft(a.publish))
		if errors.Is(err, postgres.ErrUnavailable) {
			return 0
		}
		if err != nil {
			p.t.Fatal(err)
		}
		p.met.add("policy "+state, 1)
		g.version = version
	}
	p.append(a.hits)
	g.done++
	if a.publish != nil && g.done < len(g.acts) && g.acts[g.done].publish != nil {
		return 1 + p.step(g, state{}) // at once, so that a build is given up
	}
	return 1
}

// append hands hits to all edges at once, in calls of any size.
func (p *play) append(hits []hit.Hit) {
	p.t.Helper()
	var calls sync.WaitGroup
	for i := 0; len(hits) > 0; i++ {
		call, w := hits[:1+p.random.IntN(min(len(hits), 100))], p.edges[i%len(p.edges)]
		hits = hits[len(call):]
		calls.Go(func() {
			if _, err := w.Append(p.ctx, call); err != nil {
				p.t.Error(err)
			}
		})
	}
	calls.Wait()
}

// state is where a workspace stands.
type state struct {
	terms
	pending  int64
	building int64
	built    int64 // facts, of the versions that are building
	live     int
}

func (s state) busy() bool { return s.pending > 0 || s.building > 0 }

// books reads both sides of the books, Redis first, and holds them against each other:
// at every moment accepted = stored + duplicate + conflict + rejected + pending.
func (p *play) books() map[uuid.UUID]state {
	p.t.Helper()
	begun := time.Now()
	read, err := stream.ReadBooks(p.ctx, p.client, p.stream)
	if err != nil {
		p.t.Fatal(err)
	}
	all := map[uuid.UUID]state{}
	var consumers []uuid.UUID
	var of, batches []int64
	for _, b := range read {
		for field, n := range b.Accepted {
			id := uuid.MustParse(field[:36])
			s := all[id]
			s.accepted += n
			s.pending += b.InFlight[field]
			all[id] = s
		}
		for consumer, batch := range b.Settled {
			consumers, of, batches = append(consumers, consumer), append(of, int64(b.Shard)), append(batches, batch)
		}
	}
	p.settled(all, consumers, of, batches)
	for workspace, s := range all {
		sum := s.stored + s.duplicate + s.conflict + s.rejected + s.pending
		if s.accepted != sum && !p.undone[workspace] && time.Since(begun) < 3*time.Second { // by then they may be folded
			p.t.Fatalf("books of %s: %d accepted, but %d in all: %+v", workspace, s.accepted, sum, s)
		}
	}
	return all
}

// settled adds the side of the database.
func (p *play) settled(all map[uuid.UUID]state, consumers []uuid.UUID, of, batches []int64) {
	p.t.Helper()
	found, err := p.rows.Query(p.ctx, `with settled as (
		select * from unnest($1::uuid[], $2::bigint[], $3::bigint[]) as s (consumer, shard, batch)
	), terms as (
		select workspace_id, stored, duplicate, conflict, rejected, 0 as waiting from ledger
		union all select b.workspace_id, b.stored, b.duplicate, b.conflict, b.rejected, 0 from ledger_batch b
			join settled s on s.consumer = b.consumer and s.shard = b.shard and b.batch <= s.batch
		union all select t.workspace_id, 0, 0, 0, 0, 1 from touched t
			join settled s on s.consumer = t.consumer and s.shard = t.shard and t.batch <= s.batch
	), sums as (
		select workspace_id, sum(stored) as stored, sum(duplicate) as duplicate, sum(conflict) as conflict, sum(rejected) as rejected, sum(waiting) as waiting
		from terms group by 1
	) select p.workspace_id, coalesce(max(stored), 0)::bigint, coalesce(max(duplicate), 0)::bigint, coalesce(max(conflict), 0)::bigint, coalesce(max(rejected), 0)::bigint,
		coalesce(max(waiting), 0)::bigint, count(*) filter (where state = 'building'), coalesce(sum(build_done) filter (where state = 'building'), 0)::bigint, coalesce(max(version) filter (where state = 'live'), 0)
	from policy p left join sums using (workspace_id) group by 1`, consumers, of, batches)
	if err != nil {
		p.t.Fatal(err)
	}
	defer found.Close()
	for found.Next() {
		var id uuid.UUID
		var s state
		if err := found.Scan(&id, &s.stored, &s.duplicate, &s.conflict, &s.rejected, &s.pending, &s.building, &s.built, &s.live); err != nil {
			p.t.Fatal(err)
		}
		s.accepted = all[id].accepted
		s.pending += all[id].pending
		all[id] = s
	}
	if err := found.Err(); err != nil {
		p.t.Fatal(err)
	}
}

// check returns what is wrong with a group's books and versions when all is done.
func (g *group) check(s state) error {
	if s.terms != g.terms {
		return fmt.Errorf("books of the histories from %d: %+v, want %+v", g.first, s.terms, g.terms)
	}
	if s.live != g.version {
		return fmt.Errorf("histories from %d: version %d is live, want %d", g.first, s.live, g.version)
	}
	return nil
}
