-- Why conversions are not attributed.

-- name: ReasonConversions :one
select count(*) as total,
       count(*) filter (where not identified) as unidentified,
       count(*) filter (where order_id is not null) as orders,
       count(*) filter (where order_id is not null and not identified) as unidentified_orders,
       count(*) filter (where exists (
         select from credit k
         where k.workspace_id = c.workspace_id and k.version = c.version and k.definition = c.definition
           and k.conversion_id = c.conversion_id and k.revision = c.revision and k.rank = 0 and k.channel = 'unattributed'
       )) as unattributed
from conversion c
where c.workspace_id = @workspace_id and c.version = @version and c.superseded_at is null
  and c.event_at >= @from_at and c.event_at < @to_at;

-- name: ReasonQuarantine :many
select reason, count(*) as count
from quarantine
where workspace_id = @workspace_id and replayed_at is null and received_at >= @from_at and received_at < @to_at
group by reason
order by count(*) desc, reason;

-- name: ReasonLinks :one
select count(*) filter (where state = 'refused') as refused, count(*) filter (where state = 'shared') as shared
from link
where workspace_id = @workspace_id and identity_version = @identity_version and state <> 'joined';

-- name: ReasonPresence :one
select
  (exists (select from source s where s.workspace_id = @workspace_id))::boolean as sources,
  (exists (select from fact f where f.workspace_id = @workspace_id))::boolean as facts;
