-- The credits of current conversions, to take back what they added to the rollups.
-- name: CreditList :many
select k.definition, k.conversion_id, k.rank, k.channel, k.tier, k.template_name, k.template_language, k.campaign, k.variant,
       k.weights, k.credited::text[] as credited
from (select unnest(@definitions::text[]) as definition, unnest(@conversion_ids::text[]) as conversion_id, unnest(@revisions::int[]) as revision) as w
join credit k on k.workspace_id = @workspace_id and k.version = @version and k.definition = w.definition
  and k.conversion_id = w.conversion_id and k.revision = w.revision;
