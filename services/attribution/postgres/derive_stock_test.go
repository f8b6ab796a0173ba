package postgres_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/derive"
	"github.com/touchline/touchline/services/attribution/postgres"
	"github.com/touchline/touchline/services/attribution/stock"
	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/sql"
	"github.com/touchline/touchline/sql/sqltest"
)

// What is taken from stock, wherever it lies, is what reading by keys returns; of others' facts
// and of those not asked for there are none, and what finds no room is said to be missing.
func TestDeriveStore_Stock(t *testing.T) {
	t.Parallel()
	schema := sqltest.NewSchema(t, sql.Newest)
	raw := schema.Pool(t, "touchline_worker")
	workspaces := []uuid.UUID{uuid.New(), uuid.New()}
	var keys []uuid.UUID
	for i := range 400 {
		f := hit.Fact{
			Kind: hit.KindPage, ID: fmt.Sprint(i), Source: uuid.New(), Trust: hit.Trust(1 + i%3), Page: &hit.Page{URL: "https://shop.example/" + strings.Repeat("ø", 20*i)},
			At: hit.InstantOf(time.Date(2026, 1, 1, 0, 0, i, 0, time.UTC)),
		}
		body, sum, err := hit.Content(&f)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := raw.Exec(t.Context(), `insert into fact (workspace_id, fact_id, kind, source_id, trust, occurred_at, whole_second, received_at, flags, content, body)
			values ($1, $2, $3, $4, $5, $6, $7, $6, $8, $9, $10)`, workspaces[i%2], f.Key(), f.Kind, f.Source, int16(f.Trust), f.At.Time(), i%5 == 0, []string{"x"}[:i%2], sum, body); err != nil {
			t.Fatal(err)
		}
		keys = append(keys, f.Key())
	}
	pool, err := postgres.Open(t.Context(), schema.URL, postgres.RoleWorker)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	dir := t.TempDir()
	var own []uuid.UUID // ascending, without the last ten, which came later
	for i := 0; i < 380; i += 2 {
		own = append(own, keys[i])
	}
	slices.SortFunc(own, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	for name, c := range map[string]struct {
		room stock.Config
		from int // of own
		have int // of those asked for; -1: some
	}{
		"in memory":            {stock.Config{Piece: 20_000}, 0, 190},
		"in a file":            {stock.Config{Memory: 1, Disk: 1 << 30, Piece: 20_000, Dir: dir}, 0, 190},
		"in both":              {stock.Config{Memory: 200_000, Disk: 1 << 30, Piece: 20_000, Dir: dir}, 0, 190},
		"what is left":         {stock.Config{Memory: 50_000, Disk: 1 << 30, Piece: 20_000, Dir: dir}, 150, 40},
		"no room for all":      {stock.Config{Memory: 100_000, Piece: 20_000}, 0, -1},
		"no disk for all":      {stock.Config{Memory: 100_000, Disk: 50_000, Piece: 20_000, Dir: dir}, 0, -1},
		"pieces are too small": {stock.Config{Piece: 3000}, 0, -1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.room.Log = slog.New(slog.DiscardHandler)
			store := postgres.NewDeriveStore(pool, nil).WithRoom(c.room).WithPatience(time.Minute)
			place := func(key uuid.UUID) int32 { return int32(slices.Index(own[c.from:], key)) }
			held, err := store.Stock(t.Context(), workspaces[0], own[c.from:], place)
			if err != nil {
				t.Fatal(err)
			}
			into := make([]hit.Fact, len(keys))
			missing, err := held.Take(keys, into)
			if err != nil {
				t.Fatal(err)
			}
			var had []uuid.UUID
			got := []hit.Fact{}
			for i, key := range keys {
				if !slices.Contains(missing, i) {
					had, got = append(had, key), append(got, into[i])
					if place(key) < 0 {
						t.Errorf("fact %d was not asked for", i)
					}
				}
			}
			want, err := store.Load(t.Context(), workspaces[0], had)
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
			if n := len(got); n != c.have && (c.have >= 0 || n == 0 || n == len(own)) {
				t.Errorf("%d facts, want %d", n, c.have)
			}
			held.Close()
			if missing, err := held.Take(keys, into); err != nil || len(missing) != len(keys) {
				t.Errorf("%d facts after the end, %v", len(keys)-len(missing), err)
			}
		})
	}
}

// pagesStored is a database with that many page views of one workspace.
func pagesStored(t *testing.T, facts int) (*postgres.Pool, uuid.UUID) {
	t.Helper()
	schema := sqltest.NewSchema(t, sql.Newest)
	pool, err := postgres.Open(t.Context(), schema.URL, postgres.RoleWorker)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	workspace := uuid.New()
	if _, err := schema.Pool(t, "touchline_worker").Exec(t.Context(), `insert into fact (workspace_id, fact_id, kind, source_id, trust, occurred_at, whole_second, received_at, flags, content, body)
		select $1, gen_random_uuid(), 'page', $1, 1, now(), false, now(), '{}', $1, '{"kind":"page","page":{}}' from generate_series(1, $2::int)`, workspace, facts); err != nil {
		t.Fatal(err)
	}
	return pool, workspace
}

// What came before reading failed is there, with the failure.
func TestDeriveStore_stockInPart(t *testing.T) {
	t.Parallel()
	pool, workspace := pagesStored(t, 50_000)
	ctx, stop := context.WithCancel(t.Context())
	var came []uuid.UUID
	held, err := postgres.NewDeriveStore(pool, nil).WithPatience(time.Minute).Stock(ctx, workspace, make([]uuid.UUID, 100), func(fact uuid.UUID) int32 {
		if len(came) < 100 {
			came = append(came, fact)
		} else {
			stop()
		}
		return int32(slices.Index(came, fact))
	})
	if err == nil || held == nil {
		t.Fatal("all was read")
	}
	if missing, err := held.Take(came, make([]hit.Fact, len(came))); err != nil || len(missing) > 0 {
		t.Errorf("%d are missing, %v", len(missing), err)
	}
}

// Who breaks while facts are read leaves the room to others.
func TestDeriveStore_stockBreaks(t *testing.T) {
	t.Parallel()
	const facts = 2000
	pool, workspace := pagesStored(t, facts)
	store := postgres.NewDeriveStore(pool, nil).WithRoom(stock.Config{Memory: 1, Disk: 400_000, Piece: 10_000, Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)}).WithPatience(time.Minute)
	read := func(most int) (held derive.Stock, came []uuid.UUID) {
		defer func() { _ = recover() }()
		held, err := store.Stock(t.Context(), workspace, make([]uuid.UUID, facts), func(fact uuid.UUID) int32 {
			if at := slices.Index(came, fact); at >= 0 {
				return int32(at)
			}
			if len(came) == most {
				panic("broken")
			}
			came = append(came, fact)
			return int32(len(came) - 1)
		})
		if err != nil {
			t.Error(err)
		}
		return held, came
	}
	for range 3 {
		if held, _ := read(facts - 100); held != nil {
			t.Fatal("nothing broke")
		}
	}
	held, came := read(facts)
	if held == nil {
		t.Fatal("it cannot be read any more")
	}
	defer held.Close()
	if missing, err := held.Take(came, make([]hit.Fact, len(came))); err != nil || len(missing) > 0 || len(came) != facts {
		t.Errorf("%d of %d are missing, %v", len(missing), len(came), err)
	}
}
