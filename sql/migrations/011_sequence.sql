-- Gaps in the numbers of receipts, and what happens to hits in quarantine.

set local role touchline_worker;

-- How far the numbers of an epoch and shard are known to reach: the largest one that
-- was ever seen appended, in Redis or in receipt. Numbers reach Redis in order, so each
-- at or below it has been in the stream. Kept here because Redis may lose its own.
create table sequence (
  epoch      uuid        not null,
  shard      integer     not null,
  appended   bigint      not null,
  complete   boolean     not null default false, -- all are stored and nothing was added for a month: not looked at any more
  updated_at timestamptz not null,
  primary key (epoch, shard)
);
create index sequence_open on sequence (epoch, shard) where not complete;

-- Numbers that have been in the stream and are neither there nor stored: lost hits. Not
-- of one workspace: who sent them is lost with them.
create table sequence_gap (
  gap_id         uuid        not null primary key default gen_random_uuid(),
  epoch          uuid        not null,
  shard          integer     not null,
  first          bigint      not null,
  last           bigint      not null, -- inclusive
  found_at       timestamptz not null,
  closed_at      timestamptz,          -- they turned up after all
  written_off_at timestamptz,
  written_off_by text                  -- who took note of the loss
);
create index sequence_gap_open on sequence_gap (epoch, shard) where closed_at is null and written_off_at is null;
grant select on sequence_gap to touchline_api;

-- How many hits the books of erased workspaces held, and how many were lost together with
-- the books that counted them: so many receipts, which are of
-- no workspace, are known beside those that the terms tell of.
create table ledger_erased (
  shard integer not null primary key,
  hits  bigint  not null
);
grant select, insert, update on ledger_erased to touchline_api;

alter table quarantine
  add column hit        boolean not null default false, -- raw is an encoded hit; else what a sender sent, which only the edge can read
  add column outcome    text,                           -- what it counts as since it was replayed
  add column dropped_at timestamptz,                    -- raw was forgotten
  add column asked_at   timestamptz,                    -- a replay is due
  add column asked_by   text;
update quarantine set hit = true
where reason in ('unknown_version', 'malformed', 'unstorable') and length(raw) > 0;
create index quarantine_asked on quarantine (asked_at, workspace_id, quarantine_id) where asked_at is not null;

---- create above / drop below ----

set local role touchline_worker;

drop index quarantine_asked;
alter table quarantine drop column hit, drop column outcome, drop column dropped_at, drop column asked_at, drop column asked_by;
drop table ledger_erased;
drop table sequence_gap;
drop table sequence;
