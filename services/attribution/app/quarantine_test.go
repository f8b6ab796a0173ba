package app

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/postgres"
	"github.com/touchline/touchline/sql"
	"github.com/touchline/touchline/sql/sqltest"
)

// The commands show what is there, say what they did, and forget what is dropped.
func TestRunQuarantine(t *testing.T) {
	t.Parallel()
	schema := sqltest.NewSchema(t, sql.Newest)
	rows, workspace, id := schema.Pool(t, "touchline_worker"), uuid.New(), uuid.New()
	var cfg QuarantineConfig
	cfg.DatabaseURL = schema.URL
	if err := cfg.IdentityKey.UnmarshalText([]byte("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")); err != nil {
		t.Fatal(err)
	}
	if err := RunQuarantine(t.Context(), cfg, QuarantineRequest{Workspace: workspace}, QuarantineList); !errors.Is(err, postgres.ErrNotFound) {
		t.Errorf("no such workspace: %v", err)
	}
	for _, statement := range []string{
		`insert into workspace (workspace_id, name, currency, timezone, created_at) values ($1, 'n', 'NOK', 'UTC', now())`,
		`insert into quarantine (workspace_id, quarantine_id, source_id, epoch, shard, number, reason, detail, raw, hit, received_at, created_at)
		  values ($1, '` + id.String() + `', $1, $1, 1, 2, 'malformed', 'd', 'SEALED', true, now(), now())`,
	} {
		if _, err := rows.Exec(t.Context(), statement, workspace); err != nil {
			t.Fatal(err)
		}
	}
	run := func(do Quarantine) string {
		var out strings.Builder
		ask := QuarantineRequest{Workspace: workspace, Reason: "malformed", Limit: 10, By: "me", Out: &out}
		if err := RunQuarantine(t.Context(), cfg, ask, do); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	if got := run(QuarantineList); !strings.Contains(got, id.String()) || !strings.Contains(got, "waiting") {
		t.Error(got)
	}
	// Sealed by nobody: tried, in vain, and said so.
	if got := run(QuarantineReplay); !strings.Contains(got, "asked for 1: here 0 were stored and 1 failed") {
		t.Error(got)
	}
	if _, err := rows.Exec(t.Context(), "update quarantine set reason = 'malformed'"); err != nil {
		t.Fatal(err)
	}
	if got := run(QuarantineDrop); got != "dropped 1\n" {
		t.Error(got)
	}
	var out strings.Builder
	if err := RunQuarantine(t.Context(), cfg, QuarantineRequest{Workspace: workspace, ID: id, Limit: 1, Out: &out}, QuarantineShow); err != nil ||
		!strings.Contains(out.String(), "replay    no: its bytes were dropped") || !strings.Contains(out.String(), workspace.String()+"-1-2") {
		t.Errorf("%v: %s", err, out.String())
	}
}
