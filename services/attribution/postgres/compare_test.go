package postgres_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/touchline/touchline/services/attribution/comparison"
	"github.com/touchline/touchline/services/attribution/postgres"
	"github.com/touchline/touchline/sql"
	"github.com/touchline/touchline/sql/sqltest"
)

// revised is a conversion with its credits, as one revision has them.
type revised struct {
	value, hash int
	currency    string // "": none
	models      []string
	credits     []credited
}

type credited struct {
	rank, window      int
	channel           string
	weights, credited []int64 // weights in conversions
}

func anyRevised(random *rand.Rand) revised {
	models := [][]string{{"first", "last"}, {"first", "last"}, {"first", "last"}, {"last", "first"}, {"last"}}[random.IntN(5)]
	r := revised{value: random.IntN(2), currency: []string{"NOK", "NOK", "EUR", ""}[random.IntN(4)], models: models}
	for rank := range 1 + random.IntN(3) {
		k := credited{rank: rank, window: random.IntN(2), channel: []string{"email", "sms"}[random.IntN(2)]}
		for range models {
			k.weights, k.credited = append(k.weights, random.Int64N(3)), append(k.credited, random.Int64N(3)-1)
		}
		if r.currency == "" {
			k.credited = nil
		}
		r.credits = append(r.credits, k)
	}
	return r
}

// altered is r with damage of some kind, or as it is.
func altered(random *rand.Rand, r revised) revised {
	r.credits, r.models = slices.Clone(r.credits), slices.Clone(r.models)
	switch random.IntN(8) {
	case 0:
		r.hash = 1
	case 1:
		r.currency += "X"
	case 2:
		slices.Reverse(r.models)
	case 3:
		r.credits[0].window = 7
	case 4:
		r.credits = r.credits[1:]
	case 5:
		r.credits[0].channel = "pigeon"
	}
	return r
}

// write stores the revisions of one conversion, the last of them in force unless it is gone.
func write(t *testing.T, pool *pgxpool.Pool, row []any, revisions []revised, gone bool) {
	t.Helper()
	batch := &pgx.Batch{}
	for i, r := range revisions {
		row := append(slices.Clone(row), i+1)
		var superseded *time.Time
		if gone || i < len(revisions)-1 {
			superseded = &time.Time{}
		}
		batch.Queue(`insert into conversion (workspace_id, version, definition, conversion_id, revision, anchor, event_id, event_name, in_thread, event_at, refund,
			identified, value, currency, models, hash, computed_at, superseded_at)
			values ($1, $2, $3, $4, $5, $1, 'e', 'n', false, '2026-01-01', false, true, $6::int, nullif($7::text, ''), $8, $9, now(), $10)`,
			append(row, r.value, r.currency, r.models, uuid.UUID{byte(r.hash)}, superseded)...)
		for _, k := range r.credits {
			batch.Queue(`insert into credit (workspace_id, version, definition, conversion_id, revision, rank, channel, touch_key, window_seconds, weights, credited)
				values ($1, $2, $3, $4, $5, $6, $7, 'k', $8, (select array_agg(w * 1000000000000) from unnest($9::bigint[]) w), $10::bigint[]::numeric[])`,
				append(slices.Clone(row), k.rank, k.channel, k.window, k.weights, k.credited)...)
		}
	}
	if err := pool.SendBatch(t.Context(), batch).Close(); err != nil {
		t.Fatal(err)
	}
}

// shift is what credits of one kind came to: weight and value.
type shift map[[3]string][2]int64

func (s shift) add(r revised, sign int64) {
	for _, k := range r.credits {
		for i, model := range r.models {
			sum := s[[3]string{model, k.channel, r.currency}]
			sum[0] += sign * k.weights[i]
			if k.credited != nil {
				sum[1] += sign * k.credited[i]
			}
			s[[3]string{model, k.channel, r.currency}] = sum
		}
	}
}

// expected is what a comparison says, counted conversion by conversion.
type expected struct {
	part         comparison.Part
	gained, lost shift
	moved        shift
}

