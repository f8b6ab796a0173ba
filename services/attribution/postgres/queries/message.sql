-- name: MessageListByAnchor :many
select r.channel, r.message_id, r.anchor, r.sender, r.registered, r.session, r.template_name, r.template_language, r.campaign, r.variant,
       r.person_id, r.category, coalesce(r.cost_amount::text, '')::text as cost_amount, r.cost_currency,
       r.sent_at, r.delivered_at, r.read_at, r.clicked_at, r.replied_at, r.failed_at, r.failure_reason, r.engaged_from, r.engaged_to
from (select unnest(@anchors::uuid[]) as value) as w
cross join lateral (
  select m.channel, m.message_id, m.anchor, m.sender, m.registered, m.session, m.template_name, m.template_language, m.campaign, m.variant,
         m.person_id, m.category, m.cost_amount, m.cost_currency,
         m.sent_at, m.delivered_at, m.read_at, m.clicked_at, m.replied_at, m.failed_at, m.failure_reason, m.engaged_from, m.engaged_to
  from message m
  where m.workspace_id = @workspace_id and m.version = @version and m.anchor between w.value and w.value
  order by m.anchor
) as r;

-- name: MessageDelete :exec
delete from message m
where m.ctid = any(array(
  select r.ctid
  from (select unnest(@channels::text[]) as channel, unnest(@message_ids::text[]) as message_id) as k
  cross join lateral (
    select x.ctid
    from message x
    where x.workspace_id = @workspace_id and x.version = @version and x.channel = k.channel
      and x.message_id between k.message_id and k.message_id
    order by x.message_id
  ) as r
));

-- Empty text, the nil UUID and the first instant of the year 1 stand for null.
-- name: MessageUpsert :exec
insert into message (
  workspace_id, version, channel, message_id, anchor, sender, registered, session, template_name, template_language, campaign, variant,
  person_id, category, cost_amount, cost_currency, sent_at, delivered_at, read_at, clicked_at, replied_at, failed_at, failure_reason, engaged_from, engaged_to, computed_at)
select
  @workspace_id, @version, x.channel, x.message_id, x.anchor, nullif(x.sender, ''), x.registered, x.session,
  nullif(x.template_name, ''), nullif(x.template_language, ''), nullif(x.campaign, ''), nullif(x.variant, ''),
  nullif(x.person_id, '00000000-0000-0000-0000-000000000000'::uuid), nullif(x.category, ''),
  nullif(x.cost_amount, '')::numeric, nullif(x.cost_currency, ''),
  nullif(x.sent_at, '0001-01-01T00:00:00Z'), nullif(x.delivered_at, '0001-01-01T00:00:00Z'), nullif(x.read_at, '0001-01-01T00:00:00Z'),
  nullif(x.clicked_at, '0001-01-01T00:00:00Z'), nullif(x.replied_at, '0001-01-01T00:00:00Z'), nullif(x.failed_at, '0001-01-01T00:00:00Z'),
  nullif(x.failure_reason, ''), nullif(x.engaged_from, '0001-01-01T00:00:00Z'), nullif(x.engaged_to, '0001-01-01T00:00:00Z'), @computed_at
from (
  select unnest(@channels::text[]) as channel, unnest(@message_ids::text[]) as message_id, unnest(@anchors::uuid[]) as anchor,
         unnest(@senders::text[]) as sender, unnest(@registereds::boolean[]) as registered, unnest(@sessions::boolean[]) as session,
         unnest(@template_names::text[]) as template_name, unnest(@template_languages::text[]) as template_language,
         unnest(@campaigns::text[]) as campaign, unnest(@variants::text[]) as variant,
         unnest(@person_ids::uuid[]) as person_id, unnest(@categories::text[]) as category,
         unnest(@cost_amounts::text[]) as cost_amount, unnest(@cost_currencies::text[]) as cost_currency,
         unnest(@sent_ats::timestamptz[]) as sent_at, unnest(@delivered_ats::timestamptz[]) as delivered_at,
         unnest(@read_ats::timestamptz[]) as read_at, unnest(@clicked_ats::timestamptz[]) as clicked_at,
         unnest(@replied_ats::timestamptz[]) as replied_at, unnest(@failed_ats::timestamptz[]) as failed_at,
         unnest(@failure_reasons::text[]) as failure_reason,
         unnest(@engaged_froms::timestamptz[]) as engaged_from, unnest(@engaged_tos::timestamptz[]) as engaged_to
) as x
on conflict (workspace_id, version, channel, message_id) do update
set anchor = excluded.anchor, sender = excluded.sender, registered = excluded.registered, session = excluded.session,
    template_name = excluded.template_name, template_language = excluded.template_language,
    campaign = excluded.campaign, variant = excluded.variant, person_id = excluded.person_id, category = excluded.category,
    cost_amount = excluded.cost_amount, cost_currency = excluded.cost_currency,
    sent_at = excluded.sent_at, delivered_at = excluded.delivered_at, read_at = excluded.read_at,
    clicked_at = excluded.clicked_at, replied_at = excluded.replied_at, failed_at = excluded.failed_at,
    failure_reason = excluded.failure_reason,
    engaged_from = excluded.engaged_from, engaged_to = excluded.engaged_to, computed_at = excluded.computed_at;
