package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/touchline/touchline/services/attribution/api/gen"
	"github.com/touchline/touchline/services/attribution/api/row"
	"github.com/touchline/touchline/services/attribution/comparison"
	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/attribution/postgres"
	"github.com/touchline/touchline/services/attribution/postgres/dbsqlc"
	"github.com/touchline/touchline/services/internal/httpserver"
)

// GetPolicy answers GET /v1/policy.
func (s *Server) GetPolicy(ctx context.Context, _ gen.GetPolicyRequestObject) (gen.GetPolicyResponseObject, error) {
	workspace := sessionOf(ctx).workspace
	var live dbsqlc.Policy
	err := s.cfg.Store.InWorkspace(ctx, workspace, func(ctx context.Context, tx *postgres.Tx) (err error) {
		live, err = tx.PolicyInForce(ctx, workspace)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read policy: %w", err)
	}
	return gen.GetPolicy200JSONResponse{
		Version: int(live.Version), PublishedAt: row.MaybeInstant(live.PublishedAt), Policy: live.Document,
	}, nil
}

// PutPolicy answers PUT /v1/policy.
func (s *Server) PutPolicy(ctx context.Context, request gen.PutPolicyRequestObject) (gen.PutPolicyResponseObject, error) {
	caller := sessionOf(ctx)
	asked, faults, err := policy.Parse(*request.Body)
	if err != nil {
		return nil, problem(http.StatusBadRequest, "The body is not one JSON object.")
	}
	if len(faults) > 0 {
		return nil, problem(http.StatusUnprocessableEntity, "The policy makes no sense.", fieldErrors(faults)...)
	}
	draft := postgres.PolicyDraft{Policy: &asked, Reference: s.cfg.Reference, By: caller.Subject, At: s.cfg.Now().UTC()}
	version, state, err := s.cfg.Store.PolicyPublish(ctx, caller.workspace, draft)
	if err != nil {
		return nil, err
	}
	s.cfg.Log.Info("policy published", "workspace", caller.workspace, "version", version, "state", state, "by", caller.Subject)
	return gen.PutPolicy200JSONResponse{Version: version, State: gen.PolicyState(state)}, nil
}

func fieldErrors(faults []policy.FieldError) []httpserver.FieldError {
	shown := make([]httpserver.FieldError, len(faults))
	for i, fault := range faults {
		shown[i] = httpserver.FieldError{Pointer: fault.Pointer, Detail: fault.Detail}
	}
	return shown
}

// ListPolicyVersions answers GET /v1/policy/versions.
func (s *Server) ListPolicyVersions(ctx context.Context, _ gen.ListPolicyVersionsRequestObject) (gen.ListPolicyVersionsResponseObject, error) {
	workspace := sessionOf(ctx).workspace
	var versions []dbsqlc.PolicyVersionsRow
	err := s.cfg.Store.InWorkspace(ctx, workspace, func(ctx context.Context, tx *postgres.Tx) (err error) {
		versions, err = tx.PolicyVersions(ctx, workspace)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list policies: %w", err)
	}
	if len(versions) == 0 {
		return nil, notFound() // a workspace has one from its beginning
	}
	answer := gen.ListPolicyVersions200JSONResponse{Data: make([]gen.PolicyVersion, len(versions))}
	for i, found := range versions {
		v := &found.Policy
		answer.Data[i] = gen.PolicyVersion{
			Version: int(v.Version), Kind: gen.PolicyKind(v.Kind), State: gen.PolicyState(v.State),
			Progress: progress(v, found.Differences != nil), Differences: found.Differences, ReplacedBy: wide(v.ReplacedBy),
			CreatedAt: row.InstantOf(v.CreatedAt), CreatedBy: v.CreatedBy,
			PublishedAt: row.MaybeInstant(v.PublishedAt), SupersededAt: row.MaybeInstant(v.SupersededAt),
		}
	}
	return answer, nil
}

func wide(n *int32) *int {
	if n == nil {
		return nil
	}
	number := int(*n)
	return &number
}

// progress is 1 for a version that came into force or was compared. A build can walk
// more facts than it counted at its beginning; it is complete only when it is swapped in.
func progress(v *dbsqlc.Policy, compared bool) float64 {
	if v.PublishedAt != nil || compared {
		return 1
	}
	if v.BuildTotal == 0 {
		return 0
	}
	return min(float64(v.BuildDone)/float64(v.BuildTotal), 0.99)
}

// GetPolicyComparison answers GET /v1/policy/versions/{version}/comparison. The rows
// that differ name messages and people: only who may see those gets them.
func (s *Server) GetPolicyComparison(ctx context.Context, request gen.GetPolicyComparisonRequestObject) (gen.GetPolicyComparisonResponseObject, error) {
	caller := sessionOf(ctx)
	var found comparison.Comparison
	err := s.cfg.Store.InWorkspace(ctx, caller.workspace, func(ctx context.Context, tx *postgres.Tx) (err error) {
		found, err = tx.ComparisonLookup(ctx, caller.workspace, int(request.Version))
		return err
	})
	if errors.Is(err, postgres.ErrNotFound) {
		return nil, problem(http.StatusNotFound, fmt.Sprintf(
			"Policy version %d has no comparison: a version gets one when it was built beside another and is complete. GET /v1/policy/versions shows which were.", request.Version))
	}
	if err != nil {
		return nil, fmt.Errorf("read comparison: %w", err)
	}
	if !caller.seesPersons() {
		for i := range found.Parts {
			found.Parts[i].Rows = []comparison.Row{}
		}
	}
	return gen.GetPolicyComparison200JSONResponse(found), nil
}
