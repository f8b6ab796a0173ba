package postgres_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/postgres"
	"github.com/touchline/touchline/sql"
	"github.com/touchline/touchline/sql/sqltest"
)

// cut ends a session, as a connection that breaks does.
func cut(t *testing.T, schema *sqltest.Schema, pid int32) {
	t.Helper()
	var ended bool
	if err := schema.Pool(t, "").QueryRow(t.Context(), "select pg_terminate_backend($1, 10000)", pid).Scan(&ended); err != nil || !ended {
		t.Fatal(ended, err)
	}
}

// Who has lost the first of its connections may still commit on the other one: until that has
// ended too nobody else gets the lock, neither for a derivation nor to publish a policy.
func TestWorkspaceLock_beside(t *testing.T) {
	t.Parallel()
	for _, late := range []bool{false, true} {
		t.Run(fmt.Sprintf("the first is lost before the other is asked for: %t", late), func(t *testing.T) {
			t.Parallel()
			schema := sqltest.NewSchema(t, sql.Newest)
			one, two := open(t, schema, postgres.RoleWorker), open(t, schema, postgres.RoleWorker)
			workspace := uuid.New()
			lock, ok, err := one.LockWorkspace(t.Context(), workspace)
			if err != nil || !ok {
				t.Fatal(ok, err)
			}
			var beside error
			err = lock.InTx(t.Context(), postgres.RepeatableRead, func(ctx context.Context, tx *postgres.Tx) error {
				pid, err := tx.Session(ctx)
				if err != nil {
					return err
				}
				if late {
					cut(t, schema, pid)
				}
				if beside = lock.Beside(ctx, tx, one); beside != nil {
					return beside
				}
				if err := lock.Beside(ctx, tx, one); err != nil { // it has it
					return err
				}
				cut(t, schema, pid)
				return nil
			})
			if err == nil || (beside != nil) != late {
				t.Errorf("beside: %v; transaction: %v", beside, err)
			}
			if _, ok, err := two.LockWorkspace(t.Context(), workspace); ok || err != nil {
				t.Errorf("another holder beside what may yet be committed: %t, %v", ok, err)
			}
			published := make(chan error, 1)
			go func() {
				published <- two.InTx(context.Background(), postgres.ReadCommitted, func(ctx context.Context, tx *postgres.Tx) error {
					return tx.LockWorkspace(ctx, workspace)
				})
			}()
			for waits := false; !waits; {
				select {
				case err := <-published:
					t.Fatalf("the publisher did not wait: %v", err)
				default:
				}
				if waits, err = one.WaitedFor(t.Context(), workspace); err != nil {
					t.Fatal(err)
				}
			}
			lock.Release(t.Context())
			if err := <-published; err != nil {
				t.Error(err)
			}
			again, ok, err := two.LockWorkspace(t.Context(), workspace)
			if !ok || err != nil {
				t.Fatalf("after the release: %t, %v", ok, err)
			}
			again.Release(t.Context())
		})
	}
}
