package postgres_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/touchline/touchline/services/attribution/postgres"
	"github.com/touchline/touchline/services/attribution/postgres/dbsqlc"
	"github.com/touchline/touchline/sql"
	"github.com/touchline/touchline/sql/sqltest"
)

var (
	mine   = uuid.MustParse("11111111-1111-1111-1111-111111111111")
	theirs = uuid.MustParse("22222222-2222-2222-2222-222222222222")
)

func open(t *testing.T, schema *sqltest.Schema, role postgres.Role) *postgres.Pool {
	t.Helper()
	pool, err := postgres.Open(t.Context(), schema.URL, role)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

func addWorkspaces(t *testing.T, schema *sqltest.Schema) {
	t.Helper()
	_, err := schema.Pool(t, "").Exec(t.Context(), `insert into workspace (workspace_id, name, currency, timezone, created_at)
		select unnest($1::uuid[]), 'n', 'NOK', 'UTC', now()`, []uuid.UUID{mine, theirs})
	if err != nil {
		t.Fatal(err)
	}
}

func known(tx *postgres.Tx) ([]uuid.UUID, error) {
	var seen []uuid.UUID
	for _, workspace := range []uuid.UUID{mine, theirs} {
		found, err := tx.WorkspaceGet(context.Background(), workspace)
		switch {
		case err == nil:
			seen = append(seen, found.WorkspaceID)
		case !errors.Is(err, postgres.ErrNotFound) && !errors.Is(err, pgx.ErrNoRows):
			return nil, err
		}
	}
	return seen, nil
}

func TestPool_inWorkspaceSeesOneWorkspace(t *testing.T) {
	t.Parallel()
	schema := sqltest.NewSchema(t, sql.Newest)
	addWorkspaces(t, schema)
	// One connection, so that a setting that outlives its transaction would show.
	address, err := url.Parse(schema.URL)
	if err != nil {
		t.Fatal(err)
	}
	query := address.Query()
	query.Set("pool_max_conns", "1")
	address.RawQuery = query.Encode()
	api, err := postgres.Open(t.Context(), address.String(), postgres.RoleAPI)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(api.Close)

	type run func(context.Context, uuid.UUID, func(context.Context, *postgres.Tx) error) error
	for name, in := range map[string]run{"InWorkspace": api.InWorkspace, "InSnapshot": api.InSnapshot} {
		for _, workspace := range []uuid.UUID{mine, theirs} {
			var seen []uuid.UUID
			err := in(t.Context(), workspace, func(_ context.Context, tx *postgres.Tx) (err error) {
				seen, err = known(tx)
				return err
			})
			if err != nil || len(seen) != 1 || seen[0] != workspace {
				t.Errorf("%s(%s) sees %v, %v", name, workspace, seen, err)
			}
		}
	}
	var seen []uuid.UUID
	err = api.InTx(t.Context(), postgres.ReadCommitted, func(_ context.Context, tx *postgres.Tx) (err error) {
		seen, err = known(tx)
		return err
	})
	if err != nil || len(seen) != 0 {
		t.Errorf("without naming one it sees %v, %v", seen, err)
	}
}

// A role that the login cannot take, or that would see through row-level security,
// must stop the process and not serve.
func TestOpen_refusesWhatWouldNotBeGuarded(t *testing.T) {
	t.Parallel()
	schema := sqltest.NewSchema(t, sql.Newest)
	if pool, err := postgres.Open(t.Context(), schema.URL, "no_such_role"); err == nil {
		pool.Close()
		t.Error("opened in a role that is not there")
	}
	// A server of which touchline_api is the owner of a table: it is not bound there.
	owner := schema.Pool(t, "")
	if _, err := owner.Exec(t.Context(), "alter table fact owner to touchline_api"); err != nil {
		t.Fatal(err)
	}
	pool, err := postgres.Open(t.Context(), schema.URL, postgres.RoleAPI)
	if !errors.Is(err, postgres.ErrUnguarded) {
		t.Errorf("got %v, want ErrUnguarded", err)
	}
	if err == nil {
		pool.Close()
	}
}

func TestOpen_unreachable(t *testing.T) {
	t.Parallel()
	_, err := postgres.Open(t.Context(), "postgres://nobody:hunter2@127.0.0.1:1/none", postgres.RoleWorker)
	if !errors.Is(err, postgres.ErrUnavailable) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the error shows the password: %v", err)
	}
}

