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

-- Empty text and the nil UUID stand for null; flags and models are array literals,
-- as an array of arrays would have to be rectangular.
-- name: ConversionInsert :exec
insert into conversion (
  workspace_id, version, definition, conversion_id, revision, anchor, event_id, event_name, in_thread, event_at,
  order_id, refund, value, currency, person_id, identified, flags, models, hash, computed_at)
select
  @workspace_id, @version, x.definition, x.conversion_id, x.revision, x.anchor, x.event_id, x.event_name, x.in_thread, x.event_at,
  nullif(x.order_id, ''), x.refund, nullif(x.value, '')::numeric, nullif(x.currency, ''),
  nullif(x.person_id, '00000000-0000-0000-0000-000000000000'::uuid), x.identified, x.flags::text[], @models::text[], x.hash, @computed_at
from (
  select unnest(@definitions::text[]) as definition, unnest(@conversion_ids::text[]) as conversion_id,
         unnest(@revisions::int[]) as revision, unnest(@anchors::uuid[]) as anchor,
         unnest(@event_ids::text[]) as event_id, unnest(@event_names::text[]) as event_name,
         unnest(@in_threads::boolean[]) as in_thread, unnest(@event_ats::timestamptz[]) as event_at,
         unnest(@order_ids::text[]) as order_id, unnest(@refunds::boolean[]) as refund,
         unnest(@amounts::text[]) as value, unnest(@currencies::text[]) as currency,
         unnest(@person_ids::uuid[]) as person_id, unnest(@identifieds::boolean[]) as identified,
         unnest(@flags::text[]) as flags, unnest(@hashes::uuid[]) as hash
) as x;
