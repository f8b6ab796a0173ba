-- name: PolicyLive :one
select policy.*
from policy
where workspace_id = @workspace_id and state = 'live';

-- name: PolicyGet :one
select policy.*
from policy
where workspace_id = @workspace_id and version = @version;

-- name: PolicyList :many
select policy.*
from policy
where workspace_id = @workspace_id
order by version desc;

-- name: PolicyInsert :exec
insert into policy (workspace_id, version, document, identity_version, reference_version, state, build_total, created_at, created_by, published_at)
values (@workspace_id, @version, @document, @identity_version, @reference_version, @state, @build_total, @created_at, @created_by, sqlc.narg(published_at));

-- name: PolicySupersede :exec
update policy set state = 'superseded', superseded_at = @at
where workspace_id = @workspace_id and state = @state;

-- What a build has to walk, and whether anything waits to be derived. Not under the
-- consumers' control: they take no lock. A fact stored after this ran leaves a row
-- of touched behind, which is derived under whatever policy is in force by then.
-- name: PolicyWork :one
select
  (select count(*) from fact f where f.workspace_id = @workspace_id) as facts,
  (exists (select from touched t where t.workspace_id = @workspace_id))::boolean as touched;

-- A build that is given up leaves no rows behind; nobody has seen them.
-- name: PolicyDropCredits :exec
delete from credit where workspace_id = @workspace_id and version = @version;

-- name: PolicyDropConversions :exec
delete from conversion where workspace_id = @workspace_id and version = @version;

-- name: PolicyDropMessages :exec
delete from message where workspace_id = @workspace_id and version = @version;

-- name: PolicyDropRollupCredits :exec
delete from rollup_credit where workspace_id = @workspace_id and version = @version;

-- name: PolicyDropRollupMessages :exec
delete from rollup_message where workspace_id = @workspace_id and version = @version;

-- name: PolicyDropLinks :exec
delete from link where workspace_id = @workspace_id and identity_version = @identity_version;

-- name: PolicyDropPersons :exec
delete from identifier_person where workspace_id = @workspace_id and identity_version = @identity_version;

-- name: PolicyDropClaims :exec
delete from claim where workspace_id = @workspace_id and identity_version = @identity_version;
