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

-- Up to the last of the first rows, in order of the key: a range of its index, whatever
-- the database knows of the table. Credits go with their conversions.

-- name: SweepConversions :execrows
delete from conversion t
where t.workspace_id = @workspace_id and t.version = @version and (t.definition, t.conversion_id, t.revision) <= (
  select l.definition, l.conversion_id, l.revision from (
    select k.definition, k.conversion_id, k.revision from conversion k
    where k.workspace_id = @workspace_id and k.version = @version
    order by k.definition, k.conversion_id, k.revision limit @most
  ) as l
  order by l.definition desc, l.conversion_id desc, l.revision desc limit 1);

-- name: SweepMessages :execrows
delete from message t
where t.workspace_id = @workspace_id and t.version = @version and (t.channel, t.message_id) <= (
  select l.channel, l.message_id from (
    select k.channel, k.message_id from message k
    where k.workspace_id = @workspace_id and k.version = @version
    order by k.channel, k.message_id limit @most
  ) as l
  order by l.channel desc, l.message_id desc limit 1);

-- Whole buckets: what is in one is little.
-- name: SweepCreditRollups :execrows
delete from rollup_credit t
where t.workspace_id = @workspace_id and t.version = @version and t.bucket <= (
  select l.bucket from (
    select k.bucket from rollup_credit k
    where k.workspace_id = @workspace_id and k.version = @version
    order by k.bucket limit @most
  ) as l
  order by l.bucket desc limit 1);

-- name: SweepMessageRollups :execrows
delete from rollup_message t
where t.workspace_id = @workspace_id and t.version = @version and t.bucket <= (
  select l.bucket from (
    select k.bucket from rollup_message k
    where k.workspace_id = @workspace_id and k.version = @version
    order by k.bucket limit @most
  ) as l
  order by l.bucket desc limit 1);

-- name: SweepPersons :execrows
delete from identifier_person t
where t.workspace_id = @workspace_id and t.identity_version = @identity_version and t.digest <= (
  select l.digest from (
    select k.digest from identifier_person k
    where k.workspace_id = @workspace_id and k.identity_version = @identity_version
    order by k.digest limit @most
  ) as l
  order by l.digest desc limit 1);

-- name: SweepLinks :execrows
delete from link t
where t.workspace_id = @workspace_id and t.identity_version = @identity_version and (t.a, t.b) <= (
  select l.a, l.b from (
    select k.a, k.b from link k
    where k.workspace_id = @workspace_id and k.identity_version = @identity_version
    order by k.a, k.b limit @most
  ) as l
  order by l.a desc, l.b desc limit 1);

-- name: SweepClaims :execrows
delete from claim t
where t.workspace_id = @workspace_id and t.identity_version = @identity_version and (t.device, t.at, t.fact, t.identify) <= (
  select l.device, l.at, l.fact, l.identify from (
    select k.device, k.at, k.fact, k.identify from claim k
    where k.workspace_id = @workspace_id and k.identity_version = @identity_version
    order by k.device, k.at, k.fact, k.identify limit @most
  ) as l
  order by l.device desc, l.at desc, l.fact desc, l.identify desc limit 1);
