package postgres

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/derive"
	"github.com/touchline/touchline/services/attribution/postgres/dbsqlc"
	"github.com/touchline/touchline/services/internal/hit"
)

// ErrTooLarge says that more facts hang together than may be read at once.
var ErrTooLarge = errors.New("too many facts hang together")

// Component asks for everything that can bear on some references.
type Component struct {
	Workspace uuid.UUID
	Version   *dbsqlc.Policy // whose block list says what connects nothing
	Refs      []uuid.UUID    // where to begin
	Most      int            // facts
	Folder    Folder
}

// Gathered is a component as the pure packages take it.
type Gathered struct {
	Currency string // of the workspace, ISO 4217
	Version  derive.Version
	Facts    []hit.Fact // in any order; none when nothing carries the references
}

// Gather reads all facts reachable over shared references, as derive does before it
// draws conclusions, so that the same conclusions follow. [ErrTooLarge]: there are
// more than Component.Most; what had been read by then was no more than that and the
// facts of one step. Run it in a snapshot.
func (t *Tx) Gather(ctx context.Context, c Component) (Gathered, error) {
	reader := deriveTx{workspace: c.Workspace, queries: t.Queries, tx: t.tx, folder: c.Folder}
	currency, err := t.DeriveWorkspace(ctx, c.Workspace)
	if err != nil {
		return Gathered{}, err
	}
	g := Gathered{Currency: currency}
	g.Version, err = reader.version(ctx, dbsqlc.DerivePoliciesRow{
		Version: c.Version.Version, Document: c.Version.Document, IdentityVersion: c.Version.IdentityVersion, State: c.Version.State,
	})
	if err != nil {
		return Gathered{}, fmt.Errorf("policy version %d: %w", c.Version.Version, err)
	}
	keys, err := t.reachable(ctx, c, g.Version.Blocked)
	if err != nil {
		return Gathered{}, err
	}
	g.Facts, err = reader.Load(ctx, keys)
	return g, err
}

// reachable returns the keys of the component's facts.
func (t *Tx) reachable(ctx context.Context, c Component, blocked map[uuid.UUID]bool) ([]uuid.UUID, error) {
	refs, keys := map[uuid.UUID]bool{}, map[uuid.UUID]bool{}
	for frontier := fresh(refs, c.Refs, blocked); len(frontier) > 0; {
		found, err := t.ExplainFactsByRef(ctx, dbsqlc.ExplainFactsByRefParams{Refs: frontier, WorkspaceID: c.Workspace, Most: int32(c.Most) + 1})
		if err != nil {
			return nil, err
		}
		found = fresh(keys, found, nil)
		if len(keys) > c.Most {
			return nil, ErrTooLarge
		}
		next, err := t.DeriveRefsByFact(ctx, found, c.Workspace)
		if err != nil {
			return nil, err
		}
		frontier = fresh(refs, next, blocked)
	}
	return slices.Collect(maps.Keys(keys)), nil
}

// fresh notes ids in known and returns those that were not there, without what is
// blocked.
func fresh(known map[uuid.UUID]bool, ids []uuid.UUID, blocked map[uuid.UUID]bool) []uuid.UUID {
	var unknown []uuid.UUID
	for _, id := range ids {
		if !known[id] && !blocked[id] {
			known[id] = true
			unknown = append(unknown, id)
		}
	}
	return unknown
}
