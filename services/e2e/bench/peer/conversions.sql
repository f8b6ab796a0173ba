-- The conversions of a campaign: an order is one, whatever the policy says. In order of
-- the key, so that neighbours go to the same page of the two indexes that begin with it.
-- $1 workspace, $2 version.
insert into conversion (
  workspace_id, version, definition, conversion_id, revision, anchor, event_id, event_name, in_thread, event_at, order_id,
  refund, value, currency, person_id, identified, models, hash, computed_at)
select
  $1, $2, 'purchase', 'order:' || order_id, 1, anchor, event_id, 'Order Completed', false, at, order_id,
  false, value, 'NOK', person_id, true, array['last_touch', 'linear'], md5(order_id)::uuid, now()
from bought
order by order_id
