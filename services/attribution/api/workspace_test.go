package api_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/token"
	"github.com/touchline/touchline/services/internal/registry"
)

func TestCreateWorkspace_GivesAnAdminAndAPolicy(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, admin := r.workspace(map[string]any{"country": "NO", "demo": true})
	var got struct {
		ID       uuid.UUID `json:"id"`
		Name     string    `json:"name"`
		Currency string    `json:"currency"`
		Country  string    `json:"country"`
		Demo     bool      `json:"demo"`
		Role     string    `json:"role"`
	}
	r.call(http.MethodGet, "/v1/workspaces/current", admin, nil).into(t, http.StatusOK, &got)
	if got.ID != id || got.Name != "Shop" || got.Currency != "NOK" || got.Country != "NO" || !got.Demo || got.Role != "admin" {
		t.Errorf("%+v", got)
	}
	var policy struct {
		Version int `json:"version"`
		Policy  struct {
			Models []string `json:"models"`
		} `json:"policy"`
	}
	r.call(http.MethodGet, "/v1/policy", admin, nil).into(t, http.StatusOK, &policy)
	if policy.Version != 1 || len(policy.Policy.Models) != 2 {
		t.Errorf("%+v", policy)
	}
}

type createdSource struct {
	ID          uuid.UUID `json:"id"`
	WriteKey    string    `json:"write_key"`
	WebhookPath string    `json:"webhook_path"`
}

func (r *rig) source(admin, kind string, config map[string]any) createdSource {
	r.t.Helper()
	var made createdSource
	body := map[string]any{"kind": kind, "name": kind}
	if config != nil {
		body["config"] = config
	}
	r.call(http.MethodPost, "/v1/sources", admin, body).into(r.t, http.StatusCreated, &made)
	return made
}

// known asks, as the edge does, for the source of a key until Redis has answered.
func (r *rig) known(key string) (source registry.Source, err error) {
	directory := registry.NewDirectory(r.client, r.stream.Prefix, registryKey, "")
	for deadline := time.Now().Add(time.Minute); ; {
		if source, err = directory.ByKey(r.t.Context(), key); !errors.Is(err, registry.ErrUnavailable) || time.Now().After(deadline) {
			return source, err
		}
	}
}

func TestCreateSource_IsKnownToTheEdgeBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	workspace, admin := r.workspace(map[string]any{"country": "NO"})
	made := r.source(admin, "whatsapp", map[string]any{"app_secret": "shh-1", "verify_token": "v"})
	if len(made.WriteKey) != 32 || made.WebhookPath != "/webhooks/whatsapp/"+made.ID.String() {
		t.Errorf("%+v", made)
	}
	if pixel := r.source(admin, "pixel", map[string]any{}); pixel.WebhookPath != "" {
		t.Errorf("a pixel has callbacks at %s", pixel.WebhookPath)
	}
	found, err := r.known(made.WriteKey)
	if err != nil {
		t.Fatal(err)
	}
	if found.ID != made.ID || found.Workspace != workspace || found.Config.AppSecret != "shh-1" || found.Country != "NO" {
		t.Errorf("the edge sees %+v", found)
	}
	var swedish createdSource
	body := map[string]any{"kind": "server", "name": "till", "country": "SE"}
	r.call(http.MethodPost, "/v1/sources", admin, body).into(t, http.StatusCreated, &swedish)
	if found, err := r.known(swedish.WriteKey); err != nil || found.Country != "SE" {
		t.Errorf("a source's own country goes before the workspace's: %+v, %v", found, err)
	}
	if n := r.count("select count(*) from source where position('shh-1'::bytea in config) > 0"); n != 0 {
		t.Error("the database holds the secret in clear")
	}
}

