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
  returning b.workspace_id, b.source_id, b.hour, b.stored, b.duplicate, b.conflict, b.rejected
)
insert into ledger (workspace_id, source_id, hour, stored, duplicate, conflict, rejected)
select workspace_id, source_id, hour, sum(stored)::bigint, sum(duplicate)::bigint, sum(conflict)::bigint, sum(rejected)::bigint
from gone
group by workspace_id, source_id, hour
order by workspace_id, source_id, hour
on conflict (workspace_id, source_id, hour) do update
set stored = ledger.stored + excluded.stored, duplicate = ledger.duplicate + excluded.duplicate,
  conflict = ledger.conflict + excluded.conflict, rejected = ledger.rejected + excluded.rejected;

-- name: LedgerBatchAdopt :exec
-- A consumer's batches go on under a new name, their numbers less those that are gone.
update ledger_batch set consumer = @fresh, batch = batch - @gone::bigint
where consumer = @consumer and shard = @shard and batch > @gone::bigint;
