-- name: SourceInsert :exec
insert into source (workspace_id, source_id, kind, name, country, write_key, config, created_at)
values (@workspace_id, @source_id, @kind, @name, sqlc.narg(country), @write_key, @config, @created_at);

-- name: SourceList :many
select source_id, kind, name, country, write_key, config, created_at, disabled_at
from source
where workspace_id = @workspace_id
order by created_at, source_id;

-- Every source of every workspace with the country its national phone numbers are
-- read in. For the worker, which publishes all of them at its start.
-- name: SourceListAll :many
select s.workspace_id, s.source_id, s.kind, s.name, coalesce(s.country, w.country, '')::text as country, s.write_key, s.config,
       (s.disabled_at is not null)::boolean as disabled
from source s
join workspace w using (workspace_id)
order by s.workspace_id, s.source_id;
