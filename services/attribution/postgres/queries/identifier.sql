-- name: IdentifierInsert :exec
-- Rows must come sorted by key.
insert into identifier (workspace_id, digest, kind, folded, ciphertext, key_id, created_at)
select unnest(@workspace_ids::uuid[]), unnest(@digests::uuid[]), unnest(@kinds::text[]), unnest(@foldeds::uuid[]),
  unnest(@ciphertexts::bytea[]), @key_id::smallint, now()
on conflict do nothing;

-- name: IdentifierList :many
select i.workspace_id, i.digest, i.kind, i.folded, i.ciphertext, i.key_id, i.created_at
from identifier i
where i.workspace_id = @workspace_id and i.digest = any (@digests::uuid[]);

-- Any one, to see whether a key opens it.
-- name: IdentifierAny :one
select digest, ciphertext from identifier where workspace_id = @workspace_id order by digest limit 1;
