-- name: LinkList :many
select a, b, trust, at, fact, position, state
from link
where workspace_id = @workspace_id and identity_version = @identity_version
  and (a = any(@digests::uuid[]) or b = any(@digests::uuid[]));

-- name: LinkDelete :exec
delete from link l
using (select unnest(@as_::uuid[]) as a, unnest(@bs::uuid[]) as b) as k
where l.workspace_id = @workspace_id and l.identity_version = @identity_version and l.a = k.a and l.b = k.b;

-- name: LinkUpsert :exec
insert into link (workspace_id, identity_version, a, b, trust, at, fact, position, state)
select @workspace_id, @identity_version, x.a, x.b, x.trust, x.at, x.fact, x.position, x.state
from (
  select unnest(@as_::uuid[]) as a, unnest(@bs::uuid[]) as b, unnest(@trusts::smallint[]) as trust, unnest(@ats::timestamptz[]) as at,
         unnest(@facts::text[]) as fact, unnest(@positions::int[]) as position, unnest(@states::text[]) as state
) as x
on conflict (workspace_id, identity_version, a, b) do update
set trust = excluded.trust, at = excluded.at, fact = excluded.fact, position = excluded.position, state = excluded.state;
