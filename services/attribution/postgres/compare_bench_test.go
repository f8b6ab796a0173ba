package postgres_test

import (
	"context"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/postgres"
	"github.com/touchline/touchline/sql"
	"github.com/touchline/touchline/sql/sqltest"
)

// BenchmarkCompare compares two versions, of 20,000 conversions unless
// TOUCHLINE_BENCH_ROWS says another number, each with two credits under two models: equal
// ones, ones of which a hundredth differs, and ones that differ in every row.
func BenchmarkCompare(b *testing.B) {
	rows := 20_000
	if n, err := strconv.Atoi(os.Getenv("TOUCHLINE_BENCH_ROWS")); err == nil {
		rows = n
	}
	schema := sqltest.NewSchema(b, sql.Newest)
	raw := schema.Pool(b, "touchline_worker")
	workspace := uuid.New()
	for _, statement := range []string{
		`insert into workspace (workspace_id, name, currency, timezone, created_at) values ($1, 'n', 'NOK', 'UTC', now())`,
		`insert into policy (workspace_id, version, document, identity_version, reference_version, state, created_at, created_by)
			select $1, v, '{}', v, '', case v when 1 then 'live' else 'superseded' end, now(), '' from generate_series(1, 4) v`,
		`insert into conversion select $1, v, 'purchase', 'order:' || n, 1, md5('a' || n)::uuid, 'e' || n, 'Order Completed', false,
			timestamptz '2026-01-01' + n * interval '1 second', 'o' || n, false,
			n % 1000 + case when v = 4 or v = 3 and n % 100 = 0 then 1 else 0 end, 'NOK', md5('p' || n % 5000)::uuid, true, '{}', '{last_touch,linear}',
			md5('h' || n || case when v = 4 or v = 3 and n % 100 = 0 then 'x' else '' end)::uuid, now()
			from generate_series(1, ` + strconv.Itoa(rows) + `) n, generate_series(1, 4) v`,
		`insert into credit select $1, v, 'purchase', 'order:' || n, 1, r, case r when 0 then 'email' else 'whatsapp' end, 'm' || n || '-' || r, 'click',
			timestamptz '2026-01-01' + n * interval '1 second', 604800, 1000000, 'whatsapp', 'm' || n || '-' || r, 'spring', 'nb', 'c1', null,
			case r when 0 then '{0,500000000000}' else '{1000000000000,500000000000}' end::bigint[], array[r * (n % 1000), (n % 1000) / 2.0]
			from generate_series(1, ` + strconv.Itoa(rows) + `) n, generate_series(0, 1) r, generate_series(1, 4) v`,
		`insert into message (workspace_id, version, channel, message_id, anchor, registered, session, person_id, sent_at, read_at, computed_at)
			select $1, v, 'whatsapp', 'm' || n || '-' || r, md5('m' || n)::uuid, true, false, md5('p' || n % 5000)::uuid, now(), now(), now()
			from generate_series(1, ` + strconv.Itoa(rows) + `) n, generate_series(0, 1) r, generate_series(1, 4) v`,
	} {
		if _, err := raw.Exec(b.Context(), statement, workspace); err != nil {
			b.Fatal(err)
		}
	}
	pool, err := postgres.Open(b.Context(), schema.URL, postgres.RoleWorker)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(pool.Close)
	for name, c := range map[string]struct {
		version     int
		differences int
	}{"equal": {2, 0}, "hundredth": {3, rows / 100}, "all": {4, rows}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				begun := time.Now()
				err := pool.InTx(b.Context(), postgres.RepeatableRead, func(ctx context.Context, tx *postgres.Tx) error {
					found, err := tx.Compare(ctx, workspace, c.version, 1)
					if err == nil && found.Differences != int64(c.differences) {
						b.Errorf("%d differences, want %d", found.Differences, c.differences)
					}
					return err
				})
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(time.Since(begun).Seconds()*1e6/float64(rows), "s/1M-conversions")
			}
		})
	}
}
