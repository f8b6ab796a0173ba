-- name: PersonList :many
select r.digest, r.kind, r.person_id, r.shared
from (select unnest(@digests::uuid[]) as value) as w
cross join lateral (
  select p.digest, p.kind, p.person_id, p.shared
  from identifier_person p
  where p.workspace_id = @workspace_id and p.identity_version = @identity_version and p.digest between w.value and w.value
  order by p.digest
) as r;

-- name: PersonDelete :exec
delete from identifier_person p
where p.ctid = any(array(
  select r.ctid
  from (select unnest(@digests::uuid[]) as value) as w
  cross join lateral (
    select x.ctid
    from identifier_person x
    where x.workspace_id = @workspace_id and x.identity_version = @identity_version and x.digest between w.value and w.value
    order by x.digest
  ) as r
));

-- name: PersonUpsert :exec
insert into identifier_person (workspace_id, identity_version, digest, kind, person_id, shared)
select @workspace_id, @identity_version, x.digest, x.kind, x.person_id, x.shared
from (
  select unnest(@digests::uuid[]) as digest, unnest(@kinds::text[]) as kind,
         unnest(@person_ids::uuid[]) as person_id, unnest(@shareds::boolean[]) as shared
) as x
on conflict (workspace_id, identity_version, digest) do update
set person_id = excluded.person_id, shared = excluded.shared;
