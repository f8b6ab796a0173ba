package postgres_test

import (
	"errors"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/derive"
	"github.com/touchline/touchline/services/attribution/identity"
	"github.com/touchline/touchline/services/attribution/postgres"
	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/sql"
	"github.com/touchline/touchline/sql/sqltest"
)

// Facts are read back as they were stored, in the order asked for, whichever way the
// server is asked.
func TestDeriveStore_Load(t *testing.T) {
	t.Parallel()
	schema := sqltest.NewSchema(t, sql.Newest)
	raw := schema.Pool(t, "touchline_worker")
	workspace, source := uuid.New(), uuid.New()
	at := time.Date(1999, 2, 3, 4, 5, 6, 789_012_000, time.UTC)
	var want []hit.Fact
	var keys []uuid.UUID
	for i, flags := range [][]string{{}, {"time_corrected", "x"}, {}} {
		f := hit.Fact{
			Kind: hit.KindPage, ID: string(rune('a' + i)), Source: source, Trust: hit.Trust(i + 1), Flags: flags, Page: &hit.Page{URL: "https://shop.example/ø"},
			At: hit.InstantOf(at.AddDate(i*20, 0, 0)), ReceivedAt: hit.InstantOf(at.AddDate(30, 0, i)), Precision: hit.PrecisionExact,
		}
		if i == 1 {
			f.Precision = hit.PrecisionSecond
		}
		body, sum, err := hit.Content(&f)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := raw.Exec(t.Context(), `insert into fact (workspace_id, fact_id, kind, source_id, trust, occurred_at, whole_second, received_at, flags, content, body)
			values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`, workspace, f.Key(), f.Kind, source, int16(f.Trust), f.At.Time(), i == 1, f.ReceivedAt.Time(), flags, sum, body); err != nil {
			t.Fatal(err)
		}
		want, keys = append(want, f), append(keys, f.Key())
	}
	slices.Reverse(want)
	slices.Reverse(keys)
	for _, mode := range []string{"cache_statement", "cache_describe", "describe_exec", "exec", "simple_protocol"} {
		address, err := url.Parse(schema.URL)
		if err != nil {
			t.Fatal(err)
		}
		query := address.Query()
		query.Set("default_query_exec_mode", mode)
		address.RawQuery = query.Encode()
		pool, err := postgres.Open(t.Context(), address.String(), postgres.RoleWorker)
		if err != nil {
			t.Fatal(err)
		}
		got, err := postgres.NewDeriveStore(pool, nil).WithPatience(time.Minute).Load(t.Context(), workspace, slices.Concat(keys[:2], []uuid.UUID{uuid.New()}, keys[2:]))
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", mode, err, diff)
		}
		twice, err := postgres.NewDeriveStore(pool, nil).WithPatience(time.Minute).Load(t.Context(), workspace, []uuid.UUID{keys[0], keys[1], keys[0]})
		slices.SortFunc(twice, func(a, b hit.Fact) int { return int(b.At - a.At) })
		if diff := cmp.Diff(want[:2], twice); err != nil || diff != "" {
			t.Errorf("%s: one asked for twice: %v (-want +got):\n%s", mode, err, diff)
		}
		pool.Close()
	}
}

// What is read beside a transaction of persons, links and claims is what the transaction reads:
// of what is asked for, of the version's identity version and the workspace.
func TestDeriveStore_Names(t *testing.T) {
	t.Parallel()
	schema := sqltest.NewSchema(t, sql.Newest)
	raw := schema.Pool(t, "touchline_worker")
	workspace := uuid.New()
	var digests []uuid.UUID
	for i := range 6 {
		digests = append(digests, uuid.NewSHA1(workspace, []byte{byte(i)}))
	}
	for _, of := range []uuid.UUID{workspace, uuid.New()} {
		for _, statement := range []string{
			`insert into identifier_person (workspace_id, identity_version, digest, kind, person_id, shared)
				select $1, v, d, 'phone', gen_random_uuid(), v = 2 from unnest($2::uuid[]) d, generate_series(1, 2) v`,
			`insert into link select $1, v, d, gen_random_uuid(), 1 + n, now(), 'f', n, 'joined' from unnest($2::uuid[]) d, generate_series(1, 2) v, generate_series(1, 2) n`,
			`insert into claim select $1, v, d, now(), 'f', n = 1, gen_random_uuid() from unnest($2::uuid[]) d, generate_series(1, 2) v, generate_series(1, 2) n`,
		} {
			if _, err := raw.Exec(t.Context(), statement, of, digests); err != nil {
				t.Fatal(err)
			}
		}
	}
	pool, err := postgres.Open(t.Context(), schema.URL, postgres.RoleWorker)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	store := postgres.NewDeriveStore(pool, nil).WithPatience(time.Minute)
	v := derive.Version{Number: 7, Identity: 2}
	strong, devices := digests[:3], digests[2:4]
	got, err := store.Names(t.Context(), workspace, v, strong, devices)
	if err != nil {
		t.Fatal(err)
	}
	var want derive.Current
	ok, err := store.Exclusive(t.Context(), workspace, func(s derive.Session) error {
		return s.Snapshot(t.Context(), func(tx derive.Tx) error {
			var faults [3]error
			want.Persons, faults[0] = tx.Persons(t.Context(), v, strong)
			want.Links, faults[1] = tx.Links(t.Context(), v, strong)
			want.Claims, faults[2] = tx.Claims(t.Context(), v, devices)
			return errors.Join(faults[:]...)
		})
	})
	if !ok || err != nil {
		t.Fatal(ok, err)
	}
	order := cmp.Options{
		cmpopts.SortSlices(func(a, b identity.Link) bool { return a.B.Value < b.B.Value }), cmpopts.SortSlices(func(a, b identity.Claim) bool { return a.Holder.Value < b.Holder.Value }),
	}
	if diff := cmp.Diff(want, got, order); diff != "" || len(got.Persons) != 3 || len(got.Links) != 6 || len(got.Claims) != 4 {
		t.Errorf("%d persons, %d links, %d claims (-want +got):\n%s", len(got.Persons), len(got.Links), len(got.Claims), diff)
	}
}
