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
insert into policy (workspace_id, version, document, identity_version, reference_version, state, kind, check_only, build_total, created_at, created_by, published_at)
values (@workspace_id, @version, @document, @identity_version, @reference_version, @state, @kind, @check_only, @build_total, @created_at, @created_by, sqlc.narg(published_at));

-- Every version with the number of rows in which it differed from the one before it;
-- null: it was not compared.
-- name: PolicyVersions :many
select sqlc.embed(p), c.differences
from policy p
left join comparison c on c.workspace_id = p.workspace_id and c.version = p.version
where p.workspace_id = @workspace_id
order by p.version desc;

-- Ends a version's time: superseded or discarded.
-- name: PolicyRetire :exec
update policy set state = @state, superseded_at = @at, replaced_by = sqlc.narg(replaced_by)
where workspace_id = @workspace_id and version = @version;

-- Brings a version that was built into force.
-- name: PolicyBring :exec
update policy set state = 'live', published_at = @at
where workspace_id = @workspace_id and version = @version and state = 'building';

-- The version that says what a discarded one said, however often it was replaced. The
-- version itself when nothing took its place.
-- name: PolicyHeir :one
with recursive heir as (
  select p.version, p.replaced_by from policy p where p.workspace_id = @workspace_id and p.version = @version
  union all
  select p.version, p.replaced_by from policy p join heir h on p.version = h.replaced_by where p.workspace_id = @workspace_id
)
select h.version::int as version from heir h where h.replaced_by is null;

-- What a build has to walk, and whether anything waits to be derived. Not under the
-- consumers' control: they take no lock. A fact stored after this ran leaves a row
-- of touched behind, which is derived under whatever policy is in force by then.
-- name: PolicyWork :one
select
  (select count(*) from fact f where f.workspace_id = @workspace_id) as facts,
  (exists (select from touched t where t.workspace_id = @workspace_id))::boolean as touched;
