-- name: ClaimList :many
select r.device, r.at, r.fact, r.identify, r.holder
from (select unnest(@devices::uuid[]) as value) as w
cross join lateral (
  select c.device, c.at, c.fact, c.identify, c.holder
  from claim c
  where c.workspace_id = @workspace_id and c.identity_version = @identity_version and c.device between w.value and w.value
  order by c.device
) as r;

-- name: ClaimDelete :exec
delete from claim c
where c.ctid = any(array(
  select r.ctid
  from (
    select unnest(@devices::uuid[]) as device, unnest(@ats::timestamptz[]) as at, unnest(@facts::text[]) as fact, unnest(@identifies::boolean[]) as identify
  ) as k
  cross join lateral (
    select x.ctid
    from claim x
    where x.workspace_id = @workspace_id and x.identity_version = @identity_version
      and x.device = k.device and x.at between k.at and k.at and x.fact = k.fact and x.identify = k.identify
    order by x.at
  ) as r
));

-- name: ClaimUpsert :exec
insert into claim (workspace_id, identity_version, device, at, fact, identify, holder)
select @workspace_id, @identity_version, x.device, x.at, x.fact, x.identify, x.holder
from (
  select unnest(@devices::uuid[]) as device, unnest(@ats::timestamptz[]) as at, unnest(@facts::text[]) as fact,
         unnest(@identifies::boolean[]) as identify, unnest(@holders::uuid[]) as holder
) as x
on conflict (workspace_id, identity_version, device, at, fact, identify) do update set holder = excluded.holder;