// Two transactions that write what the other read: both succeed, one after the other.
func TestPool_inTxRetriesSerializationFailures(t *testing.T) {
	t.Parallel()
	schema := sqltest.NewSchema(t, sql.Newest)
	addWorkspaces(t, schema)
	worker := open(t, schema, postgres.RoleWorker)
	var runs atomic.Int32
	meet := make(chan struct{})
	work := func(ctx context.Context, tx *postgres.Tx) error {
		if _, err := known(tx); err != nil { // takes the snapshot
			return err
		}
		if n := runs.Add(1); n == 2 {
			close(meet)
		}
		<-meet
		return tx.LedgerBatchAdd(ctx, oneTerm())
	}
	failed := make(chan error, 2)
	for range 2 {
		go func() { failed <- worker.InTx(context.Background(), postgres.RepeatableRead, work) }()
	}
	for range 2 {
		if err := <-failed; err != nil {
			t.Errorf("transaction: %v", err)
		}
	}
	if n := runs.Load(); n < 3 {
		t.Errorf("ran %d times: the test provoked no conflict", n)
	}
	var stored int64
	if err := schema.Pool(t, "touchline_worker").QueryRow(t.Context(), "select stored from ledger_batch").Scan(&stored); err != nil || stored != 2 {
		t.Errorf("stored %d, %v; want both", stored, err)
	}
}

func oneTerm() dbsqlc.LedgerBatchAddParams {
	return dbsqlc.LedgerBatchAddParams{
		WorkspaceIds: []uuid.UUID{mine}, Consumers: []uuid.UUID{mine}, Shards: []int32{0}, Batches: []int64{1}, SourceIds: []uuid.UUID{mine},
		Hours:  []time.Time{time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)},
		Stored: []int64{1}, Duplicate: []int64{0}, Conflict: []int64{0}, Rejected: []int64{0},
	}
}

func TestPool_lockWorkspaceHasOneHolder(t *testing.T) {
	t.Parallel()
	schema := sqltest.NewSchema(t, sql.Newest)
	one, two := open(t, schema, postgres.RoleWorker), open(t, schema, postgres.RoleWorker)
	workspace, another := uuid.New(), uuid.New()
	lock, ok, err := one.LockWorkspace(t.Context(), workspace)
	if err != nil || !ok {
		t.Fatalf("first: %t, %v", ok, err)
	}
	if _, ok, err := two.LockWorkspace(t.Context(), workspace); ok || err != nil {
		t.Errorf("second holder: %t, %v", ok, err)
	}
	other, ok, err := two.LockWorkspace(t.Context(), another)
	if !ok || err != nil {
		t.Fatalf("another workspace: %t, %v", ok, err)
	}
	other.Release(t.Context())

	// A publisher waits for the holder.
	published := make(chan error, 1)
	go func() {
		published <- two.InTx(context.Background(), postgres.ReadCommitted, func(ctx context.Context, tx *postgres.Tx) error {
			return tx.LockWorkspace(ctx, workspace)
		})
	}()
	if err := lock.InTx(t.Context(), postgres.RepeatableRead, func(context.Context, *postgres.Tx) error { return nil }); err != nil {
		t.Errorf("on the lock's connection: %v", err)
	}
	select {
	case err := <-published:
		t.Errorf("the publisher did not wait: %v", err)
	default:
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	lock.Release(ended)
	if err := <-published; err != nil {
		t.Errorf("publisher: %v", err)
	}
	again, ok, err := two.LockWorkspace(t.Context(), workspace)
	if !ok || err != nil {
		t.Fatalf("after the release: %t, %v", ok, err)
	}
	again.Release(t.Context())
}

func TestPool_errorsAreOurs(t *testing.T) {
	t.Parallel()
	schema := sqltest.NewSchema(t, sql.Newest)
	addWorkspaces(t, schema)
	worker := open(t, schema, postgres.RoleWorker)
	err := worker.InTx(t.Context(), postgres.ReadCommitted, func(ctx context.Context, tx *postgres.Tx) error {
		term := oneTerm()
		term.Stored = []int64{1 << 62} // twice that does not fit
		if err := tx.LedgerBatchAdd(ctx, term); err != nil {
			return err
		}
		return tx.LedgerBatchAdd(ctx, term)
	})
	var refused *postgres.RefusedError
	if !errors.Is(err, postgres.ErrRefused) || !errors.As(err, &refused) || refused.State != "22003" {
		t.Errorf("got %v, want ErrRefused of 22003", err)
	}
	sentinel := errors.New("mine")
	if err := worker.InTx(t.Context(), postgres.ReadCommitted, func(context.Context, *postgres.Tx) error { return sentinel }); !errors.Is(err, sentinel) {
		t.Errorf("got %v, want the function's own error", err)
	}
	closed := open(t, schema, postgres.RoleWorker)
	closed.Close()
	if err := closed.InTx(t.Context(), postgres.ReadCommitted, func(context.Context, *postgres.Tx) error { return nil }); err == nil {
		t.Error("a closed pool works")
	}
}
