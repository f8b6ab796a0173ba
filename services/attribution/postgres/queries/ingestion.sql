-- The terms of the books by source, of exactly the batches that Redis had settled
-- when its side was read: one statement, so one snapshot. A consumer that Redis
-- does not know has settled nothing.
-- name: IngestionTerms :many
with settled as (
  select unnest(@consumers::uuid[]) as consumer, unnest(@shards::int[]) as shard, unnest(@batches::bigint[]) as batch
),
terms as (
  select l.source_id, l.stored, l.duplicate, l.conflict, l.rejected, 0::bigint as waiting
  from ledger l
  where l.workspace_id = @workspace_id
  union all
  select b.source_id, b.stored, b.duplicate, b.conflict, b.rejected, 0
  from ledger_batch b
  join settled s on s.consumer = b.consumer and s.shard = b.shard and b.batch <= s.batch
  where b.workspace_id = @workspace_id
  union all
  select t.source_id, 0, 0, 0, 0, 1
  from touched t
  join settled s on s.consumer = t.consumer and s.shard = t.shard and t.batch <= s.batch
  where t.workspace_id = @workspace_id
)
select source_id, sum(stored)::bigint as stored, sum(duplicate)::bigint as duplicate, sum(conflict)::bigint as conflict,
       sum(rejected)::bigint as rejected, sum(waiting)::bigint as waiting
from terms
group by source_id
order by source_id;

-- The same by hour of receipt, of the hours from one up to another.
-- name: IngestionHours :many
with settled as (
  select unnest(@consumers::uuid[]) as consumer, unnest(@shards::int[]) as shard, unnest(@batches::bigint[]) as batch
),
terms as (
  select l.source_id, l.hour, l.stored, l.duplicate, l.conflict, l.rejected, 0::bigint as waiting
  from ledger l
  where l.workspace_id = @workspace_id and l.hour >= @from_at and l.hour < @to_at
  union all
  select b.source_id, b.hour, b.stored, b.duplicate, b.conflict, b.rejected, 0
  from ledger_batch b
  join settled s on s.consumer = b.consumer and s.shard = b.shard and b.batch <= s.batch
  where b.workspace_id = @workspace_id and b.hour >= @from_at and b.hour < @to_at
  union all
  select t.source_id, t.hour, 0, 0, 0, 0, 1
  from touched t
  join settled s on s.consumer = t.consumer and s.shard = t.shard and t.batch <= s.batch
  where t.workspace_id = @workspace_id and t.hour >= @from_at and t.hour < @to_at
)
select source_id, hour, sum(stored)::bigint as stored, sum(duplicate)::bigint as duplicate, sum(conflict)::bigint as conflict,
       sum(rejected)::bigint as rejected, sum(waiting)::bigint as waiting
from terms
group by source_id, hour
order by hour, source_id;

-- Whose hits Redis may count for a workspace, as far as is known here.
-- name: IngestionSources :many
select s.source_id from source s where s.workspace_id = @workspace_id
union
select b.source_id from ledger_batch b where b.workspace_id = @workspace_id
union
select t.source_id from touched t where t.workspace_id = @workspace_id;

-- Whose batches are not folded yet, so that it matters whether Redis has settled them.
-- name: IngestionConsumers :many
select b.consumer from ledger_batch b where b.workspace_id = @workspace_id
union
select t.consumer from touched t where t.workspace_id = @workspace_id;

-- What a new policy has still to walk. A recompute is none: the version in force is up
-- to date while it is built.
-- name: IngestionBuild :one
select coalesce(sum(greatest(build_total - build_done, 1)), 0)::bigint as rest
from policy
where workspace_id = @workspace_id and state = 'building' and kind = 'policy';
