-- The messages of a campaign, whose times stand in each row of the attribution table. In
-- order of the key: neighbours go to the same page of its index.
-- $1 workspace, $2 version.
insert into message (
  workspace_id, version, channel, message_id, anchor, sender, registered, session, template_name, template_language, campaign,
  person_id, sent_at, delivered_at, read_at, replied_at, engaged_from, engaged_to, computed_at)
select
  $1, $2, 'whatsapp', message_id, anchor, sender, true, false, template_name, template_language, campaign,
  person_id, sent_at, delivered_at, read_at, replied_at,
  least(sent_at, delivered_at, read_at, replied_at), greatest(sent_at, delivered_at, read_at, replied_at), now()
from sent
order by message_id
