package postgres

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/derive"
	"github.com/touchline/touchline/sql"
	"github.com/touchline/touchline/sql/sqltest"
)

// What is compared on a second connection is of the first one's snapshot, whatever was
// committed since; where it does not go well there, the first does it. A transaction that
// wrote has no second one.
func TestComparer_beside(t *testing.T) {
	t.Parallel()
	schema := sqltest.NewSchema(t, sql.Newest)
	raw := schema.Pool(t, "touchline_worker")
	workspace := uuid.New()
	for _, statement := range []string{
		`insert into workspace (workspace_id, name, currency, timezone, created_at) values ($1, 'n', 'NOK', 'UTC', now())`,
		`insert into policy (workspace_id, version, document, identity_version, reference_version, state, created_at, created_by)
			select $1, v, '{}', v, '', case v when 1 then 'live' else 'building' end, now(), '' from generate_series(1, 2) v`,
		`insert into message (workspace_id, version, channel, message_id, anchor, registered, session, computed_at)
			select $1, v, 'whatsapp', 'm' || n, md5('m' || n)::uuid, v = 1 or n > 3, false, now() from generate_series(1, 9) n, generate_series(1, 2) v`,
		`insert into rollup_message (workspace_id, version, bucket, channel, template_name, template_language, campaign, variant, messages, unregistered,
			unaddressed, sent, delivered, read, clicked, replied, failed)
			select $1, v, now(), 'whatsapp', '', '', '', '', v, 0, 0, 0, 0, 0, 0, 0, 0 from generate_series(1, 2) v`,
	} {
		if _, err := raw.Exec(t.Context(), statement, workspace); err != nil {
			t.Fatal(err)
		}
	}
	pool, err := Open(t.Context(), schema.URL, RoleWorker)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	store := NewDeriveStore(pool, nil).WithPatience(time.Minute)
	err = pool.InTx(t.Context(), RepeatableRead, func(ctx context.Context, tx *Tx) error {
		if err := pool.Ping(ctx); err != nil { // so that there is a second connection: none is opened while one waits
			return err
		}
		derivation := deriveTx{workspace: workspace, queries: tx.Queries, tx: tx.tx, store: store}
		if beside, err := derivation.beside(ctx, derive.Build{}); beside != nil || err != nil {
			t.Errorf("beside a transaction that wrote: %v", err)
		}
		beside, err := derivation.beside(ctx, derive.Build{Unchanged: true})
		if err != nil {
			return err
		}
		versions, err := tx.PolicyList(ctx, workspace)
		if err != nil {
			return err
		}
		c := comparer{queries: tx.Queries, built: find(versions, PolicyBuilding), before: find(versions, PolicyLive)}
		want, err := c.compare(ctx)
		if err != nil || want.Differences != 3+1 {
			t.Errorf("%d differences: %v", want.Differences, err)
		}
		if _, err := raw.Exec(ctx, "delete from message where workspace_id = $1", workspace); err != nil {
			return err
		}
		asked := 0
		for name, side := range map[string]snapshot{
			"well": func(ctx context.Context, read func(ctx context.Context, tx *Tx) error) error {
				return beside(ctx, func(ctx context.Context, other *Tx) error {
					if other.tx.Conn() != tx.tx.Conn() {
						asked++
					}
					return read(ctx, other)
				})
			},
			"away":    func(context.Context, func(ctx context.Context, tx *Tx) error) error { return errors.New("away") },
			"breaks":  func(context.Context, func(ctx context.Context, tx *Tx) error) error { panic("broken") },
			"nowhere": nil,
			"hangs": func(ctx context.Context, _ func(ctx context.Context, tx *Tx) error) error {
				<-ctx.Done()
				return ctx.Err()
			},
		} {
			c.beside, c.patience = side, time.Minute
			if name == "hangs" {
				c.patience = time.Millisecond
			}
			got, err := c.compare(ctx)
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
			}
		}
		if asked != 1 {
			t.Errorf("compared %d times on another connection", asked)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Nobody waits in a transaction until the server ends it, whatever the server or the URL says.
func TestDeriveTx_patience(t *testing.T) {
	t.Parallel()
	pool, err := Open(t.Context(), sqltest.NewSchema(t, sql.Newest).URL, RoleWorker)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	err = pool.InTx(t.Context(), ReadCommitted, func(ctx context.Context, tx *Tx) error {
		for set, want := range map[string]time.Duration{
			"0": comparePatience, "60s": comparePatience, "2h": comparePatience, "10s": 5 * time.Second, "1min": comparePatience, "500": 250 * time.Millisecond,
		} {
			if _, err := tx.tx.Exec(ctx, "select set_config('idle_in_transaction_session_timeout', $1, true)", set); err != nil {
				return err
			}
			if got, err := (deriveTx{tx: tx.tx}).patience(ctx); err != nil || got != want {
				t.Errorf("%s: %v, want %v: %v", set, got, want, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
