-- The rows of discarded versions, removed a few at a time.

-- A version that still has rows, and whether its persons are those of a version that
-- somebody can read.
-- name: SweepNext :one
select p.workspace_id, p.version, p.identity_version,
       (exists (
         select from policy q
         where q.workspace_id = p.workspace_id and q.identity_version = p.identity_version and q.state <> 'discarded'
       ))::boolean as identity_used
from policy p
where p.state = 'discarded' and p.emptied_at is null
order by p.workspace_id, p.version
limit 1;

-- name: SweepDone :exec
update policy set emptied_at = @at where workspace_id = @workspace_id and version = @version;

-- Their credits go with them.
-- name: SweepConversions :execrows
delete from conversion c
using (
  select k.definition, k.conversion_id, k.revision from conversion k
  where k.workspace_id = @workspace_id and k.version = @version
  order by k.definition, k.conversion_id, k.revision limit @most
) as k
where c.workspace_id = @workspace_id and c.version = @version
  and c.definition = k.definition and c.conversion_id = k.conversion_id and c.revision = k.revision;

-- name: SweepMessages :execrows
delete from message m
using (
  select k.channel, k.message_id from message k
  where k.workspace_id = @workspace_id and k.version = @version order by k.channel, k.message_id limit @most
) as k
where m.workspace_id = @workspace_id and m.version = @version and m.channel = k.channel and m.message_id = k.message_id;

-- Whole buckets: what is in one is little.
-- name: SweepCreditRollups :execrows
delete from rollup_credit r
where r.workspace_id = @workspace_id and r.version = @version and r.bucket <= (
  select max(k.bucket) from (
    select b.bucket from rollup_credit b where b.workspace_id = @workspace_id and b.version = @version order by b.bucket limit @most
  ) as k);

-- name: SweepMessageRollups :execrows
delete from rollup_message r
where r.workspace_id = @workspace_id and r.version = @version and r.bucket <= (
  select max(k.bucket) from (
    select b.bucket from rollup_message b where b.workspace_id = @workspace_id and b.version = @version order by b.bucket limit @most
  ) as k);

-- name: SweepPersons :execrows
delete from identifier_person p
using (
  select k.digest from identifier_person k
  where k.workspace_id = @workspace_id and k.identity_version = @identity_version order by k.digest limit @most
) as k
where p.workspace_id = @workspace_id and p.identity_version = @identity_version and p.digest = k.digest;

-- name: SweepLinks :execrows
delete from link l
using (
  select k.a, k.b from link k
  where k.workspace_id = @workspace_id and k.identity_version = @identity_version order by k.a, k.b limit @most
) as k
where l.workspace_id = @workspace_id and l.identity_version = @identity_version and l.a = k.a and l.b = k.b;

-- name: SweepClaims :execrows
delete from claim c
using (
  select k.device, k.at, k.fact, k.identify from claim k
  where k.workspace_id = @workspace_id and k.identity_version = @identity_version
  order by k.device, k.at, k.fact, k.identify limit @most
) as k
where c.workspace_id = @workspace_id and c.identity_version = @identity_version
  and c.device = k.device and c.at = k.at and c.fact = k.fact and c.identify = k.identify;
