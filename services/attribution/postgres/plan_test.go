package postgres_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/touchline/touchline/services/attribution/postgres"
	"github.com/touchline/touchline/services/attribution/postgres/dbsqlc"
	"github.com/touchline/touchline/sql"
	"github.com/touchline/touchline/sql/sqltest"
)

var (
	named     = regexp.MustCompile(`(?m)^-- name: (\w+) :\w+\n`)
	parameter = regexp.MustCompile(`@\w+`)
	// compared is in a plan that compares rows with what is asked for instead of looking that up.
	compared = regexp.MustCompile(`Filter:.*(unnest|ANY)|Seq Scan`)
	// overlap is no fault: of a stretch of time one end is looked up.
	overlap = "Filter: (engaged_from <= (unnest"
)

// lookups are the queries that look up each of what they are asked for by an index, by name, as
// statements with numbered parameters.
func lookups(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("queries/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]string)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		starts := named.FindAllSubmatchIndex(text, -1)
		for i, at := range starts {
			end := len(text)
			if i+1 < len(starts) {
				end = starts[i+1][0]
			}
			query := string(text[at[1]:end])
			if strings.Contains(query, "(select unnest(") && strings.Contains(query, "cross join lateral (") {
				found[string(text[at[2]:at[3]])] = numbered(query)
			}
		}
	}
	return found
}

func numbered(query string) string {
	var names []string
	return parameter.ReplaceAllStringFunc(query, func(name string) string {
		at := slices.Index(names, name)
		if at < 0 {
			at, names = len(names), append(names, name)
		}
		return fmt.Sprintf("$%d", at+1)
	})
}

// A plan is made while a table is small and kept while it grows: it must be the one for a
// large table, of any size that the table has when it is made.
func TestDerivePlan(t *testing.T) {
	t.Parallel()
	conn := sqltest.NewSchema(t, sql.Newest).Pool(t, "touchline_worker")
	one, err := conn.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer one.Release()
	queries := lookups(t)
	queries["DeriveFactList"] = postgres.FactsQuery
	for _, name := range []string{"DeriveFactList", "DeriveFactsByRef", "DeriveRefsByFact", "DeriveBlocked", "ReachMeet"} {
		if queries[name] == "" || len(queries) < 10 {
			t.Fatalf("%s is not among %d lookups", name, len(queries))
		}
	}
	workspace, rows := uuid.New(), 0
	for _, more := range []int{0, 1, 60, 40, 40, 40, 40, 80, 160, 600} {
		fill(t, one.Conn(), workspace, more)
		rows += more
		tx, err := one.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := dbsqlc.New(tx).DerivePlan(t.Context()); err != nil {
			t.Fatal(err)
		}
		for name, query := range queries {
			if plan := explained(t, tx, query); compared.MatchString(strings.ReplaceAll(plan, overlap, "")) {
				t.Errorf("%s, made at %d rows:\n%s", name, rows, plan)
			}
		}
		if err := tx.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// fill adds rows to tables with several indexes.
func fill(t *testing.T, conn *pgx.Conn, workspace uuid.UUID, rows int) {
	t.Helper()
	for _, into := range []string{
		`identifier_person (workspace_id, identity_version, digest, kind, person_id) select $1, 1, gen_random_uuid(), 'phone', gen_random_uuid()`,
		`link (workspace_id, identity_version, a, b, trust, at, fact, position, state) select $1, 1, gen_random_uuid(), gen_random_uuid(), 1, now(), gen_random_uuid(), 0, 'joined'`,
		`claim (workspace_id, identity_version, device, at, fact, identify, holder) select $1, 1, gen_random_uuid(), now(), gen_random_uuid(), true, gen_random_uuid()`,
		`fact_ref (workspace_id, value, fact_id, kind, at) select $1, gen_random_uuid(), gen_random_uuid(), 1, now()`,
		`fact (workspace_id, fact_id, kind, source_id, trust, occurred_at, whole_second, received_at, content, body)
			select $1, gen_random_uuid(), 'page', gen_random_uuid(), 1, now(), false, now(), gen_random_uuid(), '{}'`,
		`identifier (workspace_id, digest, kind, folded, ciphertext, key_id, created_at) select $1, gen_random_uuid(), 'phone', gen_random_uuid(), '', 1, now()`,
		`touched (workspace_id, fact_id, old_refs, new_refs, source_id, hour, term, consumer, shard, batch)
			select $1, gen_random_uuid(), array[gen_random_uuid()], '{}', gen_random_uuid(), now(), 'stored', gen_random_uuid(), 1, 1`,
		`conversion (workspace_id, version, definition, conversion_id, revision, anchor, event_id, event_name, in_thread, event_at, refund, person_id,
			identified, models, hash, computed_at)
			select $1, 1, 'd', gen_random_uuid(), 1, gen_random_uuid(), '', '', false, now(), false, gen_random_uuid(), true, '{}', gen_random_uuid(), now()`,
		`message (workspace_id, version, channel, message_id, anchor, registered, session, person_id, sent_at, engaged_from, engaged_to, computed_at)
			select $1, 1, 'sms', gen_random_uuid(), gen_random_uuid(), true, false, gen_random_uuid(), now(), now(), now(), now()`,
	} {
		if _, err := conn.Exec(t.Context(), "insert into "+into+" from generate_series(1, $2)", workspace, rows); err != nil {
			t.Fatal(err)
		}
	}
}

// explained is the plan of a statement for whatever it is asked.
func explained(t *testing.T, tx pgx.Tx, query string) string {
	t.Helper()
	if _, err := tx.Exec(t.Context(), "prepare lookup as "+query, pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatalf("%v of\n%s", err, query)
	}
	defer func() {
		if _, err := tx.Exec(t.Context(), "deallocate lookup", pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Error(err)
		}
	}()
	var parameters int
	if err := tx.QueryRow(t.Context(), "select cardinality(parameter_types) from pg_prepared_statements where name = 'lookup'").Scan(&parameters); err != nil {
		t.Fatal(err)
	}
	lines, err := tx.Query(t.Context(), "explain (costs off) execute lookup("+strings.TrimSuffix(strings.Repeat("null, ", parameters), ", ")+")", pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := pgx.CollectRows(lines, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(plan, "\n")
}
