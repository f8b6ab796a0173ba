package sqltest

// Queries that count the rows in which a rollup and the rows that it sums differ, in
// all workspaces and versions. They need the role touchline_worker.
const (
	// CreditDrift compares rollup_credit with the attribution view.
	CreditDrift = `with sums as (
		select workspace_id, version, date_bin('15 minutes', event_at, '2000-01-01T00:00:00Z') as bucket, model, definition, channel, coalesce(tier, ''), coalesce(campaign, ''),
			coalesce(template_name, ''), coalesce(template_language, ''), coalesce(variant, ''), coalesce(currency, ''),
			count(*) as touches, sum(weight) as weight, coalesce(sum(credited_value), 0) as credited
		from attribution group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12
	), kept as (
		select workspace_id, version, bucket, model, definition, channel, tier, campaign, template_name, template_language, variant, currency, touches, weight, credited
		from rollup_credit where touches <> 0 or weight <> 0 or credited <> 0
	) select count(*) from ((select * from sums except all select * from kept) union all (select * from kept except all select * from sums)) x`
	// MessageDrift compares rollup_message with message.
	MessageDrift = `with sums as (
		select workspace_id, version, date_bin('15 minutes', coalesce(least(sent_at, delivered_at, read_at, clicked_at, replied_at, failed_at), '1970-01-01T00:00:00Z'), '2000-01-01T00:00:00Z') as bucket,
			channel, coalesce(template_name, ''), coalesce(template_language, ''), coalesce(campaign, ''), coalesce(variant, ''),
			count(*) as messages, count(*) filter (where not registered) as unregistered, count(*) filter (where person_id is null) as unaddressed,
			count(sent_at) as sent, count(delivered_at) as delivered, count(read_at) as read, count(clicked_at) as clicked, count(replied_at) as replied, count(failed_at) as failed
		from message group by 1, 2, 3, 4, 5, 6, 7, 8
	), kept as (
		select workspace_id, version, bucket, channel, template_name, template_language, campaign, variant, messages, unregistered, unaddressed, sent, delivered, read, clicked, replied, failed
		from rollup_message
		where (messages, unregistered, unaddressed, sent, delivered, read, clicked, replied, failed) <> (0, 0, 0, 0, 0, 0, 0, 0, 0)
	) select count(*) from ((select * from sums except all select * from kept) union all (select * from kept except all select * from sums)) x`
)
