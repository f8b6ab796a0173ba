-- What the first page and the API list of identities and facts that do not agree.

-- Links that would have put two user_ids into one person, the latest first, before a
-- position.
-- name: FindingRefused :many
select a, b, trust, at, fact
from link
where workspace_id = @workspace_id and identity_version = @identity_version and state = 'refused'
  and (at, a, b) < (@before_at::timestamptz, @before_a::uuid, @before_b::uuid)
order by at desc, a desc, b desc
limit @most;

-- name: FindingUserIDs :many
select digest, person_id
from identifier_person
where workspace_id = @workspace_id and identity_version = @identity_version and person_id = any(@persons::uuid[]) and kind = 'user_id'
order by person_id, digest;

-- Identifiers that link nothing, in order of their digests, after a position.
-- name: FindingShared :many
select digest, person_id
from identifier_person
where workspace_id = @workspace_id and identity_version = @identity_version and shared and digest > @after
order by digest
limit @most;

-- How many distinct identifiers of each kind stand directly beside each: a pair has one
-- row of link.
-- name: FindingNeighbours :many
select s.digest::uuid as digest, p.kind, count(*) as count, min(n.at)::timestamptz as first_at
from unnest(@digests::uuid[]) as s (digest)
cross join lateral (
  select l.b as other, l.at from link l where l.workspace_id = @workspace_id and l.identity_version = @identity_version and l.a = s.digest
  union all
  select l.a, l.at from link l where l.workspace_id = @workspace_id and l.identity_version = @identity_version and l.b = s.digest
) as n
join identifier_person p on p.workspace_id = @workspace_id and p.identity_version = @identity_version and p.digest = n.other
group by s.digest, p.kind
order by s.digest, p.kind;

-- The fact by which each was last stated beside another.
-- name: FindingLatestLink :many
select s.digest::uuid as digest, n.at, n.fact
from unnest(@digests::uuid[]) as s (digest)
cross join lateral (
  select x.at, x.fact from (
    select l.at, l.fact from link l where l.workspace_id = @workspace_id and l.identity_version = @identity_version and l.a = s.digest
    union all
    select l.at, l.fact from link l where l.workspace_id = @workspace_id and l.identity_version = @identity_version and l.b = s.digest
  ) as x
  order by x.at desc, x.fact desc
  limit 1
) as n;

-- Contents that copies of a fact stated and that are not in force, the last received
-- first, before a position.
-- name: FindingConflicts :many
select c.fact_id, c.content, c.source_id, c.trust, c.occurred_at, c.received_at, c.body,
       f.kind, f.source_id as force_source_id, f.trust as force_trust, f.occurred_at as force_occurred_at,
       f.received_at as force_received_at, f.body as force_body
from fact_conflict c
join fact f on f.workspace_id = c.workspace_id and f.fact_id = c.fact_id
where c.workspace_id = @workspace_id
  and (c.received_at, c.fact_id, c.content) < (@before_at::timestamptz, @before_fact::uuid, @before_content::uuid)
order by c.received_at desc, c.fact_id desc, c.content desc
limit @most;
