-- name: LockTry :one
-- Held until the transaction ends.
select pg_try_advisory_xact_lock(@key::bigint) as held;

-- name: LockWait :exec
-- Held until the transaction ends.
select pg_advisory_xact_lock(@key::bigint);
