package api_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/touchline/touchline/services/attribution/comparison"
	"github.com/touchline/touchline/services/attribution/token"
)

// What a version changed is told to everybody, and which rows to those who may see
// the people in them; the answer is as the document describes it.
func TestGetPolicyComparison(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	workspace, admin := r.shop(1)
	r.call(http.MethodGet, "/v1/policy/versions/1/comparison", admin, nil).into(t, http.StatusNotFound, nil)
	for _, path := range []string{"0", "x", "99999999999"} {
		r.call(http.MethodGet, "/v1/policy/versions/"+path+"/comparison", admin, nil).into(t, http.StatusBadRequest, nil)
	}
	currency := "NOK"
	rows, err := comparison.ReadRows(comparison.Messages, []byte(`[{"before": {"channel": "whatsapp", "message_id": "`+wamid+`", "read_at": null, "version": 1}, "after":
	  {"channel": "whatsapp", "message_id": "`+wamid+`", "read_at": "2026-01-01T00:00:00Z", "version": 2}}, {"before": null, "after": {"channel": "sms", "message_id": "m", "sender": "x"}}]`))
	if err != nil {
		t.Fatal(err)
	}
	stored := comparison.Comparison{Version: 2, Against: 1, ComparedAt: comparison.Time{Time: day}, Credits: []comparison.Credit{{
		Model: "linear", Channel: "whatsapp", Currency: &currency, Before: comparison.Amount{Conversions: 0.5, Value: "50.25"}, After: comparison.Amount{Value: "0"},
		Gained: comparison.Amount{Value: "0"}, Lost: comparison.Amount{Conversions: 0.5, Value: "50.25"},
	}}, Moved: []comparison.Moved{}}
	stored.Add(comparison.Part{Name: comparison.Messages, Before: 1, After: 2, OnlyAfter: 1, Changed: 1, Rows: rows})
	document, err := json.Marshal(stored)
	if err != nil {
		t.Fatal(err)
	}
	r.exec(`update policy set state = 'discarded', replaced_by = 2, published_at = now() where workspace_id = $1`, workspace)
	r.exec(`insert into policy (workspace_id, version, document, identity_version, reference_version, state, kind, created_at, created_by)
	  select workspace_id, 2, document, 2, 'x', 'live', 'recompute', now(), 'x' from policy where workspace_id = $1`, workspace)
	r.exec(`insert into comparison values ($1, 2, 1, $2, 2, $3)`, workspace, day, document)

	spec, err := openapi3.NewLoader().LoadFromData(r.call(http.MethodGet, "/openapi.yaml", "", nil).body)
	if err != nil {
		t.Fatal(err)
	}
	for _, role := range token.Roles() {
		var raw any
		var got comparison.Comparison
		answer := r.call(http.MethodGet, "/v1/policy/versions/2/comparison", r.token(role, workspace), nil, "X-Workspace", workspace.String())
		answer.into(t, http.StatusOK, &raw)
		answer.into(t, http.StatusOK, &got)
		if err := spec.Components.Schemas["Comparison"].Value.VisitJSON(raw); err != nil {
			t.Errorf("%s: %v", role, err)
		}
		if len(got.Parts) != 1 || got.Differences != 2 || got.Credits[0].Lost.Value != "50.25" || (len(got.Parts[0].Rows) == 2) != (role == token.Admin) {
			t.Errorf("%s: %s", role, answer.body)
		}
		if role == token.Admin && (string(got.Parts[0].Rows[0].Before["read_at"]) != "null" || len(got.Parts[0].Rows[0].After) != 1 || got.Parts[0].Rows[1].Before != nil) {
			t.Errorf("rows: %s", answer.body)
		}
	}
	stranger, _ := r.workspace(nil)
	r.call(http.MethodGet, "/v1/policy/versions/2/comparison", r.token(token.Admin, stranger), nil).into(t, http.StatusNotFound, nil)

	var versions struct {
		Data []struct {
			Kind, State string
			Progress    float64
			Differences *int
			ReplacedBy  *int `json:"replaced_by"`
		}
	}
	r.call(http.MethodGet, "/v1/policy/versions", admin, nil).into(t, http.StatusOK, &versions)
	if len(versions.Data) != 2 || versions.Data[0].Kind != "recompute" || *versions.Data[0].Differences != 2 || versions.Data[0].Progress != 1 ||
		versions.Data[1].State != "discarded" || *versions.Data[1].ReplacedBy != 2 || versions.Data[1].Differences != nil {
		t.Errorf("%+v", versions)
	}
}

// Only a new policy keeps the books pending: while the one in force is recomputed the
// table is up to date.
func TestGetIngestion_RecomputeIsNotPending(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	workspace, admin := r.workspace(nil)
	r.fact(workspace)
	r.exec("insert into ledger values ($1, gen_random_uuid(), now(), 0, 1)", workspace)
	var books struct{ Stored, Pending int }
	r.put(admin, linear())
	r.read("/v1/ingestion", admin, &books)
	if books.Pending != 1 {
		t.Errorf("while a policy is built: %+v", books)
	}
	r.exec("update policy set kind = 'recompute' where workspace_id = $1 and state = 'building'", workspace)
	r.read("/v1/ingestion", admin, &books)
	if books.Pending != 0 || books.Stored != 1 {
		t.Errorf("while the policy is recomputed: %+v", books)
	}
}
