package postgres

import (
	"context"
	"fmt"

	"github.com/touchline/touchline/services/attribution/derive"
	"github.com/touchline/touchline/services/attribution/postgres/dbsqlc"
)

// swap ends a build that is complete: it compares, keeps what it found and brings the
// version into force. A recompute that was only to check is discarded instead; one that
// found no difference makes the version before it superfluous.
func (t deriveTx) swap(ctx context.Context, b derive.Build) (*derive.Swap, error) {
	versions, err := t.queries.PolicyList(ctx, t.workspace)
	if err != nil {
		return nil, interpret(err)
	}
	live, built := find(versions, PolicyLive), find(versions, PolicyBuilding)
	if live == nil || built == nil || int(built.Version) != b.Version {
		return nil, fmt.Errorf("version %d is not the one being built beside a live one", b.Version)
	}
	found, err := comparer{queries: t.queries, built: built, before: live}.compare(ctx)
	if err != nil {
		return nil, err
	}
	if err := keepComparison(ctx, t.queries, t.workspace, &found, b.At); err != nil {
		return nil, fmt.Errorf("keep the comparison: %w", err)
	}
	done := &derive.Swap{
		Version: b.Version, Against: int(live.Version), Recompute: built.Kind == KindRecompute, Live: !built.CheckOnly, Differences: found.Differences,
	}
	end := dbsqlc.PolicyRetireParams{WorkspaceID: t.workspace, Version: live.Version, State: PolicySuperseded, At: &b.At}
	switch {
	case !done.Live:
		end.Version, end.State = built.Version, PolicyDiscarded
	case done.Recompute && found.Equal():
		end.State, end.ReplacedBy = PolicyDiscarded, &built.Version
	}
	if err := t.queries.PolicyRetire(ctx, end); err != nil || !done.Live {
		return done, interpret(err)
	}
	bring := dbsqlc.PolicyBringParams{At: &b.At, WorkspaceID: t.workspace, Version: built.Version}
	return done, interpret(t.queries.PolicyBring(ctx, bring))
}
