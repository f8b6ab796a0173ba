-- What derive reads: the facts that bear on a change.

-- One plan for whatever is asked for. A plan for these very references and this version
-- takes long to make, and of a version that is being built the planner knows nothing: it
-- believes that there are no rows and reads all of them to find a few. And none that reads a
-- table from end to end, or all of a version by another index to put it in order: a table that
-- was small when it was planned for does not stay so, and its plan is kept. What has to sort all
-- the same looks enormously dear, which would have it compiled.
-- name: DerivePlan :exec
select set_config('plan_cache_mode', 'force_generic_plan', true), set_config('enable_seqscan', 'off', true), set_config('enable_sort', 'off', true),
  set_config('jit', 'off', true);

-- To compare two versions all of both is read.
-- name: DeriveSwapPlan :exec
select set_config('enable_seqscan', 'on', true), set_config('enable_sort', 'on', true);

-- The transaction is not waited for: what the server loses when it dies is done again. One
-- that is waited for, later, makes it last.
-- name: DeriveLoose :exec
select set_config('synchronous_commit', 'off', true);

-- Workspaces with something to conclude. A loose index scan: it costs one probe a
-- workspace, however long the backlog of one of them is. From the end of the queue, as rows at
-- its beginning are dead and not yet vacuumed.
-- name: DeriveWorkspaces :many
with recursive waiting as (
  (select t.workspace_id from touched t order by t.workspace_id desc, t.seq desc limit 1)
  union all
  select (select t.workspace_id from touched t where t.workspace_id < w.workspace_id order by t.workspace_id desc, t.seq desc limit 1)
  from waiting w
  where w.workspace_id is not null
)
select w.workspace_id::uuid as workspace_id from waiting w where w.workspace_id is not null
union
select p.workspace_id from policy p where p.state = 'building';

-- name: DeriveTouchedList :many
select seq, fact_id, old_refs, new_refs, source_id, hour, term, consumer, shard, batch
from touched
where workspace_id = @workspace_id
order by seq
limit @most;

-- Hashed: see ReachPending.
-- name: DeriveTouchedBehind :many
select t.seq, t.fact_id, t.old_refs, t.new_refs, t.source_id, t.hour, t.term, t.consumer, t.shard, t.batch
from (
  select x.seq, x.fact_id, x.old_refs, x.new_refs, x.source_id, x.hour, x.term, x.consumer, x.shard, x.batch
  from touched x
  where x.workspace_id = @workspace_id and x.seq > @place
  order by x.seq limit @most
) as t
where (t.fact_id in (select unnest(@fact_ids::uuid[]))) is true;

-- Exactly the rows read: sequences commit out of order, so "up to the last one"
-- would lose some.
-- name: DeriveTouchedDelete :execrows
delete from touched
where workspace_id = @workspace_id and seq between (select min(x) from unnest(@seqs::bigint[]) as x) and (select max(x) from unnest(@seqs::bigint[]) as x)
  and (seq in (select unnest(@seqs::bigint[]))) is true;

-- name: DeriveTermAdd :exec
insert into ledger_batch (workspace_id, consumer, shard, batch, source_id, hour, stored, duplicate, conflict)
select @workspace_id, x.consumer, x.shard, x.batch, x.source_id, x.hour, x.stored, x.duplicate, x.conflict
from (
  select unnest(@consumers::uuid[]) as consumer, unnest(@shards::int[]) as shard, unnest(@batches::bigint[]) as batch,
         unnest(@source_ids::uuid[]) as source_id, unnest(@hours::timestamptz[]) as hour,
         unnest(@stored::bigint[]) as stored, unnest(@duplicate::bigint[]) as duplicate, unnest(@conflict::bigint[]) as conflict
) as x
order by 2, 3, 4, 5, 6
on conflict (workspace_id, consumer, shard, batch, source_id, hour) do update
set stored = ledger_batch.stored + excluded.stored,
    duplicate = ledger_batch.duplicate + excluded.duplicate,
    conflict = ledger_batch.conflict + excluded.conflict;

-- One after the other, whatever the planner believes of the array: see queries/reach.sql.
-- name: DeriveFactsByRef :many
select distinct r.fact_id
from (select unnest(@refs::uuid[]) as value) as w
cross join lateral (
  select f.fact_id from fact_ref f
  where f.workspace_id = @workspace_id and f.value between w.value and w.value
  order by f.value
) as r;

-- name: DeriveRefsByFact :many
select distinct r.value
from (select unnest(@fact_ids::uuid[]) as fact_id) as w
cross join lateral (
  select f.value from fact_ref f
  where f.workspace_id = @workspace_id and f.fact_id between w.fact_id and w.fact_id
  order by f.fact_id
) as r;

-- name: DeriveFactWalk :many
select fact_id from fact where workspace_id = @workspace_id and fact_id > @after order by fact_id limit @most;

-- What a version holds nothing of.
-- name: DeriveFresh :one
select
  (not exists (select from conversion c where c.workspace_id = @workspace_id::uuid and c.version = @version::int)
   and not exists (select from message m where m.workspace_id = @workspace_id::uuid and m.version = @version::int))::boolean as rows,
  (not exists (select from identifier_person p where p.workspace_id = @workspace_id::uuid and p.identity_version = @identity_version::int)
   and not exists (select from link l where l.workspace_id = @workspace_id::uuid and l.identity_version = @identity_version::int)
   and not exists (select from claim c where c.workspace_id = @workspace_id::uuid and c.identity_version = @identity_version::int))::boolean as persons;

-- name: DeriveFactCount :one
select count(*) from fact where workspace_id = @workspace_id;

-- name: DeriveWorkspace :one
select currency from workspace where workspace_id = @workspace_id;

-- name: DerivePolicies :many
select version, document, identity_version, state, build_total, build_done, build_cursor, build_leader,
       coalesce(extract(epoch from clock_timestamp() - build_led_at) * 1000, 0)::bigint as build_idle_ms
from policy
where workspace_id = @workspace_id and state in ('live', 'building')
order by version;

-- name: DeriveBuildStart :exec
update policy set build_total = @build_total where workspace_id = @workspace_id and version = @version;

-- name: DeriveBuildLead :exec
update policy set build_leader = @leader, build_led_at = clock_timestamp() where workspace_id = @workspace_id and version = @version;

-- name: DeriveBuildProgress :exec
update policy set build_done = build_done + @walked, build_cursor = @build_cursor
where workspace_id = @workspace_id and version = @version;

-- Identifiers that the block lists name: nothing is found through them.
-- name: DeriveBlocked :many
select r.digest
from (select unnest(@folded::uuid[]) as folded) as w
cross join lateral (
  select i.digest from identifier i
  where i.workspace_id = @workspace_id and i.folded between w.folded and w.folded
  order by i.folded
) as r;
