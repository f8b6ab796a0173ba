-- What derive reads to derive a part of a large person. Spans are pairs of instants,
-- both inclusive. Lateral subqueries keep every lookup an index scan, whatever the
-- planner believes of the arrays, and their order or range says of which index.

-- Of the index alone.
-- name: ReachMeet :many
select r.value, r.fact_id
from (select unnest(@refs::uuid[]) as value) as w
cross join lateral (
  select f.value, f.fact_id from fact_ref f
  where f.workspace_id = @workspace_id and f.value = w.value
  order by f.at limit @most
) as r;

-- name: ReachCarry :many
select r.value, r.kind, r.fact_id
from (select unnest(@fact_ids::uuid[]) as fact_id) as w
cross join lateral (
  select f.value, f.kind, f.fact_id from fact_ref f
  where f.workspace_id = @workspace_id and f.fact_id between w.fact_id and w.fact_id
  order by f.fact_id
) as r;

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
  select b.fact_id
  from (
    select f.fact_id from fact_ref f
    where f.workspace_id = @workspace_id and f.value = w.value and f.at between w.from_at and w.to_at
    order by f.at
  ) as x
  cross join lateral (
    select i.fact_id from fact i
    where i.workspace_id = @workspace_id and i.fact_id between x.fact_id and x.fact_id and i.kind = 'inbound'
    order by i.fact_id
  ) as b
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
  where p.workspace_id = @workspace_id and p.identity_version = @identity_version and p.person_id between w.person_id and w.person_id
  order by p.person_id limit @most
) as r;

-- Pairs come in both orders.
-- name: ReachLinkPairs :many
select l.a, l.b, l.trust, l.at, l.fact, l.position, l.state
from (select unnest(@as_::uuid[]) as a, unnest(@bs::uuid[]) as b) as k
cross join lateral (
  select x.a, x.b, x.trust, x.at, x.fact, x.position, x.state
  from link x
  where x.workspace_id = @workspace_id and x.identity_version = @identity_version and x.a between k.a and k.a and x.b between k.b and k.b
  order by x.a, x.b
) as l;

-- Devices that somebody of these identifiers ever held and that did something in the span.
-- name: ReachDevices :many
select w.from_at::timestamptz as from_at, w.to_at::timestamptz as to_at, r.device
from (select unnest(@holders::uuid[]) as value, unnest(@froms::timestamptz[]) as from_at, unnest(@tos::timestamptz[]) as to_at) as w
cross join lateral (
  select distinct c.device
  from (
    select x.device from claim x
    where x.workspace_id = @workspace_id and x.identity_version = @identity_version and x.holder between w.value and w.value
    order by x.holder
  ) as c
  cross join lateral (
    select f.at from fact_ref f
    where f.workspace_id = @workspace_id and f.value = c.device and f.at between w.from_at and w.to_at
    order by f.at limit 1
  ) as happened
  limit @most
) as r;

-- Of conversions, not of refunds: those go with the conversion that they take from.
-- name: ReachConversionAnchors :many
select r.anchor
from (select unnest(@person_ids::uuid[]) as person_id, unnest(@froms::timestamptz[]) as from_at, unnest(@tos::timestamptz[]) as to_at) as w
cross join lateral (
  select distinct c.anchor
  from (
    select x.anchor from conversion x
    where x.workspace_id = @workspace_id and x.version = @version and x.person_id = w.person_id
      and x.event_at between w.from_at and w.to_at and x.superseded_at is null and not x.refund
    order by x.event_at
  ) as c
  limit @most
) as r;

-- name: ReachMessageAnchors :many
select r.anchor, r.person_id, r.sent_at
from (select unnest(@person_ids::uuid[]) as person_id, unnest(@froms::timestamptz[]) as from_at, unnest(@tos::timestamptz[]) as to_at) as w
cross join lateral (
  select m.anchor, m.person_id, m.sent_at from message m
  where m.workspace_id = @workspace_id and m.version = @version and m.person_id = w.person_id
    and m.engaged_to >= w.from_at and m.engaged_from <= w.to_at
  order by m.engaged_to limit @most
) as r;
