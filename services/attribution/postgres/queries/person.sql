-- name: PersonList :many
select digest, kind, person_id, shared
from identifier_person
where workspace_id = @workspace_id and identity_version = @identity_version and digest = any(@digests::uuid[]);

-- name: PersonDelete :exec
delete from identifier_person
where workspace_id = @workspace_id and identity_version = @identity_version and digest = any(@digests::uuid[]);

-- name: PersonUpsert :exec
insert into identifier_person (workspace_id, identity_version, digest, kind, person_id, shared)
select @workspace_id, @identity_version, x.digest, x.kind, x.person_id, x.shared
from (
  select unnest(@digests::uuid[]) as digest, unnest(@kinds::text[]) as kind,
         unnest(@person_ids::uuid[]) as person_id, unnest(@shareds::boolean[]) as shared
) as x
on conflict (workspace_id, identity_version, digest) do update
set person_id = excluded.person_id, shared = excluded.shared;
