-- name: ConversionListByAnchor :many
select definition, conversion_id, revision, event_at, currency, models, hash, anchor, person_id, refund
from conversion
where workspace_id = @workspace_id and version = @version and anchor = any(@anchors::uuid[]) and superseded_at is null;

-- name: ConversionRevisions :many
select c.definition, c.conversion_id, max(c.revision)::int as revision
from (select unnest(@definitions::text[]) as definition, unnest(@conversion_ids::text[]) as conversion_id) as k
join conversion c on c.workspace_id = @workspace_id and c.version = @version
  and c.definition = k.definition and c.conversion_id = k.conversion_id
group by c.definition, c.conversion_id;

-- name: ConversionSupersede :exec
update conversion c
set superseded_at = @at
from (select unnest(@definitions::text[]) as definition, unnest(@conversion_ids::text[]) as conversion_id) as k
where c.workspace_id = @workspace_id and c.version = @version and c.definition = k.definition
  and c.conversion_id = k.conversion_id and c.superseded_at is null;
