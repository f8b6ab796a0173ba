-- As the planner sees an empty table, any index does that begins with workspace and
-- version, and what follows is compared row by row with the whole array: a plan that is
-- kept while the table fills, and that costs the square of it. A range of one value and
-- an order leave it one choice, the index on that column. So do all statements of
-- derivations that look many rows up.
-- name: ConversionListByAnchor :many
select r.definition, r.conversion_id, r.revision, r.event_at, r.currency, r.models, r.hash, r.anchor, r.person_id, r.refund
from (select unnest(@anchors::uuid[]) as value) as w
cross join lateral (
  select c.definition, c.conversion_id, c.revision, c.event_at, c.currency, c.models, c.hash, c.anchor, c.person_id, c.refund
  from conversion c
  where c.workspace_id = @workspace_id and c.version = @version and c.anchor between w.value and w.value and c.superseded_at is null
  order by c.anchor
) as r;

-- name: ConversionRevisions :many
select r.definition, r.conversion_id, r.revision
from (select unnest(@definitions::text[]) as definition, unnest(@conversion_ids::text[]) as conversion_id) as k
cross join lateral (
  select c.definition, c.conversion_id, c.revision
  from conversion c
  where c.workspace_id = @workspace_id and c.version = @version and c.definition = k.definition and c.conversion_id = k.conversion_id
  order by c.revision desc limit 1
) as r;

-- name: ConversionSupersede :exec
update conversion c
set superseded_at = @at
where c.ctid = any(array(
  select r.ctid
  from (select unnest(@definitions::text[]) as definition, unnest(@conversion_ids::text[]) as conversion_id) as k
  cross join lateral (
    select x.ctid
    from conversion x
    where x.workspace_id = @workspace_id and x.version = @version and x.definition = k.definition
      and x.conversion_id between k.conversion_id and k.conversion_id and x.superseded_at is null
    order by x.conversion_id
  ) as r
));
