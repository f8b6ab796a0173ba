package postgres_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/postgres"
	"github.com/touchline/touchline/sql"
	"github.com/touchline/touchline/sql/sqltest"
)

// cut ends the session of a transaction, as a connection that breaks does.
func cut(ctx context.Context, t *testing.T, schema *sqltest.Schema, tx *postgres.Tx) error {
	t.Helper()
	pid, err := tx.Session(ctx)
	if err != nil {
		return err
	}
	var ended bool
	if err := schema.Pool(t, "").QueryRow(ctx, "select pg_terminate_backend($1, 10000)", pid).Scan(&ended); err != nil || !ended {
		return errors.Join(errors.New("the session does not end"), err)
	}
	return nil
}

// ready is a pool with two connections open: a spare one is not waited for while it is opened.
func ready(t *testing.T, schema *sqltest.Schema) *postgres.Pool {
	t.Helper()
	pool := open(t, schema, postgres.RoleWorker)
	err := pool.InTx(t.Context(), postgres.ReadCommitted, func(ctx context.Context, _ *postgres.Tx) error { return pool.Ping(ctx) })
	if err != nil {
		t.Fatal(err)
	}
	return pool
}

func locked(t *testing.T, pool *postgres.Pool, workspace uuid.UUID) *postgres.WorkspaceLock {
	t.Helper()
	lock, ok, err := pool.LockWorkspace(t.Context(), workspace)
	if !ok || err != nil {
		t.Fatalf("lock: %t, %v", ok, err)
	}
	return lock
}

// Who has lost the first of its connections may still commit on the other one: until that has
// ended too nobody else gets the lock, neither for a derivation nor to publish a policy.
func TestWorkspaceLock_beside(t *testing.T) {
	t.Parallel()
	schema, workspace := sqltest.NewSchema(t, sql.Newest), uuid.New()
	one, two := ready(t, schema), ready(t, schema)
	lock := locked(t, one, workspace)
	end := func() {}
	err := lock.InTx(t.Context(), postgres.RepeatableRead, func(ctx context.Context, tx *postgres.Tx) (err error) {
		if end, err = lock.Beside(ctx, tx, one); err != nil {
			t.Errorf("beside: %v", err)
			return err
		}
		return cut(ctx, t, schema, tx)
	})
	if err == nil || t.Failed() {
		t.Fatalf("a transaction whose connection was cut: %v", err)
	}
	if lock, ok, err := two.LockWorkspace(t.Context(), workspace); ok || err != nil {
		t.Errorf("another holder beside what may yet be committed: %t, %v", ok, err)
		lock.Release(t.Context())
	}
	published := make(chan error, 1)
	go func() {
		published <- two.InTx(context.Background(), postgres.ReadCommitted, func(ctx context.Context, tx *postgres.Tx) error {
			return tx.LockWorkspace(ctx, workspace)
		})
	}()
	waits := false
	for deadline := time.Now().Add(20 * time.Second); !waits && time.Now().Before(deadline); {
		select {
		case err := <-published:
			t.Fatalf("the publisher did not wait: %v", err)
		case <-time.After(time.Millisecond):
		}
		if waits, err = two.WaitedFor(t.Context(), workspace); err != nil {
			t.Fatal(err)
		}
	}
	if !waits {
		t.Error("the publisher does not wait for what is written beside")
	}
	end()
	if err := <-published; err != nil {
		t.Error(err)
	}
	locked(t, two, workspace).Release(t.Context()) // when both have ended
	lock.Release(t.Context())
}

// Installations that share a database, each in a schema of its own, do not wait for each other.
func TestPool_locksOfASchema(t *testing.T) {
	t.Parallel()
	workspace, consumer := uuid.New(), uuid.New()
	pools := []*postgres.Pool{ready(t, sqltest.NewSchema(t, sql.Newest)), ready(t, sqltest.NewSchema(t, sql.Newest))}
	held := make(chan struct{})
	go pools[0].KeepAlive(t.Context(), consumer, func() { close(held) })
	<-held
	lock := locked(t, pools[0], workspace)
	defer lock.Release(t.Context())
	err := lock.InTx(t.Context(), postgres.ReadCommitted, func(ctx context.Context, tx *postgres.Tx) error {
		if ok, err := tx.TryLock(ctx, "chore"); !ok || err != nil {
			t.Errorf("a chore: %t, %v", ok, err)
		}
		for i, pool := range pools {
			other, ok, err := pool.LockWorkspace(ctx, workspace)
			if ok != (i == 1) || err != nil {
				t.Errorf("schema %d: the workspace is free: %t, %v", i, ok, err)
			}
			if ok {
				other.Release(ctx)
			}
			err = pool.InTx(ctx, postgres.ReadCommitted, func(ctx context.Context, tx *postgres.Tx) error {
				if ok, err := tx.TryLock(ctx, "chore"); ok != (i == 1) || err != nil {
					t.Errorf("schema %d: the chore is free: %t, %v", i, ok, err)
				}
				return nil
			})
			if err != nil {
				return err
			}
			if dead, err := pool.Dead(ctx, []uuid.UUID{consumer}); len(dead) != i || err != nil {
				t.Errorf("schema %d: %d consumers are dead, %v", i, len(dead), err)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// Nothing is written beside a lock that is lost, whether another has it or nobody; what failed
// leaves no lock behind.
func TestWorkspaceLock_besideNothing(t *testing.T) {
	t.Parallel()
	schema, workspace := sqltest.NewSchema(t, sql.Newest), uuid.New()
	one, two := ready(t, schema), ready(t, schema)
	lock := locked(t, one, workspace)
	_ = lock.InTx(t.Context(), postgres.RepeatableRead, func(ctx context.Context, tx *postgres.Tx) error {
		if err := cut(ctx, t, schema, tx); err != nil {
			t.Error(err)
		}
		if _, err := lock.Beside(ctx, tx, one); err == nil {
			t.Error("something may be written beside a lock that is lost")
		}
		return nil
	})
	other := locked(t, two, workspace)
	err := other.InTx(t.Context(), postgres.RepeatableRead, func(ctx context.Context, tx *postgres.Tx) error {
		end, err := other.Beside(ctx, tx, two)
		if err != nil {
			return err
		}
		defer end()
		if _, err := other.Beside(ctx, tx, one); !errors.Is(err, postgres.ErrUnavailable) {
			t.Errorf("two write beside one lock: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	other.Release(t.Context())
	lock.Release(t.Context())
}
