package app_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/touchline/touchline/services/attribution/app"
	"github.com/touchline/touchline/services/attribution/digest"
	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/attribution/postgres"
	"github.com/touchline/touchline/services/attribution/postgres/dbsqlc"
	"github.com/touchline/touchline/services/attribution/recompute"
	"github.com/touchline/touchline/sql"
	"github.com/touchline/touchline/sql/sqltest"
)

// command runs the command recompute on a database of its own.
type command struct {
	t    *testing.T
	cfg  app.RecomputeConfig
	raw  *pgxpool.Pool
	pool *postgres.Pool
}

func newCommand(t *testing.T) *command {
	t.Helper()
	schema := sqltest.NewSchema(t, sql.Newest)
	cfg, err := app.FromEnv[app.RecomputeConfig](environment(map[string]string{"DATABASE_URL": schema.URL}))
	if err != nil {
		t.Fatal(err)
	}
	pool, err := postgres.Open(t.Context(), schema.URL, postgres.RoleWorker)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return &command{t: t, cfg: cfg, raw: schema.Pool(t, "touchline_worker"), pool: pool}
}

func (c *command) workspace() uuid.UUID {
	c.t.Helper()
	id, document := uuid.New(), policy.Default()
	row := dbsqlc.WorkspaceInsertParams{WorkspaceID: id, Name: "shop", Currency: "NOK", Timezone: "UTC", CreatedAt: time.Now()}
	if err := c.pool.WorkspaceCreate(c.t.Context(), row, postgres.PolicyDraft{Policy: &document, By: "test", At: time.Now()}); err != nil {
		c.t.Fatal(err)
	}
	return id
}

func (c *command) exec(query string, args ...any) {
	c.t.Helper()
	if _, err := c.raw.Exec(c.t.Context(), query, args...); err != nil {
		c.t.Fatal(err)
	}
}

// ghost writes a conversion that no fact states.
func (c *command) ghost(workspace uuid.UUID) {
	c.t.Helper()
	c.exec(`insert into conversion select workspace_id, version, 'ghost', 'g1', 1, gen_random_uuid(), 'e', 'E', false, now(), null, false, 7, 'NOK', null, false, '{}',
		'{linear}', gen_random_uuid(), now() from policy where workspace_id = $1 and state = 'live'`, workspace)
}

func (c *command) run(ask app.RecomputeRequest) (report, progress string, err error) {
	c.t.Helper()
	var out, log bytes.Buffer
	ask.Out, ask.Err = &out, &log
	err = app.Recompute(c.t.Context(), c.cfg, ask)
	return out.String(), log.String(), err
}

func TestRecompute_tellsWhatItFound(t *testing.T) {
	t.Parallel()
	c := newCommand(t)
	id := c.workspace()
	report, progress, err := c.run(app.RecomputeRequest{}) // the only one
	if err != nil || !strings.Contains(report, id.String()+": the table was right; version 2 replaces version 1") {
		t.Errorf("%v\n%s", err, report)
	}
	if !strings.Contains(progress, "recompute, version 2") || !strings.Contains(progress, "compared") || strings.Contains(progress, "\r") {
		t.Errorf("progress: %q", progress)
	}
	c.ghost(id)
	for range 2 { // a check mends nothing
		report, _, err = c.run(app.RecomputeRequest{Check: true})
		if !errors.Is(err, app.ErrDifferent) || !strings.Contains(report, "THE TABLE IS WRONG in 1 rows; version 2 stays in force") ||
			!strings.Contains(report, `conversion definition="ghost" conversion_id="g1"`) {
			t.Errorf("%v\n%s", err, report)
		}
	}
	report, _, err = c.run(app.RecomputeRequest{JSON: true, Workspace: id})
	var told recompute.Result
	if !errors.Is(err, app.ErrDifferent) || json.Unmarshal([]byte(report), &told) != nil || told.Equal || told.State != "live" ||
		told.Comparison.Version != 5 || told.Comparison.Against != 2 || told.Comparison.Parts[0].OnlyBefore != 1 {
		t.Errorf("%v\n%s", err, report)
	}
	if report, _, err = c.run(app.RecomputeRequest{Check: true, Terminal: true}); err != nil {
		t.Errorf("mended: %v\n%s", err, report)
	}
	var left int // the command swept: no worker runs
	err = c.raw.QueryRow(t.Context(), `select count(*) from policy where state = 'discarded' and emptied_at is null`).Scan(&left)
	if err != nil || left != 0 {
		t.Errorf("%d discarded versions have rows, %v", left, err)
	}
}

func TestRecompute_everyWorkspace(t *testing.T) {
	t.Parallel()
	c := newCommand(t)
	right, wrong := c.workspace(), c.workspace()
	c.ghost(wrong)
	if _, _, err := c.run(app.RecomputeRequest{}); err == nil || !strings.Contains(err.Error(), "--workspace") {
		t.Errorf("of two it took one: %v", err)
	}
	report, _, err := c.run(app.RecomputeRequest{All: true})
	if !errors.Is(err, app.ErrDifferent) || !strings.Contains(report, right.String()+": the table was right") || !strings.Contains(report, wrong.String()+": THE TABLE WAS WRONG") {
		t.Errorf("%v\n%s", err, report)
	}
	if _, _, err := c.run(app.RecomputeRequest{Workspace: uuid.New()}); !errors.Is(err, postgres.ErrNotFound) {
		t.Errorf("a workspace that is not there: %v", err)
	}
}

// With another key than the workers' the block list would find nobody, and a wrong
// table would take the place of a right one.
func TestRecompute_refusesAnotherKey(t *testing.T) {
	t.Parallel()
	c := newCommand(t)
	id := c.workspace()
	ring, err := digest.New(bytes.Repeat([]byte{9}, 32))
	if err != nil {
		t.Fatal(err)
	}
	sum := ring.Digest(id, "phone", "+4790000001")
	sealed, err := ring.Seal(id, sum, "+4790000001")
	if err != nil {
		t.Fatal(err)
	}
	c.exec(`insert into identifier values ($1, $2, 'phone', $2, $3, 1, now())`, id, sum, sealed)
	if _, _, err := c.run(app.RecomputeRequest{}); err == nil || !strings.Contains(err.Error(), "TOUCHLINE_IDENTITY_KEY") {
		t.Errorf("got %v", err)
	}
	environ := environment(map[string]string{
		"DATABASE_URL": c.cfg.DatabaseURL, "TOUCHLINE_IDENTITY_KEY": base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{9}, 32)),
	})
	if c.cfg, err = app.FromEnv[app.RecomputeConfig](environ); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.run(app.RecomputeRequest{}); err != nil {
		t.Errorf("with the right key: %v", err)
	}
}
