-- The credits of current conversions, to take back what they added to the rollups.
-- name: CreditList :many
select k.definition, k.conversion_id, k.rank, k.channel, k.tier, k.template_name, k.template_language, k.campaign, k.variant,
       k.weights, k.credited::text[] as credited
from (select unnest(@definitions::text[]) as definition, unnest(@conversion_ids::text[]) as conversion_id, unnest(@revisions::int[]) as revision) as w
cross join lateral (
  select x.definition, x.conversion_id, x.rank, x.channel, x.tier, x.template_name, x.template_language, x.campaign, x.variant, x.weights, x.credited
  from credit x
  where x.workspace_id = @workspace_id and x.version = @version and x.definition = w.definition
    and x.conversion_id = w.conversion_id and x.revision between w.revision and w.revision
  order by x.revision, x.rank
) as k;
