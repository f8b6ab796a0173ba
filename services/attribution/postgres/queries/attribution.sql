-- A page of the attribution table in order of (event_at, definition, conversion_id,
-- model's ordinal, rank), after the given position. The three conditions on the
-- position say the same thing more and more exactly: the first two are on
-- conversion alone, so that its index finds the beginning of the page. Empty text
-- stands for no value.
-- name: AttributionPage :many
select
  c.definition, c.conversion_id, c.event_id, c.event_name, c.in_thread, c.event_at, c.order_id,
  coalesce(c.value::text, '')::text as value, c.currency, c.person_id,
  m.model::text as model, m.ordinal::int as ordinal, k.weights[m.ordinal]::bigint as weight, coalesce((k.credited[m.ordinal])::text, '')::text as credited,
  k.rank, k.channel, k.tier, k.touch_key, k.touch_at, k.window_seconds, k.lag_us,
  k.message_channel, k.message_id, k.template_name, k.template_language, k.campaign, k.variant,
  s.sent_at, s.delivered_at, s.read_at, s.clicked_at, s.replied_at, s.failed_at
from conversion c
join credit k using (workspace_id, version, definition, conversion_id, revision)
cross join lateral unnest(c.models) with ordinality as m (model, ordinal)
left join message s on s.workspace_id = k.workspace_id and s.version = k.version
  and s.channel = k.message_channel and s.message_id = k.message_id
where c.workspace_id = @workspace_id and c.version = @version and c.superseded_at is null
  and k.weights[m.ordinal] <> 0
  and c.event_at >= @from_at and c.event_at < @to_at
  and (c.event_at, c.definition, c.conversion_id) >= (@after_at::timestamptz, @after_definition::text, @after_conversion::text)
  and (c.event_at, c.definition, c.conversion_id, m.ordinal, k.rank)
      > (@after_at::timestamptz, @after_definition::text, @after_conversion::text, @after_ordinal::bigint, @after_rank::int)
  and (sqlc.narg(definition)::text is null or c.definition = sqlc.narg(definition))
  and (sqlc.narg(model)::text is null or m.model = sqlc.narg(model))
  and (sqlc.narg(campaign)::text is null or k.campaign = sqlc.narg(campaign))
  and (sqlc.narg(template)::text is null or k.template_name = sqlc.narg(template))
  and (sqlc.narg(channel)::text is null or k.channel = sqlc.narg(channel))
order by c.event_at, c.definition, c.conversion_id, m.ordinal, k.rank
limit @most;

-- The same in the opposite order, before the given position.
-- name: AttributionPageBack :many
select
  c.definition, c.conversion_id, c.event_id, c.event_name, c.in_thread, c.event_at, c.order_id,
  coalesce(c.value::text, '')::text as value, c.currency, c.person_id,
  m.model::text as model, m.ordinal::int as ordinal, k.weights[m.ordinal]::bigint as weight, coalesce((k.credited[m.ordinal])::text, '')::text as credited,
  k.rank, k.channel, k.tier, k.touch_key, k.touch_at, k.window_seconds, k.lag_us,
  k.message_channel, k.message_id, k.template_name, k.template_language, k.campaign, k.variant,
  s.sent_at, s.delivered_at, s.read_at, s.clicked_at, s.replied_at, s.failed_at
from conversion c
join credit k using (workspace_id, version, definition, conversion_id, revision)
cross join lateral unnest(c.models) with ordinality as m (model, ordinal)
left join message s on s.workspace_id = k.workspace_id and s.version = k.version
  and s.channel = k.message_channel and s.message_id = k.message_id
where c.workspace_id = @workspace_id and c.version = @version and c.superseded_at is null
  and k.weights[m.ordinal] <> 0
  and c.event_at >= @from_at and c.event_at < @to_at
  and (c.event_at, c.definition, c.conversion_id) <= (@after_at::timestamptz, @after_definition::text, @after_conversion::text)
  and (c.event_at, c.definition, c.conversion_id, m.ordinal, k.rank)
      < (@after_at::timestamptz, @after_definition::text, @after_conversion::text, @after_ordinal::bigint, @after_rank::int)
  and (sqlc.narg(definition)::text is null or c.definition = sqlc.narg(definition))
  and (sqlc.narg(model)::text is null or m.model = sqlc.narg(model))
  and (sqlc.narg(campaign)::text is null or k.campaign = sqlc.narg(campaign))
  and (sqlc.narg(template)::text is null or k.template_name = sqlc.narg(template))
  and (sqlc.narg(channel)::text is null or k.channel = sqlc.narg(channel))
order by c.event_at desc, c.definition desc, c.conversion_id desc, m.ordinal desc, k.rank desc
limit @most;

-- One phone of each person. Of several the one with the smallest digest: any rule
-- does, as long as it does not depend on the order of arrival.
-- name: AttributionPhones :many
select distinct on (p.person_id) p.person_id, i.ciphertext, i.key_id, i.digest
from identifier_person p
join identifier i on i.workspace_id = p.workspace_id and i.digest = p.digest
where p.workspace_id = @workspace_id and p.identity_version = @identity_version
  and p.person_id = any(@persons::uuid[]) and p.kind = 'phone' and i.kind = 'phone'
order by p.person_id, p.digest;
