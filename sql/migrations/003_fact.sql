-- What was reported, and which of it is still to be concluded from.

set local role touchline_worker;

-- One row a fact: the copy that wins (attribution.md section 1).
create table fact (
  workspace_id uuid        not null,
  fact_id      uuid        not null, -- hash of the fact's key (hit.Fact.Key)
  kind         text        not null,
  source_id    uuid        not null,
  trust        smallint    not null check (trust between 1 and 3),
  occurred_at  timestamptz not null check (isfinite(occurred_at)),
  whole_second boolean     not null, -- occurred_at was given in whole seconds
  received_at  timestamptz not null check (isfinite(received_at)),
  flags        text[]      not null default '{}',
  content      uuid        not null, -- hash of body
  body         bytea       not null, -- canonical JSON without times, identifiers as keyed digests
  primary key (workspace_id, fact_id)
);

-- Contents that copies of a fact stated and that differ from the one in force, each
-- with its earliest statement. A content here and in fact has been seen: stating
-- it again is a duplicate.
create table fact_conflict (
  workspace_id uuid        not null,
  fact_id      uuid        not null,
  content      uuid        not null,
  body         bytea       not null,
  source_id    uuid        not null, -- from here: of its earliest statement
  trust        smallint    not null,
  occurred_at  timestamptz not null,
  whole_second boolean     not null,
  received_at  timestamptz not null,
  primary key (workspace_id, fact_id, content)
);

-- Everything by which facts find one another.
create table fact_ref (
  workspace_id uuid        not null,
  value        uuid        not null, -- hash of kind and value; of an identifier, of its digest
  fact_id      uuid        not null,
  kind         smallint    not null, -- see package fact
  at           timestamptz not null,
  primary key (workspace_id, value, fact_id)
);
create index fact_ref_fact on fact_ref (workspace_id, fact_id);

-- An identifier is stored once: a keyed digest to compare, a ciphertext to show to
-- those who may see it.
create table identifier (
  workspace_id uuid        not null,
  digest       uuid        not null, -- HMAC-SHA-256 over kind and value, first 16 bytes
  kind         text        not null check (kind in ('user_id', 'phone', 'bsuid', 'email', 'device')),
  folded       uuid        not null, -- the same of the case-folded value, for the block list
  ciphertext   bytea       not null, -- AES-256-GCM, nonce first
  key_id       smallint    not null, -- which master key sealed it
  created_at   timestamptz not null,
  primary key (workspace_id, digest)
);
create index identifier_folded on identifier (workspace_id, folded); -- for the block list, at each derivation

-- Facts that came or changed since conclusions were last drawn. Appended by
-- consume, read and deleted (exactly the rows read) by derive. A row is one hit
-- that the books still count as pending; term says what it becomes.
create table touched (
  workspace_id uuid        not null,
  seq          bigint      not null generated always as identity,
  fact_id      uuid        not null,
  old_refs     uuid[]      not null, -- what a replaced copy withdraws
  new_refs     uuid[]      not null,
  source_id    uuid        not null,
  hour         timestamptz not null, -- of receipt
  term         text        not null check (term in ('stored', 'duplicate', 'conflict')),
  consumer     uuid        not null, -- consumer, shard, batch: see ledger_batch
  shard        integer     not null,
  batch        bigint      not null,
  primary key (workspace_id, seq)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_insert_scale_factor = 0);

---- create above / drop below ----

drop table touched;
drop table identifier;
drop table fact_ref;
drop table fact_conflict;
drop table fact;
