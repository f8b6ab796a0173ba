package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

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
	beside, err := t.beside(ctx, b)
	if err != nil {
		return nil, err
	}
	patience, err := t.patience(ctx)
	if err != nil {
		return nil, err
	}
	found, err := comparer{queries: t.queries, built: built, before: live, beside: beside, patience: patience}.compare(ctx)
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

// patience is how long the transaction may wait for another connection: the server ends one
// that is asked nothing.
func (t deriveTx) patience(ctx context.Context) (time.Duration, error) {
	var bound int64 // 0: none
	if err := t.tx.QueryRow(ctx, `select (extract(epoch from current_setting('idle_in_transaction_session_timeout')::interval) * 1000)::bigint`).Scan(&bound); err != nil {
		return 0, fmt.Errorf("read how long a transaction may wait: %w", interpret(err))
	}
	if half := time.Duration(bound) * time.Millisecond / 2; half > 0 {
		return min(comparePatience, half), nil
	}
	return comparePatience, nil
}

// beside is another connection that sees what this transaction does, nil when there is none:
// it would not see what was written here.
func (t deriveTx) beside(ctx context.Context, b derive.Build) (snapshot, error) {
	if !b.Unchanged || t.store == nil {
		return nil, nil
	}
	var name string
	if err := t.tx.QueryRow(ctx, "select pg_export_snapshot()").Scan(&name); err != nil {
		return nil, fmt.Errorf("export the snapshot: %w", interpret(err))
	}
	return func(ctx context.Context, read func(ctx context.Context, tx *Tx) error) error {
		return t.store.spareConn(ctx, func(conn *pgxpool.Conn) error {
			return runTx(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(ctx context.Context, tx *Tx) error {
				if _, err := tx.tx.Exec(ctx, "set transaction snapshot '"+name+"'"); err != nil {
					return fmt.Errorf("take the snapshot: %w", err)
				}
				return read(ctx, tx)
			})
		})
	}, nil
}