// What is not said of a pixel's cookie is as it is without a word.
func TestCreateSource_Cookie(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, admin := r.workspace(nil)
	for _, c := range []struct {
		config map[string]any
		want   registry.Cookie
	}{
		{map[string]any{}, registry.Cookie{Name: "_tls", Days: 395}},
		{map[string]any{"cookie": map[string]any{}}, registry.Cookie{Name: "_tls", Days: 395}},
		{map[string]any{"cookie": map[string]any{"name": "__Host-id"}}, registry.Cookie{Name: "__Host-id", Days: 395}},
		{map[string]any{"cookie": map[string]any{"days": 0}}, registry.Cookie{Name: "_tls"}},
	} {
		made := r.source(admin, "pixel", c.config)
		found, err := r.known(made.WriteKey)
		if err != nil || found.DeviceCookie() != c.want {
			t.Errorf("%v: %+v, %v", c.config, found.DeviceCookie(), err)
		}
	}
}

func TestListSources_ShowsKeysToOwnersAndSecretsToNobody(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	workspace, admin := r.workspace(nil)
	made := r.source(admin, "webhook", map[string]any{"secret": "very-secret"})
	for role, sees := range map[token.Role]bool{token.Admin: true, token.Platform: true, token.Analyst: false, token.Viewer: false} {
		got := r.call(http.MethodGet, "/v1/sources", r.token(role, workspace), nil, "X-Workspace", workspace.String())
		if strings.Contains(string(got.body), "very-secret") {
			t.Errorf("%s sees the secret: %s", role, got.body)
		}
		if strings.Contains(string(got.body), made.WriteKey) != sees {
			t.Errorf("%s sees the key: %s", role, got.body)
		}
		if !strings.Contains(string(got.body), `"configured":["secret"]`) {
			t.Errorf("%s: %s", role, got.body)
		}
	}
}

// fill puts a row into every table that has a workspace_id.
func (r *rig) fill(workspace uuid.UUID) {
	r.t.Helper()
	for _, statement := range []string{
		`insert into fact values ($1, gen_random_uuid(), 'event', gen_random_uuid(), 2, now(), false, now(), '{}', gen_random_uuid(), '{}')`,
		`insert into fact_conflict (workspace_id, fact_id, content, body, source_id, trust, occurred_at, whole_second, received_at)
		 values ($1, gen_random_uuid(), gen_random_uuid(), '{}', gen_random_uuid(), 2, now(), false, now())`,
		`insert into fact_ref values ($1, gen_random_uuid(), gen_random_uuid(), 1, now())`,
		`insert into identifier values ($1, gen_random_uuid(), 'phone', gen_random_uuid(), 'x', 1, now())`,
		`insert into touched (workspace_id, fact_id, old_refs, new_refs, source_id, hour, term, consumer, shard, batch)
		 values ($1, gen_random_uuid(), '{}', '{}', gen_random_uuid(), now(), 'stored', gen_random_uuid(), 0, 1)`,
		`insert into ledger_batch values ($1, gen_random_uuid(), 0, 1, gen_random_uuid(), now(), 1)`,
		`insert into ledger values ($1, gen_random_uuid(), now(), 1)`,
		`insert into quarantine (workspace_id, quarantine_id, source_id, epoch, shard, number, reason, detail, raw, received_at, created_at)
		 values ($1, gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 0, 1, 'too_large', 'x', 'x', now(), now())`,
		`insert into link values ($1, 1, gen_random_uuid(), gen_random_uuid(), 1, now(), 'f', 1, 'joined')`,
		`insert into identifier_person values ($1, 1, gen_random_uuid(), 'phone', gen_random_uuid())`,
		`insert into claim values ($1, 1, gen_random_uuid(), now(), 'f', true, gen_random_uuid())`,
		`insert into message (workspace_id, version, channel, message_id, anchor, registered, session, computed_at)
		 values ($1, 1, 'whatsapp', 'm', gen_random_uuid(), true, false, now())`,
		`insert into conversion (workspace_id, version, definition, conversion_id, revision, anchor, event_id, event_name, in_thread,
		   event_at, refund, identified, models, hash, computed_at)
		 values ($1, 1, 'purchase', 'c', 1, gen_random_uuid(), 'e', 'E', false, now(), false, true, '{linear}', gen_random_uuid(), now())`,
		`insert into credit (workspace_id, version, definition, conversion_id, revision, rank, channel, touch_key, weights)
		 values ($1, 1, 'purchase', 'c', 1, 0, 'unattributed', '', '{1000000000000}')`,
		`insert into rollup_credit values ($1, 1, now(), 'linear', 'purchase', '', '', '', '', '', '', '', 1, 1, 1)`,
		`insert into rollup_message values ($1, 1, now(), 'whatsapp', '', '', '', '', 1, 0, 1, 1, 0, 0, 0, 0, 0)`,
		`insert into comparison values ($1, 2, 1, now(), 0, '{}')`,
	} {
		r.exec(statement, workspace)
	}
}

