// Package postgres is how the attribution service reaches its database: opening
// with the right role, transactions, locks, and the queries that sqlc makes of the
// files in queries (package dbsqlc). Callers get plain Go types; nobody else
// imports pgx.
package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Role is the database role that a process takes on every connection.
type Role string

// The roles that the migrations make.
const (
	RoleWorker Role = "touchline_worker" // owns the tables, serves every workspace
	RoleAPI    Role = "touchline_api"    // bound by row-level security: one workspace at a time
)

// Pool is a set of connections that all have one role. Safe for concurrent use.
type Pool struct {
	pool *pgxpool.Pool
	role Role
}

// Open connects to databaseURL and takes role on every connection. Parameters of
// the URL that pgxpool knows (pool_max_conns, default_query_exec_mode) apply. It
// fails when the database cannot be reached ([ErrUnavailable]), when the role
// cannot be taken and, for [RoleAPI], when row-level security would not bind
// ([ErrUnguarded]).
//
// Session locks ([Pool.LockWorkspace]) need a URL that does not lead through a
// connection pooler in transaction mode.
func Open(ctx context.Context, databaseURL string, role Role) (*Pool, error) {
	cfg, err := pgxpool.ParseConfig(databaseURL)
	if err != nil {
		return nil, fmt.Errorf("read the database URL: %w", err)
	}
	if cfg.ConnConfig.ConnectTimeout == 0 {
		cfg.ConnConfig.ConnectTimeout = 5 * time.Second
	}
	cfg.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error { return prepare(ctx, conn, role) }
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", interpret(err))
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("open the database as %s: %w", role, interpret(err))
	}
	return &Pool{pool: pool, role: role}, nil
}

// idleInTransaction is after how long the server ends a transaction that is asked nothing,
// unless the server or the URL says otherwise. A process that hangs in one would keep its
// locks for ever: while it holds those of a batch, nobody can store the batch's hits.
const idleInTransaction = "60s"

// Close waits for transactions under way and closes all connections.
func (p *Pool) Close() { p.pool.Close() }

// Ping says whether the database answers.
func (p *Pool) Ping(ctx context.Context) error { return interpret(p.pool.Ping(ctx)) }

// prepare makes a new connection ours: its role, checked, and times in UTC.
func prepare(ctx context.Context, conn *pgx.Conn, role Role) error {
	if _, err := conn.Exec(ctx, "set role "+pgx.Identifier{string(role)}.Sanitize()); err != nil {
		return fmt.Errorf("take role %s: %w", role, err)
	}
	if _, err := conn.Exec(ctx, `select set_config('idle_in_transaction_session_timeout', $1, false)
		where current_setting('idle_in_transaction_session_timeout') = '0'`, idleInTransaction); err != nil {
		return fmt.Errorf("bound idle transactions: %w", err)
	}
	registerUUID(conn.TypeMap())
	registerArrays(conn.TypeMap())
	conn.TypeMap().RegisterType(&pgtype.Type{
		Name: "timestamptz", OID: pgtype.TimestamptzOID, Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC},
	})
	if role != RoleAPI {
		return nil
	}
	var unbound, owner bool
	err := conn.QueryRow(ctx, `select r.rolsuper or r.rolbypassrls,
		exists (select from pg_class c where c.relowner = r.oid and c.relkind = 'r' and c.relnamespace = current_schema()::regnamespace)
		from pg_roles r where r.rolname = current_user`).Scan(&unbound, &owner)
	if err != nil {
		return fmt.Errorf("check that row-level security binds %s: %w", role, err)
	}
	if unbound || owner {
		return ErrUnguarded
	}
	return nil
}
