package consume

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/comparison"
	"github.com/touchline/touchline/services/attribution/derive"
	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/attribution/postgres"
	"github.com/touchline/touchline/services/attribution/recompute"
	"github.com/touchline/touchline/services/internal/failpoint"
)

// A table that was never recomputed, after a random week whose hits came in any order:
// from nothing the same comes out, the old rows go, and what the API reads stays.
func TestRecompute_aBusyWeekIsEqual(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 7))
	entries := busyWeek(t, random)
	random.Shuffle(len(entries), func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
	d := newTable(t)
	d.settled(t, random, entries)
	before := d.live(t)

	derived, facts := 0, int(d.number(t, "select count(*) from fact"))
	found := d.recomputeWith(t, d.another(func(c *derive.Config) {
		c.Observe = func(p derive.Pass) { derived += p.Facts }
	}), false)
	if derived != facts {
		t.Errorf("derived %d facts to recompute from %d: a component only once", derived, facts)
	}
	if !found.Equal || found.State != postgres.PolicyLive || found.Comparison.Version != 2 || found.Comparison.Against != 1 {
		t.Fatalf("%+v", found)
	}
	for _, p := range found.Comparison.Parts {
		if p.Before == 0 || p.After != p.Before {
			t.Errorf("%s: %d rows before, %d after", p.Name, p.Before, p.After)
		}
	}
	if diff := cmp.Diff(before, d.live(t)); diff != "" {
		t.Errorf("the table (-before +after):\n%s", diff)
	}
	if heir := d.number(t, `select replaced_by from policy where version = 1 and state = 'discarded' and published_at is not null`); heir != 2 {
		t.Errorf("version 1 was replaced by %d", heir)
	}
	d.swept(t, 1, 1)
	if diff := cmp.Diff(before, d.live(t)); diff != "" {
		t.Errorf("the table after the old rows were removed:\n%s", diff)
	}
}

