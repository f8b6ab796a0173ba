-- name: TotalMessages :many
select channel, template_name, template_language,
       sum(messages)::bigint as messages, sum(unregistered)::bigint as unregistered, sum(unaddressed)::bigint as unaddressed,
       sum(sent)::bigint as sent, sum(delivered)::bigint as delivered, sum(read)::bigint as read,
       sum(clicked)::bigint as clicked, sum(replied)::bigint as replied, sum(failed)::bigint as failed
from rollup_message
where workspace_id = @workspace_id and version = @version and bucket >= @from_at and bucket < @to_at
group by channel, template_name, template_language
having sum(messages) <> 0
order by channel, template_name, template_language;

-- name: TotalCredits :many
select channel, template_name, template_language, model, definition, currency,
       sum(touches)::bigint as touches, sum(weight)::text as weight, sum(credited)::text as credited
from rollup_credit
where workspace_id = @workspace_id and version = @version and bucket >= @from_at and bucket < @to_at
group by channel, template_name, template_language, model, definition, currency
having sum(touches) <> 0
order by channel, template_name, template_language, model, definition, currency;
