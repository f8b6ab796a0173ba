package postgres_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/postgres"
	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/sql"
	"github.com/touchline/touchline/sql/sqltest"
)

// What is taken from stock is what reading by keys returns; of others' facts and of those
// not asked for there are none, and what finds no room is said to be missing.
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
	store := postgres.NewDeriveStore(pool, nil)
	own := func(which int) (list []uuid.UUID) {
		for i := which; i < len(keys); i += 2 {
			list = append(list, keys[i])
		}
		return list
	}
	for name, c := range map[string]struct {
		facts []uuid.UUID
		most  int
		have  int // at least
		full  bool
	}{
		"all of a workspace": {nil, 64 << 20, 200, false},
		"some of them":       {append(own(0)[:50], own(1)...), 64 << 20, 50, false},
		"none":               {[]uuid.UUID{}, 64 << 20, 0, false},
		"no room for all":    {nil, 1 << 20, 1, true},
	} {
		stock, err := store.Stock(t.Context(), workspaces[0], c.facts, c.most)
		if err != nil {
			t.Fatal(err)
		}
		into := make([]hit.Fact, len(keys))
		missing, err := stock.Take(keys, into)
		if err != nil || stock.Full() != c.full {
			t.Fatalf("%s: full: %t, %v", name, stock.Full(), err)
		}
		at := make(map[int]bool)
		for _, i := range missing {
			at[i] = true
		}
		var had []uuid.UUID
		got := []hit.Fact{}
		for i, key := range keys {
			if !at[i] {
				had, got = append(had, key), append(got, into[i])
			}
		}
		want, err := store.Load(t.Context(), workspaces[0], had)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
		if len(got) < c.have || len(got) == 200 && c.have < 200 || !c.full && len(got) != c.have {
			t.Errorf("%s: %d facts", name, len(got))
		}
	}
}