// Whatever somebody did to the rows: it is found, named, and gone afterwards; what was
// wrong can still be read.
func TestRecompute_findsAndHealsDamage(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(4, 7))
	d := newTable(t)
	d.settled(t, random, busyWeek(t, random))
	before := d.live(t)
	for part, damage := range map[string]string{
		"conversion value":       `update conversion set value = 13.37 where superseded_at is null and value is not null and (definition, conversion_id) = (select definition, conversion_id from conversion where value is not null and superseded_at is null and definition <> 'ghost' order by 1, 2 limit 1)`,
		"conversion credits":     `update credit k set channel = 'pigeon' from conversion c where c.superseded_at is null and (k.version, k.definition, k.conversion_id, k.revision) = (c.version, c.definition, c.conversion_id, c.revision) and (c.definition, c.conversion_id) = (select definition, conversion_id from conversion where superseded_at is null and definition <> 'ghost' order by 1, 2 desc limit 1)`,
		"message person_id":      `update message set person_id = gen_random_uuid() where message_id = (select min(message_id) from message where person_id is not null)`,
		"link state":             `update link set state = 'refused' where (a, b) = (select a, b from link where state = 'joined' order by 1, 2 limit 1)`,
		"person shared":          `update identifier_person set shared = not shared where digest = (select min(digest::text)::uuid from identifier_person)`,
		"claim":                  `delete from claim where (device, at, fact) = (select device, at, fact from claim order by 1, 2, 3 limit 1)`,
		"credit_rollup touches":  `update rollup_credit set touches = touches + 1 where (bucket, model, channel) = (select bucket, model, channel from rollup_credit where touches > 0 order by 1, 2, 3 limit 1)`,
		"message_rollup read":    `update rollup_message set read = read + 5 where bucket = (select min(bucket) from rollup_message)`,
		"conversion only_before": `insert into conversion select workspace_id, version, 'ghost', conversion_id, 1, anchor, event_id, event_name, in_thread, event_at, order_id, refund, value, currency, person_id, identified, flags, models, hash, computed_at from conversion where superseded_at is null limit 1`,
	} {
		if n := d.number(t, `with damaged as (`+damage+` returning 1) select count(*) from damaged`); n == 0 {
			t.Fatalf("%s: nothing was damaged", part)
		}
	}

	found := d.recompute(t, false)
	if found.Equal || found.State != postgres.PolicyLive {
		t.Fatalf("%+v", found)
	}
	told := map[string]bool{}
	for _, p := range found.Comparison.Parts {
		told[p.Name] = p.Differences() > 0
		told[p.Name+" only_before"] = p.OnlyBefore > 0
		for _, row := range p.Rows {
			for column := range row.Before {
				told[p.Name+" "+column] = true
			}
		}
	}
	for _, want := range []string{
		"conversion value", "conversion credits", "conversion only_before", "message person_id", "link state", "person shared",
		"claim", "credit_rollup touches", "message_rollup read",
	} {
		if !told[want] {
			t.Errorf("%s: not found", want)
		}
	}
	lost := 0.0
	for _, c := range found.Comparison.Credits {
		if c.Model == policy.LastTouch && c.Channel == "pigeon" {
			lost += c.Lost.Conversions - c.Gained.Conversions
		}
	}
	if lost != 1 {
		t.Errorf("the damaged channel lost %v conversions, want 1: %+v", lost, found.Comparison.Credits)
	}
	var text strings.Builder
	if err := found.Comparison.WriteText(&text, 5); err != nil || !strings.Contains(text.String(), `value: "13.37" -> `) {
		t.Errorf("told as:\n%s%v", text.String(), err)
	}
	if diff := cmp.Diff(before, d.live(t)); diff != "" {
		t.Errorf("the table after it (-before the damage +now):\n%s", diff)
	}
	if n := d.number(t, `select count(*) from attribution a join policy p using (workspace_id, version) where p.state = 'superseded' and a.channel = 'pigeon'`); n == 0 {
		t.Error("the version that was wrong cannot be read any more")
	}
}

// A check compares and leaves everything as it is, also what it finds wrong.
func TestRecompute_checkLeavesEverything(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(5, 7))
	d := newTable(t)
	d.settled(t, random, busyWeek(t, random)[:120])
	if found := d.recompute(t, true); !found.Equal || found.State != postgres.PolicyDiscarded {
		t.Fatalf("%+v", found)
	}
	d.number(t, `with damaged as (update message set campaign = 'x' where true returning 1) select count(*) from damaged`)
	before := d.live(t)
	found := d.recompute(t, true)
	if found.Equal || found.Comparison.Differences == 0 || found.Comparison.Version != 3 || found.Comparison.Against != 1 {
		t.Fatalf("%+v", found)
	}
	if diff := cmp.Diff(before, d.live(t)); diff != "" {
		t.Errorf("the table (-before +after):\n%s", diff)
	}
	if n := d.number(t, `select count(*) from policy where state = 'live' and version = 1`); n != 1 {
		t.Error("version 1 is not live any more")
	}
	d.swept(t, 2, 2)
	d.swept(t, 3, 3)
}

// Hits come in all the while, and workers derive beside the command: it comes to its
// end, and both versions spoke of the same facts.
func TestRecompute_whileFactsArrive(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(6, 7))
	entries := busyWeek(t, random)
	d := newTable(t)
	d.settled(t, random, entries[:60])
	arriving, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		rest := entries[60:]
		for ended := false; len(rest) > 0 || !ended; {
			select {
			case <-arriving:
				ended = true
			default:
			}
			n := min(1+random.IntN(3), len(rest))
			if n == 0 { // start over: duplicates touch too
				rest = again(entries)
				continue
			}
			deliver(t, d.database, d.ring, rest[:n], []int{n, n})
			rest = rest[n:]
		}
	}()
	workers, end := context.WithCancel(context.Background())
	worked := make(chan error, 1)
	go func() { worked <- d.another().Run(workers) }()
	for range 3 {
		if found := d.recompute(t, false); !found.Equal {
			t.Errorf("%+v", found)
		}
	}
	close(arriving)
	<-stopped
	end()
	if err := <-worked; err != nil {
		t.Error(err)
	}
	d.conclude(t)
	if found := d.recompute(t, true); !found.Equal {
		t.Errorf("at the end: %+v", found)
	}
}

