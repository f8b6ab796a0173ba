-- name: FactInsert :many
-- Rows must come sorted by key. Returned are those that were new.
insert into fact (workspace_id, fact_id, kind, source_id, trust, occurred_at, whole_second, received_at, flags, content, body)
select unnest(@workspace_ids::uuid[]), unnest(@fact_ids::uuid[]), unnest(@kinds::text[]), unnest(@source_ids::uuid[]),
  unnest(@trusts::smallint[]), unnest(@occurred_ats::timestamptz[]), unnest(@whole_seconds::boolean[]),
  unnest(@received_ats::timestamptz[]), string_to_array(unnest(@flags::text[]), ','), unnest(@contents::uuid[]), unnest(@bodies::bytea[])
on conflict do nothing
returning workspace_id, fact_id;

-- name: FactLock :many
select f.workspace_id, f.fact_id, f.kind, f.source_id, f.trust, f.occurred_at, f.whole_second, f.received_at, f.flags, f.content, f.body
from fact f
where (f.workspace_id, f.fact_id) in (select unnest(@workspace_ids::uuid[]), unnest(@fact_ids::uuid[]))
order by f.workspace_id, f.fact_id
for update;

-- name: FactUpdate :exec
-- Only rows that the transaction holds.
update fact f
set source_id = n.source_id, trust = n.trust, occurred_at = n.occurred_at, whole_second = n.whole_second,
  received_at = n.received_at, flags = string_to_array(n.flags, ','), content = n.content, body = n.body
from (
  select unnest(@workspace_ids::uuid[]) as workspace_id, unnest(@fact_ids::uuid[]) as fact_id, unnest(@source_ids::uuid[]) as source_id,
    unnest(@trusts::smallint[]) as trust, unnest(@occurred_ats::timestamptz[]) as occurred_at, unnest(@whole_seconds::boolean[]) as whole_second,
    unnest(@received_ats::timestamptz[]) as received_at, unnest(@flags::text[]) as flags, unnest(@contents::uuid[]) as content,
    unnest(@bodies::bytea[]) as body
) n
where f.workspace_id = n.workspace_id and f.fact_id = n.fact_id;

-- name: FactConflictList :many
select c.workspace_id, c.fact_id, c.content, c.source_id, c.trust, c.occurred_at, c.whole_second, c.received_at
from fact_conflict c
where (c.workspace_id, c.fact_id) in (select unnest(@workspace_ids::uuid[]), unnest(@fact_ids::uuid[]));

-- name: FactConflictDelete :exec
delete from fact_conflict c
where (c.workspace_id, c.fact_id, c.content) in (select unnest(@workspace_ids::uuid[]), unnest(@fact_ids::uuid[]), unnest(@contents::uuid[]));

-- name: FactConflictUpsert :exec
-- The fact's row is held, so nobody else writes its conflicts.
insert into fact_conflict (workspace_id, fact_id, content, body, source_id, trust, occurred_at, whole_second, received_at)
select unnest(@workspace_ids::uuid[]), unnest(@fact_ids::uuid[]), unnest(@contents::uuid[]), unnest(@bodies::bytea[]),
  unnest(@source_ids::uuid[]), unnest(@trusts::smallint[]), unnest(@occurred_ats::timestamptz[]), unnest(@whole_seconds::boolean[]),
  unnest(@received_ats::timestamptz[])
on conflict (workspace_id, fact_id, content) do update
set source_id = excluded.source_id, trust = excluded.trust, occurred_at = excluded.occurred_at,
  whole_second = excluded.whole_second, received_at = excluded.received_at;

-- name: FactRefDelete :many
-- What replaced copies withdraw; the caller writes the new references.
delete from fact_ref r
where (r.workspace_id, r.fact_id) in (select unnest(@workspace_ids::uuid[]), unnest(@fact_ids::uuid[]))
returning r.workspace_id, r.fact_id, r.value;

-- name: FactRefInsert :copyfrom
insert into fact_ref (workspace_id, value, fact_id, kind, at)
values (@workspace_id, @value, @fact_id, @kind, @at);

-- name: WorkspaceHold :many
-- Those that are there, and stay until the transaction ends. One that is being erased
-- counts as gone at once: to wait would keep the other workspaces' hits waiting.
select workspace_id from workspace where workspace_id = any (@workspace_ids::uuid[]) order by workspace_id for key share skip locked;
