package consume

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/derive"
	"github.com/touchline/touchline/services/attribution/digest"
	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/attribution/postgres"
	"github.com/touchline/touchline/services/attribution/reftest"
	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/internal/stream"
)

// reachEnv says over how many histories derivation by reach and whole are compared.
const (
	reachEnv     = "TOUCHLINE_REACH"
	reachFromEnv = "TOUCHLINE_REACH_FROM" // the first seed
)

func environment(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// What is derived by reach, bit by bit, is what is derived whole, row for row. Every
// person counts as large here.
func TestReach_isWhole(t *testing.T) {
	t.Parallel()
	counts := newPathCounts()
	playAll(t, counts, tangled, func(*rand.Rand, *derive.Config) {})
	counts.judge(t)
}

// drawing makes the history of a seed, and what is known before it begins.
type drawing func(random *rand.Rand, seed int) (known []hit.Fact, history reftest.History)

// tangled draws what is hardest to derive in parts.
func tangled(random *rand.Rand, seed int) (known []hit.Fact, history reftest.History) {
	history = reftest.Histories().Example(seed)
	switch seed % 4 {
	case 0:
	case 1:
		history = reftest.Tangles().Example(seed)
		if random.IntN(2) == 0 {
			random.Shuffle(len(history.Facts), func(i, j int) { history.Facts[i], history.Facts[j] = history.Facts[j], history.Facts[i] })
		}
	default:
		known, history.Facts = bigPerson(random, 70)
	}
	return known, history
}

// playAll plays histories over which derivations are compared.
func playAll(t *testing.T, counts *pathCounts, draw drawing, tune func(*rand.Rand, *derive.Config)) {
	t.Helper()
	total, from := environment(t, reachEnv, 24), environment(t, reachFromEnv, 0)
	d, ring := newDatabase(t), newRing(t)
	for seed := from; seed < from+total; seed++ {
		random := rand.New(rand.NewPCG(uint64(seed), 11))
		known, history := draw(random, seed)
		if seed%3 > 0 {
			history.Policy.Conversions = slices.DeleteFunc(history.Policy.Conversions, func(c policy.Definition) bool { return c.OnceWithinSeconds > 0 })
		}
		p := newPlay(t, d, ring, &history.Policy)
		p.counts = counts
		p.cfg.Device = []int{1, 2, 200}[random.IntN(3)]
		p.cfg.BatchRows = []int{1, 7, 5000}[random.IntN(3)]
		tune(random, &p.cfg)
		p.deriver = derive.New(p.derives(), p.cfg)
		p.begin(t, known)
		p.play(t, random, history.Facts)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// pathCounts says how often which path was taken.
type pathCounts struct {
	reached, whole map[string]int // by kind of fact, of batches of one
	apart, all     map[string]int // so too
	refused        map[string]int // by reason
}

func newPathCounts() *pathCounts {
	return &pathCounts{reached: map[string]int{}, whole: map[string]int{}, apart: map[string]int{}, all: map[string]int{}, refused: map[string]int{}}
}

func (c *pathCounts) judge(t *testing.T) {
	t.Helper()
	for _, kind := range []hit.Kind{
		hit.KindMessage, hit.KindStatus, hit.KindClick, hit.KindInbound, hit.KindPage, hit.KindEvent, hit.KindIdentify,
	} {
		reached, whole := c.reached[string(kind)], c.whole[string(kind)]
		t.Logf("%-10s %5d by reach, %5d whole", kind, reached, whole)
		if reached*4 < whole {
			t.Errorf("%s: fewer than one in five by reach", kind)
		}
	}
	for _, reason := range slices.Sorted(maps.Keys(c.refused)) {
		t.Logf("refused: %-10s %5d", reason, c.refused[reason])
	}
}

// play is a workspace in which everybody is large.
type play struct {
	*database
	ring      *digest.Ring
	workspace uuid.UUID
	cfg       derive.Config
	deriver   *derive.Deriver
	version   int
	last      derive.Pass
	counts    *pathCounts
}

func newPlay(t *testing.T, d *database, ring *digest.Ring, rules *policy.Policy) *play {
	t.Helper()
	p := &play{database: d, ring: ring, workspace: uuid.New(), version: 1}
	p.exec(t, `insert into workspace (workspace_id, name, currency, timezone, created_at) values ($1, 'shop', 'NOK', 'UTC', now())`, p.workspace)
	p.exec(t, `insert into policy (workspace_id, version, document, identity_version, reference_version, state, created_at, created_by, published_at)
		values ($1, 1, $2, 1, 'test', 'live', now(), 'test', now())`, p.workspace, rules.Document())
	clock := noon
	p.cfg = derive.Config{
		BatchRows: 7, Small: 1, Device: 2, Hold: 1500 * time.Millisecond, Log: quiet(),
		Now:     func() time.Time { clock = clock.Add(time.Second); return clock },
		Observe: func(pass derive.Pass) { p.last = pass },
	}
	p.deriver = derive.New(p.derives(), p.cfg)
	return p
}

// derives is the database as derive sees it.
func (p *play) derives() *postgres.DeriveStore { return postgres.NewDeriveStore(p.pool, p.ring) }

func (p *play) exec(t *testing.T, query string, args ...any) {
	t.Helper()
	if _, err := p.rows.Exec(context.Background(), query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// begin stores facts and concludes from all of them at once.
func (p *play) begin(t *testing.T, facts []hit.Fact) {
	t.Helper()
	if len(facts) == 0 {
		return
	}
	p.store(t, facts)
	at := derive.New(p.derives(), derive.Config{Log: quiet()})
	if err := at.Workspace(context.Background(), p.workspace); err != nil {
		t.Fatal(err)
	}
}

// play stores facts a few at a time, concludes from them now and then, and compares
// with what is concluded whole.
func (p *play) play(t *testing.T, random *rand.Rand, facts []hit.Fact) {
	t.Helper()
	for at := 0; at < len(facts) && !t.Failed(); {
		size := min([]int{1, 1, 1, 1, 3, 12}[random.IntN(6)], len(facts)-at)
		p.store(t, facts[at:at+size])
		batch := facts[at : at+size]
		at += size
		for waiting := size; waiting > 0; {
			p.derive(t)
			p.count(batch)
			waiting = int(p.count1(t, `select count(*) from touched where workspace_id = $1`))
			if waiting > 0 && random.IntN(4) == 0 {
				break // more comes first
			}
		}
		if random.IntN(12) == 0 {
			p.compare(t)
		}
	}
	p.compare(t)
}

func (p *play) count(batch []hit.Fact) {
	whole := 0
	for why, rows := range p.last.Refused {
		p.counts.refused[why]++
		whole += rows
	}
	if len(batch) != 1 {
		return
	}
	p.counts.reached[string(batch[0].Kind)] += p.last.Reached
	p.counts.whole[string(batch[0].Kind)] += whole
	p.counts.apart[string(batch[0].Kind)] += sum(p.last.Apart)
	p.counts.all[string(batch[0].Kind)]++
}

func (p *play) count1(t *testing.T, query string) (n int64) {
	t.Helper()
	if err := p.rows.QueryRow(context.Background(), query, p.workspace).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func (p *play) store(t *testing.T, facts []hit.Fact) {
	t.Helper()
	epoch := uuid.New()
	entries := make([]stream.Entry, len(facts))
	for n, f := range facts {
		payload, err := hit.Encode(nil, &hit.Hit{Workspace: p.workspace, Fact: f})
		if err != nil {
			t.Fatal(err)
		}
		entries[n] = stream.Entry{
			ID: fmt.Sprintf("%d-0", n+1), Field: p.workspace.String() + "/" + f.Source.String(), Payload: payload,
			Receipt: hit.Receipt{Epoch: epoch, Number: int64(n + 1)},
		}
	}
	deliver(t, p.database, p.ring, entries, []int{len(entries), len(entries)})
}

func (p *play) derive(t *testing.T) {
	t.Helper()
	p.last = derive.Pass{}
	if err := p.deriver.Workspace(context.Background(), p.workspace); err != nil {
		t.Fatal(err)
	}
}

// compare concludes what waits, builds the same policy anew, which derives all whole,
// and compares the versions.
func (p *play) compare(t *testing.T) {
	t.Helper()
	for p.count1(t, `select count(*) from touched where workspace_id = $1`) > 0 {
		p.derive(t)
	}
	got := p.table(t)
	p.exec(t, `insert into policy (workspace_id, version, document, identity_version, reference_version, state, created_at, created_by)
		select workspace_id, version + 1, document, identity_version, reference_version, 'building', created_at, created_by
		from policy where workspace_id = $1 and version = $2`, p.workspace, p.version)
	for p.count1(t, `select count(*) from policy where workspace_id = $1 and state = 'building'`) > 0 {
		p.derive(t)
	}
	p.version++
	if diff := cmp.Diff(p.table(t), got); diff != "" {
		t.Errorf("what the table holds (-whole +by reach):\n%s", diff)
	}
}

// table is all that was concluded under the live policy, but for when.
func (p *play) table(t *testing.T) (lines []string) {
	t.Helper()
	for _, query := range []string{
		`select 'conversion ' || (to_jsonb(x) - '{workspace_id,version,revision,computed_at}'::text[])::text from conversion x
			where workspace_id = $1 and version = $2 and superseded_at is null order by 1`,
		`select 'credit ' || (to_jsonb(k) - '{workspace_id,version,revision}'::text[])::text from credit k
			join conversion c using (workspace_id, version, definition, conversion_id, revision)
			where workspace_id = $1 and version = $2 and superseded_at is null order by 1`,
		`select 'message ' || (to_jsonb(x) - '{workspace_id,version,computed_at}'::text[])::text from message x where workspace_id = $1 and version = $2 order by 1`,
		`select 'credits ' || (to_jsonb(x) - '{workspace_id,version,credited}'::text[])::text || trim_scale(credited) from rollup_credit x
			where workspace_id = $1 and version = $2 and (touches <> 0 or weight <> 0 or credited <> 0) order by 1`,
		`select 'messages ' || (to_jsonb(x) - '{workspace_id,version}'::text[])::text from rollup_message x
			where workspace_id = $1 and version = $2 and messages <> 0 order by 1`,
		`select 'person ' || to_jsonb(x)::text from identifier_person x where workspace_id = $1 and $2 > 0 order by 1`,
		`select 'link ' || to_jsonb(x)::text from link x where workspace_id = $1 and $2 > 0 order by 1`,
		`select 'claim ' || to_jsonb(x)::text from claim x where workspace_id = $1 and $2 > 0 order by 1`,
	} {
		rows, err := p.rows.Query(context.Background(), query, p.workspace, p.version)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var line string
			if err := rows.Scan(&line); err != nil {
				t.Fatal(err)
			}
			lines = append(lines, line)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
	}
	return lines
}
