-- What the check of the books compares.

-- name: AuditTerms :many
-- The terms of the books by source, of exactly the batches that Redis had settled when
-- its side was read. Of all workspaces.
with settled as (
  select unnest(@consumers::uuid[]) as consumer, unnest(@shards::int[]) as shard, unnest(@batches::bigint[]) as batch
), terms as (
  select l.workspace_id, l.source_id, l.stored, l.duplicate, l.conflict, l.rejected, 0::bigint as waiting
  from ledger l
  union all
  select b.workspace_id, b.source_id, b.stored, b.duplicate, b.conflict, b.rejected, 0
  from ledger_batch b
  join settled s on s.consumer = b.consumer and s.shard = b.shard and b.batch <= s.batch
  union all
  select t.workspace_id, t.source_id, 0, 0, 0, 0, 1
  from touched t
  join settled s on s.consumer = t.consumer and s.shard = t.shard and t.batch <= s.batch
)
select workspace_id, source_id, sum(stored)::bigint as stored, sum(duplicate)::bigint as duplicate, sum(conflict)::bigint as conflict,
       sum(rejected)::bigint as rejected, sum(waiting)::bigint as waiting
from terms
group by workspace_id, source_id
order by workspace_id, source_id;

-- name: AuditUnknown :many
-- Of the workspaces given those that are not there.
select n.workspace_id::uuid as workspace_id
from (select unnest(@workspaces::uuid[]) as workspace_id) n
where not exists (select from workspace w where w.workspace_id = n.workspace_id);

-- name: AuditRows :many
-- By workspace: what the terms say is stored and refused, and what is there. One
-- statement, so one instant.
with said as (
  select workspace_id, sum(stored)::bigint as stored, sum(rejected)::bigint as rejected from (
    select workspace_id, stored, rejected from ledger
    union all
    select workspace_id, stored, rejected from ledger_batch
    union all
    select workspace_id, case term when 'stored' then 1 else 0 end, 0 from touched
  ) t group by workspace_id
), there as (
  select workspace_id, sum(facts)::bigint as facts, sum(refused)::bigint as refused from (
    select workspace_id, count(*) as facts, 0::bigint as refused from fact group by workspace_id
    union all
    select workspace_id, 0, count(*) from quarantine where replayed_at is null group by workspace_id
  ) r group by workspace_id
)
select coalesce(s.workspace_id, t.workspace_id)::uuid as workspace_id, coalesce(s.stored, 0)::bigint as stored, coalesce(t.facts, 0)::bigint as facts,
       coalesce(s.rejected, 0)::bigint as rejected, coalesce(t.refused, 0)::bigint as refused
from said s
full join there t on t.workspace_id = s.workspace_id
order by 1;

-- name: AuditReceipts :many
-- By shard: how many receipts are stored, and of how many hits the terms tell, those of
-- erased workspaces included.
with receipts as (
  select shard, sum((upper(r) - lower(r)))::bigint as hits from receipt, unnest(seen) r group by shard
), terms as (
  select shard, sum(hits)::bigint as hits from (
    select shard, stored + duplicate + conflict + rejected as hits from ledger
    union all
    select shard, stored + duplicate + conflict + rejected from ledger_batch
    union all
    select shard, 1 from touched
    union all
    select shard, hits from ledger_erased
  ) t group by shard
)
select coalesce(r.shard, t.shard)::int as shard, coalesce(r.hits, 0)::bigint as receipts, coalesce(t.hits, 0)::bigint as terms
from receipts r
full join terms t on t.shard = r.shard
order by 1;

-- name: AuditUnsettled :one
-- Batches that were committed before the given time and are not settled.
select count(*) as batches from batch where committed_at < @before;

-- name: AuditWrittenOff :one
-- Batches of a shard that write hits off and are not settled.
select count(*) as batches from batch b where b.shard = @shard and @lost::text = any (b.entries);

-- name: AuditUncounted :exec
-- Receipts that are known from now on and of whose hits no term tells.
insert into ledger_erased (shard, hits)
values (@shard, @hits)
on conflict (shard) do update set hits = ledger_erased.hits + excluded.hits;
