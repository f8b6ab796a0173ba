-- name: LinkList :many
select r.a, r.b, r.trust, r.at, r.fact, r.position, r.state
from (select unnest(@digests::uuid[]) as value) as w
cross join lateral (
  select l.a, l.b, l.trust, l.at, l.fact, l.position, l.state
  from link l
  where l.workspace_id = @workspace_id and l.identity_version = @identity_version and l.a between w.value and w.value
  order by l.a
) as r
union
select r.a, r.b, r.trust, r.at, r.fact, r.position, r.state
from (select unnest(@digests::uuid[]) as value) as w
cross join lateral (
  select l.a, l.b, l.trust, l.at, l.fact, l.position, l.state
  from link l
  where l.workspace_id = @workspace_id and l.identity_version = @identity_version and l.b between w.value and w.value
  order by l.b
) as r;

-- name: LinkDelete :exec
delete from link l
where l.ctid = any(array(
  select r.ctid
  from (select unnest(@as_::uuid[]) as a, unnest(@bs::uuid[]) as b) as k
  cross join lateral (
    select x.ctid
    from link x
    where x.workspace_id = @workspace_id and x.identity_version = @identity_version and x.a between k.a and k.a and x.b between k.b and k.b
    order by x.a, x.b
  ) as r
));

-- name: LinkUpsert :exec
insert into link (workspace_id, identity_version, a, b, trust, at, fact, position, state)
select @workspace_id, @identity_version, x.a, x.b, x.trust, x.at, x.fact, x.position, x.state
from (
  select unnest(@as_::uuid[]) as a, unnest(@bs::uuid[]) as b, unnest(@trusts::smallint[]) as trust, unnest(@ats::timestamptz[]) as at,
         unnest(@facts::text[]) as fact, unnest(@positions::int[]) as position, unnest(@states::text[]) as state
) as x
on conflict (workspace_id, identity_version, a, b) do update
set trust = excluded.trust, at = excluded.at, fact = excluded.fact, position = excluded.position, state = excluded.state;
