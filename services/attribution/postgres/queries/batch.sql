-- name: BatchInsert :execrows
-- No row: this number is committed already (the outcome of an earlier attempt's
-- commit was not known).
insert into batch (consumer, shard, batch, entries, fields, committed_at)
values (@consumer, @shard, @batch, @entries, @fields, clock_timestamp())
on conflict do nothing;

-- name: BatchHeld :many
-- Of the entries given, those that a committed batch is yet to settle.
select held::text as entry
from batch b, unnest(b.entries) held
where b.shard = @shard and b.entries && @entries::text[] and held = any (@entries::text[]);

-- name: BatchUnsettled :many
-- Committed at least the given time ago and still here, in the order in which they
-- must be settled.
select consumer, shard, batch, entries, fields, committed_at
from batch
where committed_at <= now() - make_interval(secs => @older_seconds::float8)
order by consumer, shard, batch
limit @up_to;

-- name: BatchDelete :exec
delete from batch where consumer = @consumer and shard = @shard and batch = @batch;

-- name: BatchAdopt :execrows
-- A consumer's batches go on under a new name, their numbers less those that are gone.
update batch set consumer = @fresh, batch = batch - @gone::bigint
where consumer = @consumer and shard = @shard and batch > @gone::bigint;

-- name: BatchLock :execrows
-- No row: it is settled, or goes by another name.
select from batch where consumer = @consumer and shard = @shard and batch = @batch for update;
