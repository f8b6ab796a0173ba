package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/touchline/touchline/services/attribution/postgres/dbsqlc"
)

// Sweep removes up to about most rows of one table of a version that nobody can read
// any more, in one transaction, and reports whether there may be more to remove. One
// process at a time does it: another finds nothing to do. For [RoleWorker].
func (p *Pool) Sweep(ctx context.Context, most int, at time.Time) (more bool, err error) {
	err = p.InTx(ctx, ReadCommitted, func(ctx context.Context, tx *Tx) error {
		more = false
		held, err := tx.TryLock(ctx, "sweep")
		if err != nil || !held {
			return err
		}
		next, err := tx.SweepNext(ctx)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		more = true
		return tx.sweep(ctx, next, most, at)
	})
	if err != nil {
		return false, fmt.Errorf("remove rows of discarded versions: %w", err)
	}
	return more, nil
}

// sweep empties the first table of the version that has rows, or notes that none has.
func (t *Tx) sweep(ctx context.Context, v dbsqlc.SweepNextRow, most int, at time.Time) error {
	of := dbsqlc.SweepConversionsParams{WorkspaceID: v.WorkspaceID, Version: v.Version, Most: int32(most)}
	persons := dbsqlc.SweepPersonsParams{WorkspaceID: v.WorkspaceID, IdentityVersion: v.IdentityVersion, Most: int32(most)}
	tables := []func() (int64, error){
		func() (int64, error) { return t.SweepConversions(ctx, of) },
		func() (int64, error) { return t.SweepMessages(ctx, dbsqlc.SweepMessagesParams(of)) },
		func() (int64, error) { return t.SweepCreditRollups(ctx, dbsqlc.SweepCreditRollupsParams(of)) },
		func() (int64, error) { return t.SweepMessageRollups(ctx, dbsqlc.SweepMessageRollupsParams(of)) },
	}
	if !v.IdentityUsed {
		tables = append(tables,
			func() (int64, error) { return t.SweepLinks(ctx, dbsqlc.SweepLinksParams(persons)) },
			func() (int64, error) { return t.SweepPersons(ctx, persons) },
			func() (int64, error) { return t.SweepClaims(ctx, dbsqlc.SweepClaimsParams(persons)) },
		)
	}
	for _, empty := range tables {
		removed, err := empty()
		if err != nil || removed > 0 {
			return err
		}
	}
	return t.SweepDone(ctx, dbsqlc.SweepDoneParams{At: &at, WorkspaceID: v.WorkspaceID, Version: v.Version})
}

// Swept says whether no version of a workspace has rows left to remove.
func (p *Pool) Swept(ctx context.Context, workspace uuid.UUID) (bool, error) {
	versions, err := dbsqlc.New(p.pool).PolicyList(ctx, workspace)
	if err != nil {
		return false, interpret(err)
	}
	for _, v := range versions {
		if v.State == PolicyDiscarded && v.EmptiedAt == nil {
			return false, nil
		}
	}
	return true, nil
}
