-- What is read to explain one conversion: the facts that can bear on it, as derive
-- would gather them, but never more than a bound.


-- A reference of many facts gives up its first ones only: the caller counts, and stops.
-- name: ExplainFactsByRef :many
select distinct f.fact_id
from unnest(@refs::uuid[]) as r (value)
cross join lateral (
  select x.fact_id from fact_ref x where x.workspace_id = @workspace_id and x.value = r.value limit @most
) as f;

-- The conversions of one instant: for those who know a conversion by its opaque id.
-- name: ExplainConversionsAt :many
select distinct conversion_id, in_thread
from conversion
where workspace_id = @workspace_id and version = @version and event_at = @event_at and superseded_at is null;
