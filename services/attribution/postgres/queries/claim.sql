-- name: ClaimList :many
select device, at, fact, identify, holder
from claim
where workspace_id = @workspace_id and identity_version = @identity_version and device = any(@devices::uuid[]);

-- name: ClaimDelete :exec
delete from claim c
using (
  select unnest(@devices::uuid[]) as device, unnest(@ats::timestamptz[]) as at, unnest(@facts::text[]) as fact, unnest(@identifies::boolean[]) as identify
) as k
where c.workspace_id = @workspace_id and c.identity_version = @identity_version
  and c.device = k.device and c.at = k.at and c.fact = k.fact and c.identify = k.identify;

-- name: ClaimUpsert :exec
insert into claim (workspace_id, identity_version, device, at, fact, identify, holder)
select @workspace_id, @identity_version, x.device, x.at, x.fact, x.identify, x.holder
from (
  select unnest(@devices::uuid[]) as device, unnest(@ats::timestamptz[]) as at, unnest(@facts::text[]) as fact,
         unnest(@identifies::boolean[]) as identify, unnest(@holders::uuid[]) as holder
) as x
on conflict (workspace_id, identity_version, device, at, fact, identify) do update set holder = excluded.holder;
