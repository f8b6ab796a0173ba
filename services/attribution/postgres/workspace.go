package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/postgres/dbsqlc"
)

// WorkspaceCreate writes a workspace with its first policy in force, in one
// transaction.
func (p *Pool) WorkspaceCreate(ctx context.Context, workspace dbsqlc.WorkspaceInsertParams, first PolicyDraft) error {
	err := p.InWorkspace(ctx, workspace.WorkspaceID, func(ctx context.Context, tx *Tx) error {
		if err := tx.WorkspaceInsert(ctx, workspace); err != nil {
			return err
		}
		return tx.policyInsert(ctx, workspace.WorkspaceID, policyRow{draft: first, version: 1, identity: 1, kind: KindPolicy, state: PolicyLive})
	})
	if err != nil {
		return fmt.Errorf("create workspace: %w", err)
	}
	return nil
}

// WorkspaceLookup returns a workspace, or [ErrNotFound].
func (p *Pool) WorkspaceLookup(ctx context.Context, workspace uuid.UUID) (dbsqlc.Workspace, error) {
	var found dbsqlc.Workspace
	err := p.InWorkspace(ctx, workspace, func(ctx context.Context, tx *Tx) (err error) {
		found, err = tx.WorkspaceGet(ctx, workspace)
		return err
	})
	if err != nil {
		return found, fmt.Errorf("look up workspace: %w", err)
	}
	return found, nil
}

// WorkspaceList returns the ids of all workspaces, sorted. For [RoleWorker].
func (p *Pool) WorkspaceList(ctx context.Context) ([]uuid.UUID, error) {
	found, err := dbsqlc.New(p.pool).WorkspaceIDs(ctx)
	if err != nil {
		return nil, fmt.Errorf("list workspaces: %w", interpret(err))
	}
	return found, nil
}

// WorkspaceErase deletes every row of a workspace in one transaction, under its
// lock, so that no derivation writes meanwhile; it waits for the lock no longer than
// [lockPatience] ([ErrUnavailable]). It returns the ids of the sources that were
// there. A workspace that is not there is no error.
func (p *Pool) WorkspaceErase(ctx context.Context, workspace uuid.UUID) ([]uuid.UUID, error) {
	var sources []uuid.UUID
	err := p.InWorkspace(ctx, workspace, func(ctx context.Context, tx *Tx) error {
		sources = nil
		if err := tx.lockPatiently(ctx, workspace); err != nil {
			return err
		}
		if err := tx.LockRegistry(ctx); err != nil {
			return err
		}
		if err := tx.WorkspaceClose(ctx, workspace); err != nil {
			return err
		}
		rows, err := tx.SourceList(ctx, workspace)
		if err != nil {
			return err
		}
		for _, row := range rows {
			sources = append(sources, row.SourceID)
		}
		for _, erase := range tx.erasures() {
			if err := erase(ctx, workspace); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("erase workspace: %w", err)
	}
	return sources, nil
}

// erasures are the deletions of one workspace, what refers to others first. A test
// compares them with the tables that have a workspace_id.
func (t *Tx) erasures() []func(context.Context, uuid.UUID) error {
	return []func(context.Context, uuid.UUID) error{
		t.WorkspaceCountErased, t.WorkspaceDeleteTouched,
		t.WorkspaceDeleteCredit, t.WorkspaceDeleteConversion, t.WorkspaceDeleteMessage,
		t.WorkspaceDeleteRollupCredit, t.WorkspaceDeleteRollupMessage,
		t.WorkspaceDeleteLink, t.WorkspaceDeletePerson, t.WorkspaceDeleteClaim,
		t.WorkspaceDeleteIdentifier, t.WorkspaceDeleteRef, t.WorkspaceDeleteConflict, t.WorkspaceDeleteFact,
		t.WorkspaceDeleteQuarantine, t.WorkspaceDeleteLedgerBatch, t.WorkspaceDeleteLedger,
		t.WorkspaceDeleteComparison, t.WorkspaceDeletePolicy, t.WorkspaceDeleteSource, t.WorkspaceDelete,
	}
}

// lockPatience is how long a call waits for a derivation to end, well under the
// time that the HTTP server gives an answer. A guess.
const lockPatience = 12 * time.Second

// lockPatiently is [Tx.LockWorkspace] that gives up after lockPatience with
// [ErrUnavailable].
func (t *Tx) lockPatiently(ctx context.Context, workspace uuid.UUID) error {
	waiting, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	err := t.LockWorkspace(waiting, workspace)
	if err != nil && errors.Is(waiting.Err(), context.DeadlineExceeded) && ctx.Err() == nil {
		return fmt.Errorf("%w: workspace is being derived", ErrUnavailable)
	}
	return err
}