// Where hits come in faster than anybody could find none waiting, a build comes to its
// end all the same: here some arrive after each of its transactions.
func TestRecompute_isNotStarved(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(12, 7))
	const apart = 24 // derived one by one
	entries := entriesOf(customers(t, random, apart))
	d := newTable(t)
	d.settled(t, random, entries)
	rest, passes, waiting := earlier(t, entries), 0, 0
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	deriver := d.another(func(c *derive.Config) {
		clock := noon
		c.Now, c.Hold = func() time.Time { clock = clock.Add(time.Minute); return clock }, 90*time.Second // one transaction, which waits for what is read ahead
		c.Observe = func(derive.Pass) {
			if passes++; passes > 3*apart {
				cancel()
			}
			if len(rest) < 3 {
				rest = again(entries)
			}
			deliver(t, d.database, d.ring, rest[:3], []int{3, 3})
			rest = rest[3:]
			if d.number(t, stillTouched) > 0 {
				waiting++
			}
		}
	})
	found, err := d.runner(deriver).Workspace(ctx, shop, false)
	if err != nil || !found.Equal {
		t.Errorf("after %d transactions: %+v, %v", passes, found, err)
	}
	if waiting < apart {
		t.Errorf("something came in after %d of %d transactions: the test shows nothing", waiting, passes)
	}
}

// A process that dies before or after the swap costs its last step, not the recompute.
func TestRecompute_killed(t *testing.T) {
	t.Parallel()
	for point, swapped := range map[string]bool{"before_derived:2": false, "after_derived:2": false, "before_swap": false, "after_swap": true} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(8, 7))
			d := newTable(t)
			d.settled(t, random, busyWeek(t, random)[:150])
			before := d.live(t)
			d.kill(t, point)
			building := d.number(t, `select count(*) from policy where state = 'building' and version = 2`)
			if live := d.number(t, `select version from policy where state = 'live'`); swapped != (live == 2) || swapped == (building == 1) {
				t.Errorf("after the kill version %d is live, %d building", live, building)
			}
			found := d.recompute(t, false)
			want := map[bool]int{false: 2, true: 3}[swapped] // what was complete is not joined
			if !found.Equal || found.Comparison.Version != want {
				t.Errorf("%+v, want version %d", found, want)
			}
			if diff := cmp.Diff(before, d.live(t)); diff != "" {
				t.Errorf("the table (-before +after):\n%s", diff)
			}
		})
	}
}

const envRecompute = "CONSUME_TEST_RECOMPUTE"

// kill recomputes in a process of its own until it dies at a failpoint.
func (d *table) kill(t *testing.T, setting string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	process := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestRecomputeProcess$")
	process.Env = append(os.Environ(), failpoint.Variable+"="+setting, envRecompute+"="+d.URL)
	output, err := process.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 137 {
		t.Fatalf("the process ended with %v, not at the failpoint:\n%s", err, output)
	}
}

// TestRecomputeProcess is no test: the kill test runs it as a process.
func TestRecomputeProcess(t *testing.T) {
	t.Parallel()
	if os.Getenv(envRecompute) == "" {
		t.Skip("runs only as the process that TestRecompute_killed kills")
	}
	pool, err := postgres.Open(t.Context(), os.Getenv(envRecompute), postgres.RoleWorker)
	if err != nil {
		t.Fatal(err)
	}
	d := &table{database: &database{pool: pool}, ring: newRing(t)}
	d.recompute(t, false)
}

