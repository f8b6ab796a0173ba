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
	PolicySuperseded = "superseded"
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
// that one and gives up a build; one equal to the building version answers that.
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
	if same(building, draft.Policy) {
		return int(building.Version), PolicyBuilding, nil
	}
	if building != nil {
		if err := t.policyAbandon(ctx, building, live, draft.At); err != nil {
			return 0, "", err
		}
	}
	if same(live, draft.Policy) {
		return int(live.Version), PolicyLive, nil
	}
	identity, err := identityVersion(versions, live, draft.Policy)
	if err != nil {
		return 0, "", err
	}
	return t.policyAdd(ctx, workspace, policyRow{draft: draft, version: versions[0].Version + 1, identity: identity})
}

// policyAdd writes the version, live or building by what there is to walk.
func (t *Tx) policyAdd(ctx context.Context, workspace uuid.UUID, row policyRow) (int, string, error) {
	work, err := t.PolicyWork(ctx, workspace)
	if err != nil {
		return 0, "", err
	}
	row.state, row.total = PolicyBuilding, work.Facts
	if work.Facts == 0 && !work.Touched {
		row.state = PolicyLive
		if err := t.PolicySupersede(ctx, dbsqlc.PolicySupersedeParams{WorkspaceID: workspace, State: PolicyLive, At: &row.draft.At}); err != nil {
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
		ReferenceVersion: row.draft.Reference, State: row.state, BuildTotal: row.total,
		CreatedAt: row.draft.At, CreatedBy: row.draft.By, PublishedAt: published,
	})
}

// policyAbandon ends a build that nobody has seen and deletes what it wrote.
func (t *Tx) policyAbandon(ctx context.Context, building, live *dbsqlc.Policy, at time.Time) error {
	workspace, version, identity := building.WorkspaceID, building.Version, building.IdentityVersion
	err := t.PolicySupersede(ctx, dbsqlc.PolicySupersedeParams{WorkspaceID: workspace, State: PolicyBuilding, At: &at})
	if err != nil {
		return err
	}
	drops := []func(context.Context, uuid.UUID, int32) error{
		t.PolicyDropCredits, t.PolicyDropConversions, t.PolicyDropMessages, t.PolicyDropRollupCredits, t.PolicyDropRollupMessages,
	}
	for _, drop := range drops {
		if err := drop(ctx, workspace, version); err != nil {
			return err
		}
	}
	if identity == live.IdentityVersion {
		return nil // the live version stands on the same persons
	}
	for _, drop := range []func(context.Context, uuid.UUID, int32) error{t.PolicyDropLinks, t.PolicyDropPersons, t.PolicyDropClaims} {
		if err := drop(ctx, workspace, identity); err != nil {
			return err
		}
	}
	return nil
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
	highest := int32(0)
	for _, v := range versions {
		highest = max(highest, v.IdentityVersion)
	}
	return highest + 1, nil
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

// PolicyInForce returns the live version of a workspace, or [ErrNotFound] when the
// workspace is gone.
func (t *Tx) PolicyInForce(ctx context.Context, workspace uuid.UUID) (dbsqlc.Policy, error) {
	row, err := t.PolicyLive(ctx, workspace)
	if errors.Is(err, pgx.ErrNoRows) {
		return row, ErrNotFound
	}
	return row, err
}