// tables names every table with a workspace_id, so that a new one cannot be forgotten.
const tables = `select table_name from information_schema.columns c join information_schema.tables t using (table_schema, table_name)
 where c.table_schema = current_schema() and c.column_name = 'workspace_id' and t.table_type = 'BASE TABLE'`

func (r *rig) rows(workspace uuid.UUID) (all, empty int) {
	r.t.Helper()
	return r.count(`select count(*) from (` + tables + `) x`),
		r.count(`with x as materialized (`+tables+`) select count(*) from x where (xpath('/row/n/text()', query_to_xml(
		  format('select count(*) as n from %I where workspace_id = %L', table_name, $1::uuid), false, true, '')))[1]::text = '0'`, workspace)
}

func TestDeleteWorkspace_RemovesEveryRowAndNothingElse(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, admin := r.workspace(map[string]any{"demo": true})
	kept, keptAdmin := r.workspace(nil)
	made, keptSource := r.source(admin, "pixel", nil), r.source(keptAdmin, "pixel", nil)
	r.fill(id)
	r.fill(kept)
	if all, empty := r.rows(id); all < 20 || empty != 0 {
		t.Fatalf("%d tables, %d of them without a row of the workspace: fill them here", all, empty)
	}
	r.call(http.MethodDelete, "/v1/workspaces/"+id.String(), admin, nil).into(t, http.StatusNoContent, nil)
	if all, empty := r.rows(id); all != empty {
		t.Errorf("%d tables still have rows", all-empty)
	}
	if _, empty := r.rows(kept); empty != 0 {
		t.Errorf("%d tables lost the rows of another workspace", empty)
	}
	if _, err := r.known(made.WriteKey); !errors.Is(err, registry.ErrUnknown) {
		t.Errorf("the edge still knows the source: %v", err)
	}
	if _, err := r.known(keptSource.WriteKey); err != nil {
		t.Errorf("the edge forgot another source: %v", err)
	}
	r.call(http.MethodDelete, "/v1/workspaces/"+id.String(), admin, nil).into(t, http.StatusNoContent, nil)
	r.call(http.MethodGet, "/v1/ingestion", admin, nil).into(t, http.StatusNotFound, nil)
}

func TestDeleteWorkspace_OfAnAdminOnlyWhenItIsADemo(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, admin := r.workspace(nil)
	demo, _ := r.workspace(map[string]any{"demo": true})
	r.call(http.MethodDelete, "/v1/workspaces/"+id.String(), admin, nil).into(t, http.StatusForbidden, nil)
	r.call(http.MethodDelete, "/v1/workspaces/"+demo.String(), admin, nil).into(t, http.StatusNotFound, nil)
	r.call(http.MethodDelete, "/v1/workspaces/"+uuid.NewString(), admin, nil).into(t, http.StatusNotFound, nil)
	r.call(http.MethodGet, "/v1/policy", admin, nil).into(t, http.StatusOK, nil)
	platform := r.token(token.Platform, uuid.Nil)
	r.call(http.MethodDelete, "/v1/workspaces/"+id.String(), platform, nil).into(t, http.StatusNoContent, nil)
	r.call(http.MethodGet, "/v1/policy", admin, nil).into(t, http.StatusNotFound, nil)
}
