-- name: LedgerBatchAdd :exec
-- Terms of one batch. Adds, because derive moves terms here after consume wrote its own.
insert into ledger_batch (workspace_id, consumer, shard, batch, source_id, hour, stored, duplicate, conflict, rejected)
select unnest(@workspace_ids::uuid[]), unnest(@consumers::uuid[]), unnest(@shards::int[]), unnest(@batches::bigint[]),
  unnest(@source_ids::uuid[]), unnest(@hours::timestamptz[]), unnest(@stored::bigint[]), unnest(@duplicate::bigint[]),
  unnest(@conflict::bigint[]), unnest(@rejected::bigint[])
on conflict (workspace_id, consumer, shard, batch, source_id, hour) do update
set stored = ledger_batch.stored + excluded.stored, duplicate = ledger_batch.duplicate + excluded.duplicate,
  conflict = ledger_batch.conflict + excluded.conflict, rejected = ledger_batch.rejected + excluded.rejected;

-- name: LedgerFold :execrows
-- Moves the terms of batches up to the last settled one of each consumer and shard
-- into the ledger. The caller holds the fold lock.
with settled as (
  select unnest(@consumers::uuid[]) as consumer, unnest(@shards::int[]) as shard, unnest(@batches::bigint[]) as batch
), gone as (
  delete from ledger_batch b using settled s
  where b.consumer = s.consumer and b.shard = s.shard and b.batch <= s.batch
  returning b.workspace_id, b.source_id, b.hour, b.shard, b.stored, b.duplicate, b.conflict, b.rejected
)
insert into ledger (workspace_id, source_id, hour, shard, stored, duplicate, conflict, rejected)
select workspace_id, source_id, hour, shard, sum(stored)::bigint, sum(duplicate)::bigint, sum(conflict)::bigint, sum(rejected)::bigint
from gone
group by workspace_id, source_id, hour, shard
order by workspace_id, source_id, hour, shard
on conflict (workspace_id, source_id, hour, shard) do update
set stored = ledger.stored + excluded.stored, duplicate = ledger.duplicate + excluded.duplicate,
  conflict = ledger.conflict + excluded.conflict, rejected = ledger.rejected + excluded.rejected;

-- name: LedgerBatchAdopt :exec
-- A consumer's batches go on under a new name, their numbers less those that are gone.
update ledger_batch set consumer = @fresh, batch = batch - @gone::bigint
where consumer = @consumer and shard = @shard and batch > @gone::bigint;

-- Keeps batches from being committed until the transaction ends.
-- name: LedgerHold :exec
lock table batch in share mode;

-- How many hits of a shard have been stored or refused so far, by source.
-- name: LedgerSeen :many
select workspace_id, source_id, sum(hits)::bigint as hits
from (
  select l.workspace_id, l.source_id, l.stored + l.duplicate + l.conflict + l.rejected as hits from ledger l where l.shard = @shard
  union all
  select b.workspace_id, b.source_id, b.stored + b.duplicate + b.conflict + b.rejected from ledger_batch b where b.shard = @shard
  union all
  select t.workspace_id, t.source_id, 1 from touched t where t.shard = @shard
) seen
group by workspace_id, source_id
order by workspace_id, source_id;

-- The last committed batch of each consumer of a shard that something still names.
-- name: LedgerCommitted :many
select consumer, max(batch)::bigint as batch
from (
  select b.consumer, b.batch from ledger_batch b where b.shard = @shard
  union all
  select t.consumer, t.batch from touched t where t.shard = @shard
  union all
  select b.consumer, b.batch from batch b where b.shard = @shard
) committed
group by consumer
order by consumer;

-- Of the consumers given those that something still names, in any shard.
-- name: LedgerNamed :many
select c.consumer::uuid as consumer
from (select unnest(@consumers::uuid[]) as consumer) c
where exists (select from ledger_batch b where b.consumer = c.consumer)
  or exists (select from touched t where t.consumer = c.consumer)
  or exists (select from batch b where b.consumer = c.consumer);

-- The last batch of each consumer and shard of which terms tell and whose row is gone:
-- rows go when Redis has settled them. Terms that wait in touched come here when they are derived.
-- name: LedgerSettled :many
select t.consumer, t.shard, max(t.batch)::bigint as batch
from ledger_batch t
where not exists (select from batch b where b.consumer = t.consumer and b.shard = t.shard and b.batch = t.batch)
group by t.consumer, t.shard;
