-- name: LockTry :one
-- Held until the transaction ends.
select pg_try_advisory_xact_lock(@key::bigint) as held;

-- name: LockWait :exec
-- Held until the transaction ends.
select pg_advisory_xact_lock(@key::bigint);

-- name: LockTryShared :one
-- Several may hold it at once, but none beside one who has it alone. Held until the
-- transaction ends.
select pg_try_advisory_xact_lock_shared(@key::bigint) as held;