// Two at once are one; what is not of the same kind waits its turn.
func TestRecompute_twoAtOnce(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(9, 7))
	d := newTable(t)
	d.settled(t, random, busyWeek(t, random)[:60])
	begin := func(check bool) (int, bool) {
		build, ours, err := d.pool.RecomputeBegin(t.Context(), shop, postgres.RecomputeDraft{Check: check, By: "test", At: noon})
		if err != nil {
			t.Fatal(err)
		}
		return build.Version, ours
	}
	for _, c := range []struct{ check, ours bool }{{true, true}, {true, true}, {false, false}} {
		if version, ours := begin(c.check); version != 2 || ours != c.ours {
			t.Errorf("check %t: version %d, ours %t", c.check, version, ours)
		}
	}
	results := make(chan recompute.Result, 4)
	for n := range 4 {
		go func() {
			found, err := d.runner(d.another()).Workspace(context.Background(), shop, n%2 == 0)
			if err != nil {
				t.Error(err)
			}
			results <- found
		}()
	}
	for range 4 {
		if found := <-results; !found.Equal || found.Comparison.Version < 2 {
			t.Errorf("%+v", found)
		}
	}
	if n := d.number(t, `select count(*) from policy where state in ('live', 'building')`); n != 1 {
		t.Errorf("%d versions are live or building", n)
	}
}

// A new policy takes precedence over a recompute; the policy in force, published once
// more, does not disturb it.
func TestRecompute_andPublishing(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(10, 7))
	d := newTable(t)
	d.settled(t, random, busyWeek(t, random)[:60])
	if _, ours, err := d.pool.RecomputeBegin(t.Context(), shop, postgres.RecomputeDraft{By: "test", At: noon}); err != nil || !ours {
		t.Fatal(ours, err)
	}
	document := d.document(t)
	version, state, err := d.pool.PolicyPublish(t.Context(), shop, postgres.PolicyDraft{Policy: document, Reference: "test", By: "test", At: noon})
	if err != nil || version != 1 || state != postgres.PolicyLive {
		t.Errorf("the policy in force once more: %d %s %v", version, state, err)
	}
	if n := d.number(t, `select version from policy where state = 'building'`); n != 2 {
		t.Errorf("version %d is being built", n)
	}
	runner := d.runner(d.deriver)
	published := false
	runner.Show = func(_ uuid.UUID, b postgres.Build) {
		if b.Version == 2 && !published {
			published = true
			d.publish(t)
		}
	}
	if _, err := runner.Workspace(t.Context(), shop, false); !errors.Is(err, recompute.ErrGivenUp) {
		t.Errorf("got %v, want ErrGivenUp", err)
	}
	// The next one waits for the policy.
	found, err := runner.Workspace(t.Context(), shop, false)
	if err != nil || !found.Equal || found.Comparison.Version != 4 || found.Comparison.Against != 3 {
		t.Errorf("%+v, %v", found, err)
	}
	d.swept(t, 2, 2)
	// What the policy changed was compared too.
	compared, err := d.pool.BuildResult(t.Context(), shop, 3)
	if err != nil || compared.Equal() || compared.Against != 1 {
		t.Errorf("%+v, %v", compared, err)
	}
	if _, err := runner.Workspace(t.Context(), nowhere, false); !errors.Is(err, postgres.ErrNotFound) {
		t.Errorf("a workspace that is not there: %v", err)
	}
}

