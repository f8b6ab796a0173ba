package consume

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/comparison"
	"github.com/touchline/touchline/services/attribution/derive"
	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/attribution/postgres"
	"github.com/touchline/touchline/services/attribution/recompute"
	"github.com/touchline/touchline/services/internal/failpoint"
	"github.com/touchline/touchline/services/internal/stream"
)

// settled stores entries in batches and concludes from all of them.
func (d *table) settled(t *testing.T, random *rand.Rand, entries []stream.Entry) {
	t.Helper()
	for len(entries) > 0 {
		size := min(1+random.IntN(40), len(entries))
		deliver(t, d.database, d.ring, entries[:size], []int{size, size})
		entries = entries[size:]
		if random.IntN(2) == 0 {
			d.pass(t)
		}
	}
	d.conclude(t)
}

// conclude leaves nothing touched and nothing being built.
func (d *table) conclude(t *testing.T) {
	t.Helper()
	for d.number(t, `select (select count(*) from touched) + (select count(*) from policy where state = 'building')`) > 0 {
		d.pass(t)
	}
}

// another is a deriver as another process has one.
// store is the table's database, which takes its time where the machine has other things to do.
func (d *table) store() *postgres.DeriveStore {
	return postgres.NewDeriveStore(d.pool, d.ring).WithPatience(time.Minute)
}

func (d *table) another(changes ...func(*derive.Config)) *derive.Deriver {
	points := failpoint.FromEnv(os.Getenv)
	cfg := derive.Config{
		Poll: 5 * time.Millisecond, WalkRows: 1, Lead: time.Millisecond, Hold: 20 * time.Millisecond, Log: quiet(), Point: points.Pass,
	}
	for _, change := range changes {
		change(&cfg)
	}
	return derive.New(d.store(), cfg)
}

// runner recomputes with a deriver.
func (d *table) runner(deriver *derive.Deriver) *recompute.Runner {
	return &recompute.Runner{
		Pool: d.pool, Derive: deriver.Workspace, Show: func(uuid.UUID, postgres.Build) {}, Now: time.Now, Rest: 2 * time.Millisecond,
		Reference: "test", By: "test", Retry: func(uuid.UUID, int, error) {},
	}
}

// recompute is what the command does to the shop.
func (d *table) recompute(t *testing.T, check bool) recompute.Result {
	t.Helper()
	return d.recomputeWith(t, d.another(), check)
}

func (d *table) recomputeWith(t *testing.T, deriver *derive.Deriver, check bool) recompute.Result {
	t.Helper()
	found, err := d.runner(deriver).Workspace(context.Background(), shop, check)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// live is all that the live version holds, but for versions, revisions and when.
func (d *table) live(t *testing.T) []string {
	t.Helper()
	var lines []string
	for _, part := range []string{"attribution", "message", "rollup_credit", "rollup_message", "identifier_person", "link", "claim"} {
		number := "version"
		if part == "identifier_person" || part == "link" || part == "claim" {
			number = "identity_version"
		}
		var some []string
		d.scan(t, fmt.Sprintf(`select coalesce(array_agg(line order by line), '{}') from (
			select '%[1]s ' || (to_jsonb(x) - '{version,identity_version,computed_at}'::text[])::text as line
			from %[1]s x join policy p using (workspace_id, %[2]s) where p.state = 'live'
			and coalesce((to_jsonb(x) ->> 'touches'), (to_jsonb(x) ->> 'messages'), '1') <> '0') y`, part, number), &some)
		lines = append(lines, some...)
	}
	return lines
}

// swept removes what nobody can read and expects nothing of a version to be left, and
// all of the live one.
func (d *table) swept(t *testing.T, version, identity int) {
	t.Helper()
	for done := false; !done; {
		if err := d.runner(d.deriver).Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		var err error
		if done, err = d.pool.Swept(t.Context(), shop); err != nil {
			t.Fatal(err)
		}
	}
	left := d.number(t, fmt.Sprintf(`select (select count(*) from conversion where version = %[1]d) + (select count(*) from credit where version = %[1]d)
		+ (select count(*) from message where version = %[1]d) + (select count(*) from rollup_credit where version = %[1]d)
		+ (select count(*) from rollup_message where version = %[1]d) + (select count(*) from link where identity_version = %[2]d)
		+ (select count(*) from identifier_person where identity_version = %[2]d) + (select count(*) from claim where identity_version = %[2]d)
		+ (select count(*) from policy where version = %[1]d and emptied_at is null)`, version, identity))
	if left != 0 {
		t.Errorf("%d rows of version %d are left", left, version)
	}
}

// document is the policy in force.
func (d *table) document(t *testing.T) *policy.Policy {
	t.Helper()
	var raw []byte
	d.scan(t, `select document from policy where state = 'live'`, &raw)
	p, faults, err := policy.Parse(raw)
	if err != nil || len(faults) > 0 {
		t.Fatal(faults, err)
	}
	return &p
}

func (d *table) compare(t *testing.T, version, against int) comparison.Comparison {
	t.Helper()
	var found comparison.Comparison
	err := d.pool.InTx(t.Context(), postgres.RepeatableRead, func(ctx context.Context, tx *postgres.Tx) (err error) {
		found, err = tx.Compare(ctx, shop, version, against)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// value is a column of one row as text, nil when it is null.
func (d *table) value(t *testing.T, from, column, where string) *string {
	t.Helper()
	var text *string
	d.scan(t, fmt.Sprintf("select %s::text from %s where %s", column, from, where), &text)
	return text
}

func (d *table) exec(t *testing.T, query string, args ...any) {
	t.Helper()
	if _, err := d.rows.Exec(t.Context(), query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// again are the entries as new hits that say the same.
func again(entries []stream.Entry) []stream.Entry {
	epochs := make(map[uuid.UUID]uuid.UUID) // numbers are of an epoch
	fresh := slices.Clone(entries)
	for i := range fresh {
		epoch := &fresh[i].Receipt.Epoch
		if epochs[*epoch] == uuid.Nil {
			epochs[*epoch] = uuid.New()
		}
		*epoch = epochs[*epoch]
	}
	return fresh
}
