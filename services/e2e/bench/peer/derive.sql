-- The attribution of a campaign as set-based SQL: a message counts once, by its answer
-- where that lies in its window, else by its read; last touch and linear; both weights and
-- the split of the money in largest remainders. It fills the tables conversion and credit
-- of Touchline's own schema, keys, indexes and foreign key included.
-- $1 workspace, $2 version, $3 window of a read in seconds.
with counted as materialized (
  select
    b.event_id, b.order_id, b.person_id, b.at as event_at, b.value, e.tier, e.at, e.window_seconds,
    e.message_id, e.template_name, e.campaign,
    row_number() over w - 1 as rank, count(e.message_id) over (partition by b.event_id) as touches
  from bought b
  left join lateral (
    select s.message_id, s.template_name, s.campaign, chosen.*
    from sent s
    cross join lateral (
      select 'reply' as tier, s.replied_at as at, 604800::bigint as window_seconds
      where s.replied_at <= b.at and b.at - s.replied_at <= interval '7 days'
      union all
      select 'read', s.read_at, $3::bigint
      where s.read_at <= b.at and b.at - s.read_at <= make_interval(secs => $3::bigint)
        and not coalesce(s.replied_at <= b.at and b.at - s.replied_at <= interval '7 days', false)
    ) chosen
    where s.person_id = b.person_id
  ) e on true
  window w as (partition by b.event_id order by e.at, e.message_id)
), written as (
  insert into conversion (
    workspace_id, version, definition, conversion_id, revision, anchor, event_id, event_name, in_thread, event_at, order_id,
    refund, value, currency, person_id, identified, models, hash, computed_at)
  select $1, $2, 'purchase', event_id, 1, md5(event_id)::uuid, event_id, 'Order Completed', false, event_at, order_id,
    false, value, 'NOK', person_id, true, array['last_touch', 'linear'], md5(order_id)::uuid, now()
  from counted
  where rank = 0
)
insert into credit (
  workspace_id, version, definition, conversion_id, revision, rank, channel, touch_key, tier, touch_at, window_seconds, lag_us,
  message_channel, message_id, template_name, template_language, campaign, weights, credited)
select
  $1, $2, 'purchase', event_id, 1, rank, case when touches = 0 then 'unattributed' else 'whatsapp' end, coalesce(message_id, ''), tier, at,
  window_seconds, extract(epoch from event_at - at) * 1000000, case when touches > 0 then 'whatsapp' end, message_id, template_name,
  case when touches > 0 then 'nb' end, campaign,
  array[
    case when rank = greatest(touches, 1) - 1 then 1000000000000 else 0 end,
    1000000000000 / greatest(touches, 1) + (rank < 1000000000000 % greatest(touches, 1))::int
  ],
  array[
    case when rank = greatest(touches, 1) - 1 then value else 0 end,
    (floor(value * 100 / greatest(touches, 1)) + (rank < value * 100 % greatest(touches, 1))::int) / 100
  ]
from counted
