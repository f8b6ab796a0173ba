-- What derive reads to derive a part of a large person. Spans are pairs of instants,
-- both inclusive. Lateral subqueries keep every lookup an index scan, whatever the
-- planner believes of the arrays.

-- name: ReachMeet :many
select r.value, r.kind, r.fact_id
from (select unnest(@refs::uuid[]) as value) as w
cross join lateral (
  select f.value, f.kind, f.fact_id from fact_ref f
  where f.workspace_id = @workspace_id and f.value = w.value
  order by f.at limit @most
) as r;

-- name: ReachCarry :many
select value, kind, fact_id from fact_ref where workspace_id = @workspace_id and fact_id = any(@fact_ids::uuid[]);

-- name: ReachSpan :many
select r.value, r.fact_id, r.at
from (select unnest(@refs::uuid[]) as value, unnest(@froms::timestamptz[]) as from_at, unnest(@tos::timestamptz[]) as to_at) as w
cross join lateral (
  select f.value, f.fact_id, f.at from fact_ref f
  where f.workspace_id = @workspace_id and f.value = w.value and f.at between w.from_at and w.to_at
  order by f.at limit @most
) as r;

-- name: ReachInbound :many
select distinct r.fact_id
from (select unnest(@refs::uuid[]) as value, unnest(@froms::timestamptz[]) as from_at, unnest(@tos::timestamptz[]) as to_at) as w
cross join lateral (
  select f.fact_id from fact_ref f
  join fact b on b.workspace_id = f.workspace_id and b.fact_id = f.fact_id and b.kind = 'inbound'
  where f.workspace_id = @workspace_id and f.value = w.value and f.at between w.from_at and w.to_at
  limit @most
) as r;

-- name: ReachPending :many
-- Hashed: no condition by itself, it is not made a join of.
select fact_id, term from touched
where workspace_id = @workspace_id and seq > @after and (fact_id in (select unnest(@fact_ids::uuid[]))) is true;

-- name: DeriveReplaced :many
select r.fact_id, r.old_refs
from (select unnest(@fact_ids::uuid[]) as value) as w
cross join lateral (
  select t.fact_id, t.old_refs from touched t
  where t.workspace_id = @workspace_id and t.fact_id between w.value and w.value and t.old_refs <> '{}' and t.seq > @after
  order by t.fact_id
) as r;

-- name: ReachPersons :many
select r.digest, r.kind, r.person_id, r.shared
from (select unnest(@person_ids::uuid[]) as person_id) as w
cross join lateral (
  select p.digest, p.kind, p.person_id, p.shared from identifier_person p
  where p.workspace_id = @workspace_id and p.identity_version = @identity_version and p.person_id = w.person_id
  limit @most
) as r;

-- Pairs come in both orders.
-- name: ReachLinkPairs :many
select l.a, l.b, l.trust, l.at, l.fact, l.position, l.state
from (select unnest(@as_::uuid[]) as a, unnest(@bs::uuid[]) as b) as k
cross join lateral (
  select x.a, x.b, x.trust, x.at, x.fact, x.position, x.state
  from link x
  where x.workspace_id = @workspace_id and x.identity_version = @identity_version and x.a = k.a and x.b between k.b and k.b
  order by x.b
) as l;

-- Devices that somebody of these identifiers ever held and that did something in the span.
-- name: ReachDevices :many
select w.from_at::timestamptz as from_at, w.to_at::timestamptz as to_at, r.device
from (select unnest(@holders::uuid[]) as value, unnest(@froms::timestamptz[]) as from_at, unnest(@tos::timestamptz[]) as to_at) as w
cross join lateral (
  select distinct c.device from claim c
  where c.workspace_id = @workspace_id and c.identity_version = @identity_version and c.holder = w.value and exists (
    select from fact_ref f where f.workspace_id = c.workspace_id and f.value = c.device and f.at between w.from_at and w.to_at
  )
  limit @most
) as r;

-- Of conversions, not of refunds: those go with the conversion that they take from.
-- name: ReachConversionAnchors :many
select r.anchor
from (select unnest(@person_ids::uuid[]) as person_id, unnest(@froms::timestamptz[]) as from_at, unnest(@tos::timestamptz[]) as to_at) as w
cross join lateral (
  select distinct c.anchor from conversion c
  where c.workspace_id = @workspace_id and c.version = @version and c.person_id = w.person_id
    and c.event_at between w.from_at and w.to_at and c.superseded_at is null and not c.refund
  limit @most
) as r;

-- name: ReachMessageAnchors :many
select r.anchor, r.person_id, r.sent_at
from (select unnest(@person_ids::uuid[]) as person_id, unnest(@froms::timestamptz[]) as from_at, unnest(@tos::timestamptz[]) as to_at) as w
cross join lateral (
  select m.anchor, m.person_id, m.sent_at from message m
  where m.workspace_id = @workspace_id and m.version = @version and m.person_id = w.person_id
    and m.engaged_to >= w.from_at and m.engaged_from <= w.to_at
  limit @most
) as r;
