-- name: WorkspaceInsert :exec
insert into workspace (workspace_id, name, currency, timezone, country, demo, created_at)
values (@workspace_id, @name, @currency, @timezone, sqlc.narg(country), @demo, @created_at);

-- name: WorkspaceGet :one
select workspace_id, name, currency, timezone, country, demo, created_at
from workspace
where workspace_id = @workspace_id;

-- name: WorkspaceIDs :many
select workspace_id from workspace order by workspace_id;

-- Waits for the batches that are being stored and keeps new ones out, so that none
-- leaves rows behind.
-- name: WorkspaceClose :exec
select 1 from workspace where workspace_id = @workspace_id for update;

-- The rows of one workspace, what refers to others first. Whoever calls these holds
-- the workspace's lock, so that derive writes none of them meanwhile.

-- name: WorkspaceCountErased :exec
-- Comes first. The receipts of these hits stay: that there were so many has to stay too.
insert into ledger_erased (shard, hits)
select t.shard, sum(t.hits)::bigint
from (
  select l.shard, l.stored + l.duplicate + l.conflict + l.rejected as hits from ledger l where l.workspace_id = @workspace_id
  union all
  select b.shard, b.stored + b.duplicate + b.conflict + b.rejected from ledger_batch b where b.workspace_id = @workspace_id
  union all
  select d.shard, 1 from touched d where d.workspace_id = @workspace_id
) t
group by t.shard
order by t.shard
on conflict (shard) do update set hits = ledger_erased.hits + excluded.hits;

-- name: WorkspaceDeleteTouched :exec
delete from touched where workspace_id = @workspace_id;

-- name: WorkspaceDeleteCredit :exec
delete from credit where workspace_id = @workspace_id;

-- name: WorkspaceDeleteConversion :exec
delete from conversion where workspace_id = @workspace_id;

-- name: WorkspaceDeleteMessage :exec
delete from message where workspace_id = @workspace_id;

-- name: WorkspaceDeleteRollupCredit :exec
delete from rollup_credit where workspace_id = @workspace_id;

-- name: WorkspaceDeleteRollupMessage :exec
delete from rollup_message where workspace_id = @workspace_id;

-- name: WorkspaceDeleteLink :exec
delete from link where workspace_id = @workspace_id;

-- name: WorkspaceDeletePerson :exec
delete from identifier_person where workspace_id = @workspace_id;

-- name: WorkspaceDeleteClaim :exec
delete from claim where workspace_id = @workspace_id;

-- name: WorkspaceDeleteIdentifier :exec
delete from identifier where workspace_id = @workspace_id;

-- name: WorkspaceDeleteRef :exec
delete from fact_ref where workspace_id = @workspace_id;

-- name: WorkspaceDeleteConflict :exec
delete from fact_conflict where workspace_id = @workspace_id;

-- name: WorkspaceDeleteFact :exec
delete from fact where workspace_id = @workspace_id;

-- name: WorkspaceDeleteQuarantine :exec
delete from quarantine where workspace_id = @workspace_id;

-- name: WorkspaceDeleteLedgerBatch :exec
delete from ledger_batch where workspace_id = @workspace_id;

-- name: WorkspaceDeleteLedger :exec
delete from ledger where workspace_id = @workspace_id;

-- name: WorkspaceDeleteComparison :exec
delete from comparison where workspace_id = @workspace_id;

-- name: WorkspaceDeletePolicy :exec
delete from policy where workspace_id = @workspace_id;

-- name: WorkspaceDeleteSource :exec
delete from source where workspace_id = @workspace_id;

-- name: WorkspaceDelete :exec
delete from workspace where workspace_id = @workspace_id;
