-- The credits of current conversions, to take back what they added to the rollups.
-- name: CreditList :many
select k.definition, k.conversion_id, k.rank, k.channel, k.tier, k.template_name, k.template_language, k.campaign, k.variant,
       k.weights, k.credited::text[] as credited
from (select unnest(@definitions::text[]) as definition, unnest(@conversion_ids::text[]) as conversion_id, unnest(@revisions::int[]) as revision) as w
join credit k on k.workspace_id = @workspace_id and k.version = @version and k.definition = w.definition
  and k.conversion_id = w.conversion_id and k.revision = w.revision;

-- Empty text stands for null, the first instant of the year 1 for an unknown time,
-- and weights and credited are array literals.
-- name: CreditInsert :exec
insert into credit (
  workspace_id, version, definition, conversion_id, revision, rank, channel, touch_key, tier, touch_at, window_seconds, lag_us,
  message_channel, message_id, template_name, template_language, campaign, variant, weights, credited)
select
  @workspace_id, @version, x.definition, x.conversion_id, x.revision, x.rank, x.channel, x.touch_key, nullif(x.tier, ''),
  nullif(x.touch_at, '0001-01-01T00:00:00Z'), nullif(x.window_seconds, -1), nullif(x.lag_us, -1),
  nullif(x.message_channel, ''), nullif(x.message_id, ''), nullif(x.template_name, ''), nullif(x.template_language, ''),
  nullif(x.campaign, ''), nullif(x.variant, ''), x.weights::bigint[], nullif(x.credited, '')::numeric[]
from (
  select unnest(@definitions::text[]) as definition, unnest(@conversion_ids::text[]) as conversion_id,
         unnest(@revisions::int[]) as revision, unnest(@ranks::int[]) as rank,
         unnest(@channels::text[]) as channel, unnest(@touch_keys::text[]) as touch_key, unnest(@tiers::text[]) as tier,
         unnest(@touch_ats::timestamptz[]) as touch_at, unnest(@windows::bigint[]) as window_seconds, unnest(@lags::bigint[]) as lag_us,
         unnest(@message_channels::text[]) as message_channel, unnest(@message_ids::text[]) as message_id,
         unnest(@template_names::text[]) as template_name, unnest(@template_languages::text[]) as template_language,
         unnest(@campaigns::text[]) as campaign, unnest(@variants::text[]) as variant,
         unnest(@weights::text[]) as weights, unnest(@credited::text[]) as credited
) as x;
