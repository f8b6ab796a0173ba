-- Rollups change by differences: what a row took part in before is taken off, what
-- it takes part in now is put on.

-- name: RollupCreditAdd :exec
insert into rollup_credit (
  workspace_id, version, bucket, model, definition, channel, tier, campaign, template_name, template_language, variant, currency,
  touches, weight, credited)
select @workspace_id, @version, x.bucket, x.model, x.definition, x.channel, x.tier, x.campaign, x.template_name, x.template_language,
       x.variant, x.currency, x.touches, x.weight::numeric, x.credited::numeric
from (
  select unnest(@buckets::timestamptz[]) as bucket, unnest(@models::text[]) as model, unnest(@definitions::text[]) as definition,
         unnest(@channels::text[]) as channel, unnest(@tiers::text[]) as tier, unnest(@campaigns::text[]) as campaign,
         unnest(@template_names::text[]) as template_name, unnest(@template_languages::text[]) as template_language,
         unnest(@variants::text[]) as variant, unnest(@currencies::text[]) as currency,
         unnest(@touches::bigint[]) as touches, unnest(@weights::text[]) as weight, unnest(@credited::text[]) as credited
) as x
on conflict (workspace_id, version, bucket, model, definition, channel, tier, campaign, template_name, template_language, variant, currency)
do update set touches = rollup_credit.touches + excluded.touches,
              weight = rollup_credit.weight + excluded.weight,
              credited = rollup_credit.credited + excluded.credited;

-- name: RollupMessageAdd :exec
insert into rollup_message (
  workspace_id, version, bucket, channel, template_name, template_language, campaign, variant,
  messages, unregistered, unaddressed, sent, delivered, read, clicked, replied, failed)
select @workspace_id, @version, x.bucket, x.channel, x.template_name, x.template_language, x.campaign, x.variant,
       x.messages, x.unregistered, x.unaddressed, x.sent, x.delivered, x.read, x.clicked, x.replied, x.failed
from (
  select unnest(@buckets::timestamptz[]) as bucket, unnest(@channels::text[]) as channel,
         unnest(@template_names::text[]) as template_name, unnest(@template_languages::text[]) as template_language,
         unnest(@campaigns::text[]) as campaign, unnest(@variants::text[]) as variant,
         unnest(@messages::bigint[]) as messages, unnest(@unregistered::bigint[]) as unregistered,
         unnest(@unaddressed::bigint[]) as unaddressed, unnest(@sent::bigint[]) as sent, unnest(@delivered::bigint[]) as delivered,
         unnest(@read::bigint[]) as read, unnest(@clicked::bigint[]) as clicked, unnest(@replied::bigint[]) as replied,
         unnest(@failed::bigint[]) as failed
) as x
on conflict (workspace_id, version, bucket, channel, template_name, template_language, campaign, variant)
do update set messages = rollup_message.messages + excluded.messages,
              unregistered = rollup_message.unregistered + excluded.unregistered,
              unaddressed = rollup_message.unaddressed + excluded.unaddressed,
              sent = rollup_message.sent + excluded.sent,
              delivered = rollup_message.delivered + excluded.delivered,
              read = rollup_message.read + excluded.read,
              clicked = rollup_message.clicked + excluded.clicked,
              replied = rollup_message.replied + excluded.replied,
              failed = rollup_message.failed + excluded.failed;