// Every column of the table is compared, also those that are added one day.
func TestCompare_everyColumn(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(11, 7))
	d := newTable(t)
	d.settled(t, random, busyWeek(t, random))
	d.recompute(t, false) // version 1 keeps its rows: nobody sweeps
	for table, at := range map[string]struct {
		part, version, key string
	}{
		"conversion":        {comparison.Conversions, "version = 1 and superseded_at is null", "definition, conversion_id, revision"},
		"credit":            {comparison.Conversions, "version = 1", "definition, conversion_id, revision, rank"},
		"message":           {comparison.Messages, "version = 1", "channel, message_id"},
		"identifier_person": {comparison.Persons, "identity_version = 1", "digest"},
		"link":              {comparison.Links, "identity_version = 1", "a, b"},
		"claim":             {comparison.Claims, "identity_version = 1", "device, at, fact, identify"},
		"rollup_credit":     {comparison.CreditRollups, "version = 1 and touches > 0", "bucket, model, definition, channel, tier, campaign, template_name, template_language, variant, currency"},
		"rollup_message":    {comparison.MessageRollups, "version = 1 and messages > 0", "bucket, channel, template_name, template_language, campaign, variant"},
	} {
		d.damageEach(t, table, at.part, at.version, at.key)
	}
}

// damageEach changes one value of each column of a table that is no key, and expects
// the comparison to name it.
func (d *table) damageEach(t *testing.T, table, part, version, key string) {
	t.Helper()
	where := version
	if table == "credit" {
		where += ` and (definition, conversion_id, revision) in (select definition, conversion_id, revision from conversion where superseded_at is null and version = 1)`
	}
	where = fmt.Sprintf("%s and (%s) = (select %s from %s where %s order by %s limit 1)", version, key, key, table, where, key)
	rows, err := d.rows.Query(t.Context(), `select column_name, udt_name from information_schema.columns where table_schema = current_schema() and table_name = $1`, table)
	if err != nil {
		t.Fatal(err)
	}
	columns := map[string]string{}
	for rows.Next() {
		var name, kind string
		if err := rows.Scan(&name, &kind); err != nil {
			t.Fatal(err)
		}
		columns[name] = kind
	}
	unsaid := strings.Join(append(comparison.Unsaid(), key), ", ")
	for name, kind := range columns {
		if strings.Contains(", "+unsaid+", ", ", "+name+", ") {
			continue
		}
		kept := d.value(t, table, name, where)
		d.exec(t, fmt.Sprintf("update %s set %s = %s where %s", table, name, damaged(name, kind), where))
		found := d.compare(t, 2, 1)
		d.exec(t, fmt.Sprintf("update %s set %s = $1::text::%s where %s", table, name, kind, where), kept)
		if !names(found, part, name, table == "credit") {
			t.Errorf("%s.%s: not found when it is damaged: %+v", table, name, found.Parts)
		}
	}
	if found := d.compare(t, 2, 1); !found.Equal() {
		t.Fatalf("%s: the test has not mended what it broke: %+v", table, found)
	}
}

// names says whether a comparison has exactly one difference, in that column.
func names(c comparison.Comparison, part, column string, credit bool) bool {
	for _, p := range c.Parts {
		if p.Name != part || p.Changed != 1 || len(p.Rows) != 1 {
			continue
		}
		if credit {
			return len(p.Rows[0].Before["credits"]) > 0 && string(p.Rows[0].Before["credits"]) != string(p.Rows[0].After["credits"])
		}
		_, named := p.Rows[0].Before[column]
		return named && len(p.Rows[0].Before) == 1
	}
	return false
}

// damaged is another value of a column, as SQL.
func damaged(name, kind string) string {
	if name == "state" {
		return "case when state = 'joined' then 'refused' else 'joined' end"
	}
	switch kind {
	case "uuid":
		return "gen_random_uuid()"
	case "bool":
		return "not " + name
	case "timestamptz":
		return "coalesce(" + name + ", '2026-01-01') + interval '1 microsecond'"
	case "text":
		return "coalesce(" + name + ", '') || 'x'"
	case "_text", "_int8", "_numeric":
		return "case when " + name + " is null or cardinality(" + name + ") = 0 then '{7}' else " + name + " || " + name + "[1] end"
	}
	return "coalesce(" + name + ", 0) + 1"
}
