-- The credits of a campaign: a message counts once, by its answer where that lies in its
-- window, else by its read; last touch and linear; both weights and the split of the money
-- in largest remainders. An order without a touchpoint has one row all the same. The
-- windows of SQL leave the rows in order of the key.
-- $1 workspace, $2 version, $3 window of a read in seconds.
insert into credit (
  workspace_id, version, definition, conversion_id, revision, rank, channel, touch_key, tier, touch_at, window_seconds, lag_us,
  message_channel, message_id, template_name, template_language, campaign, weights, credited)
select
  $1, $2, 'purchase', 'order:' || order_id, 1, rank, case when touches > 0 then 'whatsapp' else 'unattributed' end, coalesce(message_id, ''),
  case when replied then 'reply' when touches > 0 then 'read' end, touch_at,
  case when replied then 604800 when touches > 0 then $3::bigint end, date_part('epoch', event_at - touch_at) * 1000000,
  case when touches > 0 then 'whatsapp' end, message_id, template_name, template_language, campaign,
  case when touches < 2 then array[1000000000000, 1000000000000] else array[
    case when rank = touches - 1 then 1000000000000 else 0 end,
    1000000000000 / touches + (rank < 1000000000000 % touches)::int
  ] end,
  case when touches < 2 then array[value, value] else array[
    case when rank = touches - 1 then value else 0 end,
    (floor(value * 100 / touches) + (rank < value * 100 % touches)::int) / 100
  ] end
from (
  select
    b.order_id, b.at as event_at, b.value, s.message_id, s.template_name, s.template_language, s.campaign,
    s.replied_at between b.at - interval '604800 s' and b.at as replied,
    case when s.replied_at between b.at - interval '604800 s' and b.at then s.replied_at else s.read_at end as touch_at,
    row_number() over w - 1 as rank, count(s.message_id) over w as touches
  from bought b
  left join sent s on s.person_id = b.person_id and (
    s.replied_at between b.at - interval '604800 s' and b.at
    or s.read_at between b.at - make_interval(secs => $3::bigint) and b.at)
  window w as (
    partition by b.order_id
    order by case when s.replied_at between b.at - interval '604800 s' and b.at then s.replied_at else s.read_at end, s.message_id
    rows between unbounded preceding and unbounded following)
) counted
