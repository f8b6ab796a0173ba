-- Locks are the schema's: installations that share a database do not wait for each other.

-- name: LockTry :one
-- Held until the transaction ends.
select pg_try_advisory_xact_lock(hashtextextended(current_schema(), @key::bigint)) as held;

-- name: LockWait :exec
-- Held until the transaction ends.
select pg_advisory_xact_lock(hashtextextended(current_schema(), @key::bigint));

-- name: LockTryShared :one
-- Several may hold it at once, but none beside one who has it alone. Held until the
-- transaction ends.
select pg_try_advisory_xact_lock_shared(hashtextextended(current_schema(), @key::bigint)) as held;
