-- The books: every acknowledged hit is in exactly one counted state.

set local role touchline_worker;

-- Which receipts have been stored, as ranges of numbers. A number that is in here
-- and arrives again is a redelivery and counts nowhere. Not of one workspace: an
-- edge numbers the hits of all of them.
create table receipt (
  epoch      uuid           not null,
  shard      integer        not null,
  seen       int8multirange not null,
  updated_at timestamptz    not null,
  primary key (epoch, shard)
);

-- A batch is what one consumer stored of one shard in one transaction; a consumer
-- numbers its batches of a shard from 1. Rows of batch live from the commit until
-- Redis has forgotten the batch's entries ("settled"). Any worker may settle a
-- committed batch, so a crash in between leaves nothing behind.
create table batch (
  consumer     uuid        not null,
  shard        integer     not null,
  batch        bigint      not null,
  entries      text[]      not null, -- stream entry ids
  fields       text[]      not null, -- of each entry, the field of the books that counts it as in flight
  committed_at timestamptz not null,
  primary key (consumer, shard, batch)
);

-- Terms by batch, until they are folded into ledger. The API reads Redis first
-- (accepted, in flight, last settled batch of each consumer and shard, at one
-- instant) and then the terms of exactly the batches settled by then: so the sum
-- is right at every moment and no term is got by subtraction.
create table ledger_batch (
  workspace_id uuid        not null,
  consumer     uuid        not null,
  shard        integer     not null,
  batch        bigint      not null,
  source_id    uuid        not null,
  hour         timestamptz not null,
  stored       bigint      not null default 0,
  duplicate    bigint      not null default 0,
  conflict     bigint      not null default 0,
  rejected     bigint      not null default 0,
  primary key (workspace_id, consumer, shard, batch, source_id, hour)
);

-- By shard too: when Redis has lost a shard, this says how many of its hits there
-- had been.
create table ledger (
  workspace_id uuid        not null,
  source_id    uuid        not null,
  hour         timestamptz not null, -- of receipt, UTC
  shard        integer     not null,
  stored       bigint      not null default 0,
  duplicate    bigint      not null default 0,
  conflict     bigint      not null default 0,
  rejected     bigint      not null default 0,
  primary key (workspace_id, source_id, hour, shard)
);

-- What was refused, with what it was and why. Counted as rejected until replayed.
create table quarantine (
  workspace_id  uuid        not null,
  quarantine_id uuid        not null,
  source_id     uuid        not null,
  epoch         uuid        not null,
  shard         integer     not null,
  number        bigint      not null,
  reason        text        not null,
  detail        text        not null,
  raw           bytea       not null, -- sealed (AES-GCM), nonce first; empty: nothing was kept
  tries         integer     not null default 1,
  received_at   timestamptz not null,
  created_at    timestamptz not null,
  replayed_at   timestamptz,
  primary key (workspace_id, quarantine_id)
);
create unique index quarantine_receipt on quarantine (workspace_id, epoch, shard, number);
create index quarantine_reason on quarantine (workspace_id, reason, created_at);

---- create above / drop below ----

drop table quarantine;
drop table ledger;
drop table ledger_batch;
drop table batch;
drop table receipt;
