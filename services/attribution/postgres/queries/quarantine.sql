-- name: QuarantineInsert :exec
-- A receipt is quarantined once.
insert into quarantine (workspace_id, quarantine_id, source_id, epoch, shard, number, reason, detail, raw, hit, received_at, created_at)
select unnest(@workspace_ids::uuid[]), unnest(@quarantine_ids::uuid[]), unnest(@source_ids::uuid[]), unnest(@epochs::uuid[]),
  unnest(@shards::int[]), unnest(@numbers::bigint[]), unnest(@reasons::text[]), unnest(@details::text[]), unnest(@raws::bytea[]), unnest(@hits::boolean[]),
  unnest(@received_ats::timestamptz[]), now()
on conflict (workspace_id, epoch, shard, number) do nothing;

-- name: QuarantineFind :many
-- What is in quarantine, newest first. state: waiting, asked, replayed or dropped.
select q.quarantine_id, q.source_id, q.epoch, q.shard, q.number, q.reason, q.detail, q.tries, q.received_at, q.replayed_at, q.dropped_at,
  coalesce(q.outcome, '')::text as outcome, length(q.raw)::bigint as kept, q.hit,
  (case when q.replayed_at is not null then 'replayed' when q.dropped_at is not null then 'dropped' when q.asked_at is not null then 'asked' else 'waiting' end)::text as state
from quarantine q
where q.workspace_id = @workspace_id
  and (cardinality(@ids::uuid[]) = 0 or q.quarantine_id = any (@ids::uuid[]))
  and (sqlc.narg(reason)::text is null or q.reason = sqlc.narg(reason))
  and (sqlc.narg(source_id)::uuid is null or q.source_id = sqlc.narg(source_id))
  and (sqlc.narg(from_at)::timestamptz is null or q.received_at >= sqlc.narg(from_at))
  and (sqlc.narg(to_at)::timestamptz is null or q.received_at < sqlc.narg(to_at))
order by q.received_at desc, q.quarantine_id
limit @most;

-- name: QuarantineRaw :one
-- What was kept, sealed.
select raw from quarantine where workspace_id = @workspace_id and quarantine_id = @quarantine_id;

-- name: QuarantineAsk :execrows
-- Asks for a replay of what can be replayed.
update quarantine q set asked_at = @at::timestamptz, asked_by = @subject::text
where q.workspace_id = @workspace_id and q.hit and length(q.raw) > 0 and q.replayed_at is null and q.dropped_at is null
  and (cardinality(@ids::uuid[]) = 0 or q.quarantine_id = any (@ids::uuid[]))
  and (sqlc.narg(reason)::text is null or q.reason = sqlc.narg(reason))
  and (sqlc.narg(source_id)::uuid is null or q.source_id = sqlc.narg(source_id))
  and (sqlc.narg(from_at)::timestamptz is null or q.received_at >= sqlc.narg(from_at))
  and (sqlc.narg(to_at)::timestamptz is null or q.received_at < sqlc.narg(to_at));

-- name: QuarantineDrop :execrows
-- Forgets what was kept; it stays counted as rejected.
update quarantine q set raw = '', dropped_at = @at::timestamptz, asked_at = null, asked_by = @subject::text
where q.workspace_id = @workspace_id and q.replayed_at is null and q.dropped_at is null
  and (cardinality(@ids::uuid[]) = 0 or q.quarantine_id = any (@ids::uuid[]))
  and (sqlc.narg(reason)::text is null or q.reason = sqlc.narg(reason))
  and (sqlc.narg(source_id)::uuid is null or q.source_id = sqlc.narg(source_id))
  and (sqlc.narg(from_at)::timestamptz is null or q.received_at >= sqlc.narg(from_at))
  and (sqlc.narg(to_at)::timestamptz is null or q.received_at < sqlc.narg(to_at));

-- name: QuarantineDue :many
-- Replays that were asked for, of one shard: that of the oldest.
select q.workspace_id, q.quarantine_id, q.shard
from quarantine q
where q.asked_at is not null and q.shard = (
  select o.shard from quarantine o where o.asked_at is not null order by o.asked_at, o.workspace_id, o.quarantine_id limit 1)
order by q.asked_at, q.workspace_id, q.quarantine_id
limit @most;

-- name: QuarantineLock :many
-- Those of the rows given whose replay is still due and at which nobody else is.
select q.workspace_id, q.quarantine_id, q.source_id, q.epoch, q.shard, q.number, q.raw, q.received_at
from quarantine q
where (q.workspace_id, q.quarantine_id) in (select unnest(@workspaces::uuid[]), unnest(@ids::uuid[])) and q.asked_at is not null
order by q.workspace_id, q.quarantine_id
for update skip locked;

-- name: QuarantineReplayed :exec
-- They are facts now, so what was kept goes.
update quarantine q set replayed_at = now(), outcome = r.outcome, tries = q.tries + 1, asked_at = null, raw = ''
from (select unnest(@workspaces::uuid[]) as workspace_id, unnest(@ids::uuid[]) as quarantine_id, unnest(@outcomes::text[]) as outcome) r
where q.workspace_id = r.workspace_id and q.quarantine_id = r.quarantine_id;

-- name: QuarantineFailed :execrows
-- They were tried once more, unless another process said so already.
update quarantine q set tries = q.tries + 1, asked_at = null, reason = r.reason, detail = r.detail
from (select unnest(@workspaces::uuid[]) as workspace_id, unnest(@ids::uuid[]) as quarantine_id,
  unnest(@reasons::text[]) as reason, unnest(@details::text[]) as detail) r
where q.workspace_id = r.workspace_id and q.quarantine_id = r.quarantine_id and q.replayed_at is null and q.asked_at is not null;
