-- name: QuarantineInsert :exec
-- A receipt is quarantined once.
insert into quarantine (workspace_id, quarantine_id, source_id, epoch, shard, number, reason, detail, raw, hit, received_at, created_at)
select unnest(@workspace_ids::uuid[]), unnest(@quarantine_ids::uuid[]), unnest(@source_ids::uuid[]), unnest(@epochs::uuid[]),
  unnest(@shards::int[]), unnest(@numbers::bigint[]), unnest(@reasons::text[]), unnest(@details::text[]), unnest(@raws::bytea[]), unnest(@hits::boolean[]),
  unnest(@received_ats::timestamptz[]), now()
on conflict (workspace_id, epoch, shard, number) do nothing;