func (e *expected) count(old, now *revised) {
	if old != nil {
		e.part.Before++
	}
	if now != nil {
		e.part.After++
	}
	if old == nil && now == nil || old != nil && now != nil && cmp.Equal(*old, *now, cmp.AllowUnexported(revised{}, credited{})) {
		return
	}
	sum, up, down := shift{}, shift{}, shift{}
	switch {
	case old == nil:
		e.part.OnlyAfter++
	case now == nil:
		e.part.OnlyBefore++
	default:
		e.part.Changed++
	}
	if old != nil {
		sum.add(*old, -1)
	}
	if now != nil {
		sum.add(*now, 1)
	}
	for key, by := range sum {
		whole := [3]string{key[0], "", key[2]}
		for i, n := range by {
			gain, loss, rise, fall := e.gained[key], e.lost[key], up[whole], down[whole]
			gain[i] += max(n, 0)
			loss[i] += max(-n, 0)
			rise[i] += max(n, 0)
			fall[i] += max(-n, 0)
			e.gained[key], e.lost[key], up[whole], down[whole] = gain, loss, rise, fall
		}
	}
	for key, rise := range up {
		sum := e.moved[key]
		sum[0] += min(rise[0], down[key][0])
		sum[1] += min(rise[1], down[key][1])
		e.moved[key] = sum
	}
}

// told is a shift as lines of text, without what is nothing.
func (s shift) told() (lines []string) {
	for key, by := range s {
		if by != [2]int64{} {
			lines = append(lines, fmt.Sprintf("%s %d %d", strings.Join(key[:], " "), by[0], by[1]))
		}
	}
	slices.Sort(lines)
	return lines
}

// Two versions, of conversions with any number of revisions, some of them gone, are compared as
// each conversion's current revisions are, one after the other.
func TestTx_Compare(t *testing.T) {
	t.Parallel()
	schema := sqltest.NewSchema(t, sql.Newest)
	raw, workspace, random := schema.Pool(t, "touchline_worker"), uuid.New(), rand.New(rand.NewPCG(7, 1))
	if _, err := raw.Exec(t.Context(), `insert into workspace (workspace_id, name, currency, timezone, created_at) values ($1, 'n', 'NOK', 'UTC', now())`, workspace); err != nil {
		t.Fatal(err)
	}
	if _, err := raw.Exec(t.Context(), `insert into policy (workspace_id, version, document, identity_version, reference_version, state, created_at, created_by)
		select $1, v, '{}', 1, '', case v when 1 then 'live' else 'superseded' end, now(), '' from generate_series(1, 2) v`, workspace); err != nil {
		t.Fatal(err)
	}
	want := expected{part: comparison.Part{Name: comparison.Conversions}, gained: shift{}, lost: shift{}, moved: shift{}}
	for i := range 250 {
		var now [2]*revised
		last := anyRevised(random)
		for v := range now {
			revisions := []revised{}
			for range max(random.IntN(4)-1, 0) {
				revisions = append(revisions, anyRevised(random))
			}
			revisions, gone := append(revisions, altered(random, last)), random.IntN(8) == 0
			if random.IntN(8) > 0 {
				write(t, raw, []any{workspace, v + 1, []string{"a", "b"}[i%2], fmt.Sprint(i / 2)}, revisions, gone)
				if now[v] = &revisions[len(revisions)-1]; gone {
					now[v] = nil
				}
			}
		}
		want.count(now[0], now[1])
	}
	pool, err := postgres.Open(t.Context(), schema.URL, postgres.RoleWorker)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	err = pool.InTx(t.Context(), postgres.RepeatableRead, func(ctx context.Context, tx *postgres.Tx) error {
		found, err := tx.Compare(ctx, workspace, 2, 1)
		if err != nil {
			return err
		}
		part := found.Parts[0]
		part.Rows = nil
		if diff := cmp.Diff(want.part, part); diff != "" || len(found.Parts[0].Rows) == 0 {
			t.Errorf("(-want +got):\n%s", diff)
		}
		gained, lost, moved := shift{}, shift{}, shift{}
		for _, c := range found.Credits {
			key := [3]string{c.Model, c.Channel, *orEmpty(c.Currency)}
			gained[key], lost[key] = read(t, c.Gained), read(t, c.Lost)
		}
		for _, m := range found.Moved {
			moved[[3]string{m.Model, "", *orEmpty(m.Currency)}] = read(t, m.Amount)
		}
		if diff := cmp.Diff([][]string{want.gained.told(), want.lost.told(), want.moved.told()}, [][]string{gained.told(), lost.told(), moved.told()}); diff != "" {
			t.Errorf("gained, lost, moved (-want +got):\n%s", diff)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func orEmpty(s *string) *string {
	if s == nil {
		return new(string)
	}
	return s
}

// read is an amount in whole numbers.
func read(t *testing.T, a comparison.Amount) [2]int64 {
	t.Helper()
	var value int64
	if _, err := fmt.Sscan(a.Value, &value); err != nil {
		t.Fatal(err)
	}
	return [2]int64{int64(a.Conversions), value}
}
