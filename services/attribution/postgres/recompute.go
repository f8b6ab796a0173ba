package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/touchline/touchline/services/attribution/comparison"
	"github.com/touchline/touchline/services/attribution/postgres/dbsqlc"
)

// RecomputeDraft asks for the version in force to be derived from nothing.
type RecomputeDraft struct {
	Check     bool      // compare only: it never comes into force
	Reference string    // version of the reference data
	By        string    // who asks
	At        time.Time // when
}

// Build is how far a version's build has come.
type Build struct {
	Version   int
	Recompute bool
	Check     bool
	State     string // one of the states of a policy version
	Total     int64  // facts to walk, counted at the beginning
	Done      int64  // facts walked; can exceed Total when facts arrive meanwhile
}

// RecomputeBegin starts a recompute of a workspace's live version, with persons, links
// and claims of its own, and returns its build. A recompute of the same kind that is
// under way already is joined. When another build is under way it is returned with ours
// = false: it has to end first.
//
// It waits for the workspace's lock, but see lockPatience ([ErrUnavailable]).
// [ErrNotFound]: no such workspace. For [RoleWorker].
func (p *Pool) RecomputeBegin(ctx context.Context, workspace uuid.UUID, draft RecomputeDraft) (begun Build, ours bool, err error) {
	err = p.InWorkspace(ctx, workspace, func(ctx context.Context, tx *Tx) error {
		if err := tx.lockPatiently(ctx, workspace); err != nil {
			return err
		}
		begun, ours, err = tx.recomputeBegin(ctx, workspace, draft)
		return err
	})
	if errors.Is(err, ErrNotFound) {
		return Build{}, false, fmt.Errorf("begin to recompute: there is no such workspace: %w", err)
	}
	if err != nil {
		return Build{}, false, fmt.Errorf("begin to recompute: %w", err)
	}
	return begun, ours, nil
}

// recomputeBegin decides under the lock.
func (t *Tx) recomputeBegin(ctx context.Context, workspace uuid.UUID, draft RecomputeDraft) (Build, bool, error) {
	versions, err := t.PolicyList(ctx, workspace)
	if err != nil {
		return Build{}, false, err
	}
	live, building := find(versions, PolicyLive), find(versions, PolicyBuilding)
	if live == nil {
		return Build{}, false, ErrNotFound
	}
	if building != nil {
		return buildOf(building), building.Kind == KindRecompute && building.CheckOnly == draft.Check, nil
	}
	work, err := t.PolicyWork(ctx, workspace)
	if err != nil {
		return Build{}, false, err
	}
	p, err := parsed(live)
	if err != nil {
		return Build{}, false, err
	}
	row := policyRow{
		draft:   PolicyDraft{Policy: &p, Reference: draft.Reference, By: draft.By, At: draft.At},
		version: versions[0].Version + 1, identity: freshIdentity(versions), kind: KindRecompute, check: draft.Check,
		state: PolicyBuilding, total: work.Facts,
	}
	if err := t.policyInsert(ctx, workspace, row); err != nil {
		return Build{}, false, err
	}
	return Build{Version: int(row.version), Recompute: true, Check: draft.Check, State: PolicyBuilding, Total: work.Facts}, true, nil
}

// IdentifierAny returns a sealed identifier of a workspace, or [ErrNotFound] when it
// has none. For [RoleWorker].
func (p *Pool) IdentifierAny(ctx context.Context, workspace uuid.UUID) (digest uuid.UUID, ciphertext []byte, err error) {
	row, err := dbsqlc.New(p.pool).IdentifierAny(ctx, workspace)
	return row.Digest, row.Ciphertext, interpret(err)
}

// BuildLookup returns how far a version's build has come, or [ErrNotFound] when there
// is no such version. For [RoleWorker].
func (p *Pool) BuildLookup(ctx context.Context, workspace uuid.UUID, version int) (Build, error) {
	row, err := dbsqlc.New(p.pool).PolicyGet(ctx, workspace, int32(version))
	if errors.Is(err, pgx.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return Build{}, fmt.Errorf("look up version %d: %w", version, interpret(err))
	}
	return buildOf(&row), nil
}

// BuildResult returns what was found when a version's build was complete, or
// [ErrNotFound] when it was given up, or is not complete. For [RoleWorker].
func (p *Pool) BuildResult(ctx context.Context, workspace uuid.UUID, version int) (comparison.Comparison, error) {
	tx := &Tx{Queries: dbsqlc.New(p.pool)}
	found, err := tx.ComparisonLookup(ctx, workspace, version)
	if err != nil {
		return found, fmt.Errorf("look up the comparison of version %d: %w", version, err)
	}
	return found, nil
}

func buildOf(row *dbsqlc.Policy) Build {
	return Build{
		Version: int(row.Version), Recompute: row.Kind == KindRecompute, Check: row.CheckOnly, State: row.State,
		Total: row.BuildTotal, Done: row.BuildDone,
	}
}
