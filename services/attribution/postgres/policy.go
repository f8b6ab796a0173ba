package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/attribution/postgres/dbsqlc"
)

// The states of a policy version.
const (
	PolicyBuilding   = "building"
	PolicyLive       = "live"
	PolicySuperseded = "superseded" // it was in force and stays readable
	PolicyDiscarded  = "discarded"  // its rows are gone or going: it never came into force, or another says the same
)

// The kinds of a policy version: a document that was published, or the one in force
// derived from nothing.
const (
	KindPolicy    = "policy"
	KindRecompute = "recompute"
)

// PolicyDraft is a policy that is to be published.
type PolicyDraft struct {
	Policy    *policy.Policy
	Reference string    // version of the reference data
	By        string    // who publishes it
	At        time.Time // when
}

// PolicyPublish makes a draft the policy of a workspace and returns the version that
// is or will be in force, with its state. A workspace without facts has it live at
// once. Otherwise it is building, in place of a version that was building before;
// derive walks the facts and swaps it in. A draft equal to the live version answers
// that one and gives up a build, unless that is a recompute, which says the same; one
// equal to the policy being built answers that. Any other draft gives up a recompute.
//
// It waits for the workspace's lock, but see lockPatience ([ErrUnavailable]).
// [ErrNotFound]: no such workspace.
func (p *Pool) PolicyPublish(ctx context.Context, workspace uuid.UUID, draft PolicyDraft) (version int, state string, err error) {
	err = p.InWorkspace(ctx, workspace, func(ctx context.Context, tx *Tx) error {
		if err := tx.lockPatiently(ctx, workspace); err != nil {
			return err
		}
		version, state, err = tx.policyPublish(ctx, workspace, draft)
		return err
	})
	if err != nil {
		return 0, "", fmt.Errorf("publish policy: %w", err)
	}
	return version, state, nil
}

// policyPublish decides under the lock.
func (t *Tx) policyPublish(ctx context.Context, workspace uuid.UUID, draft PolicyDraft) (int, string, error) {
	versions, err := t.PolicyList(ctx, workspace)
	if err != nil {
		return 0, "", err
	}
	live, building := find(versions, PolicyLive), find(versions, PolicyBuilding)
	if live == nil {
		return 0, "", ErrNotFound
	}
	recompute := building != nil && building.Kind == KindRecompute
	if !recompute && same(building, draft.Policy) {
		return int(building.Version), PolicyBuilding, nil
	}
	unchanged := same(live, draft.Policy)
	if building != nil && (!recompute || !unchanged) {
		if err := t.policyAbandon(ctx, building, draft.At); err != nil {
			return 0, "", err
		}
	}
	if unchanged {
		return int(live.Version), PolicyLive, nil
	}
	identity, err := identityVersion(versions, live, draft.Policy)
	if err != nil {
		return 0, "", err
	}
	return t.policyAdd(ctx, live, policyRow{draft: draft, version: versions[0].Version + 1, identity: identity, kind: KindPolicy})
}

// policyAdd writes the version, live or building by what there is to walk.
func (t *Tx) policyAdd(ctx context.Context, live *dbsqlc.Policy, row policyRow) (int, string, error) {
	workspace := live.WorkspaceID
	work, err := t.PolicyWork(ctx, workspace)
	if err != nil {
		return 0, "", err
	}
	row.state, row.total = PolicyBuilding, work.Facts
	if work.Facts == 0 && !work.Touched {
		row.state = PolicyLive
		end := dbsqlc.PolicyRetireParams{WorkspaceID: workspace, Version: live.Version, State: PolicySuperseded, At: &row.draft.At}
		if err := t.PolicyRetire(ctx, end); err != nil {
			return 0, "", err
		}
	}
	return int(row.version), row.state, t.policyInsert(ctx, workspace, row)
}

// policyRow is a row of policy to insert.
type policyRow struct {
	draft    PolicyDraft
	version  int32
	identity int32
	kind     string
	check    bool // of a recompute: never in force
	state    string
	total    int64 // facts to walk
}

func (t *Tx) policyInsert(ctx context.Context, workspace uuid.UUID, row policyRow) error {
	var published *time.Time
	if row.state == PolicyLive {
		published = &row.draft.At
	}
	return t.PolicyInsert(ctx, dbsqlc.PolicyInsertParams{
		WorkspaceID: workspace, Version: row.version, Document: row.draft.Policy.Document(), IdentityVersion: row.identity,
		ReferenceVersion: row.draft.Reference, State: row.state, Kind: row.kind, CheckOnly: row.check, BuildTotal: row.total,
		CreatedAt: row.draft.At, CreatedBy: row.draft.By, PublishedAt: published,
	})
}

// policyAbandon ends a build that nobody has seen. Its rows are removed in the
// background ([Pool.Sweep]).
func (t *Tx) policyAbandon(ctx context.Context, building *dbsqlc.Policy, at time.Time) error {
	return t.PolicyRetire(ctx, dbsqlc.PolicyRetireParams{
		WorkspaceID: building.WorkspaceID, Version: building.Version, State: PolicyDiscarded, At: &at,
	})
}

// identityVersion is the live one when the draft concludes the same persons, else a
// number that none has had.
func identityVersion(versions []dbsqlc.Policy, live *dbsqlc.Policy, draft *policy.Policy) (int32, error) {
	current, err := parsed(live)
	if err != nil {
		return 0, err
	}
	if current.IdentityEqual(draft) {
		return live.IdentityVersion, nil
	}
	return freshIdentity(versions), nil
}

// freshIdentity is a number that no version's persons have had.
func freshIdentity(versions []dbsqlc.Policy) int32 {
	highest := int32(0)
	for _, v := range versions {
		highest = max(highest, v.IdentityVersion)
	}
	return highest + 1
}

func find(versions []dbsqlc.Policy, state string) *dbsqlc.Policy {
	for i := range versions {
		if versions[i].State == state {
			return &versions[i]
		}
	}
	return nil
}

// same compares with what is stored, which the database has written in its own way.
func same(row *dbsqlc.Policy, draft *policy.Policy) bool {
	if row == nil {
		return false
	}
	stored, err := parsed(row)
	return err == nil && bytes.Equal(stored.Document(), draft.Document())
}

func parsed(row *dbsqlc.Policy) (policy.Policy, error) {
	p, faults, err := policy.Parse(row.Document)
	if err == nil && len(faults) > 0 {
		err = errors.New(faults[0].Pointer + ": " + faults[0].Detail)
	}
	if err != nil {
		return p, fmt.Errorf("stored policy %d: %w", row.Version, err)
	}
	return p, nil
}

// PolicyVersion returns a version of a workspace's policy, or [ErrNotFound].
func (t *Tx) PolicyVersion(ctx context.Context, workspace uuid.UUID, version int32) (dbsqlc.Policy, error) {
	row, err := t.PolicyGet(ctx, workspace, version)
	return row, interpret(err)
}

// PolicyInForce returns the live version of a workspace, or [ErrNotFound] when the
// workspace is gone.
func (t *Tx) PolicyInForce(ctx context.Context, workspace uuid.UUID) (dbsqlc.Policy, error) {
	row, err := t.PolicyLive(ctx, workspace)
	if errors.Is(err, pgx.ErrNoRows) {
		return row, ErrNotFound
	}
	return row, err
}
