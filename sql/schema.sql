-- The schema for reading: the up halves of migrations/, one after the other.
-- Generated; after changing a migration run: go test -run TestSchema -update .

-- ----------------------------------------------------------------------
-- 001_roles.sql

-- Two roles share one DATABASE_URL; each process takes its own with SET ROLE.
--   touchline_worker  owns the tables, so row-level security does not bind it: it
--                     serves every workspace, and COPY into a table under
--                     row-level security is refused.
--   touchline_api     is bound: it sees the workspace named by the setting
--                     touchline.workspace_id and nothing when that is not set.
-- Roles belong to the whole server, so another database may have made them already.
do $$
declare
  wanted text;
begin
  foreach wanted in array array['touchline_worker', 'touchline_api'] loop
    begin
      execute format('create role %I nologin', wanted);
    exception
      when duplicate_object or unique_violation then null;
    end;
    -- "usage", not "member": since Postgres 16 the maker of a role is its member
    -- without the right to take it.
    if not pg_has_role(current_user, wanted, 'usage') then
      begin
        execute format('grant %I to %I', wanted, current_user);
      exception
        when internal_error or unique_violation then null; -- another database's migration granted it this moment
      end;
    end if;
  end loop;
  execute format('grant usage, create on schema %I to touchline_worker', current_schema());
  execute format('grant usage on schema %I to touchline_api', current_schema());
end
$$;

-- ----------------------------------------------------------------------
-- 002_workspace.sql

-- Who uses the system and under which rules.

set local role touchline_worker;

create table workspace (
  workspace_id uuid        not null primary key,
  name         text        not null,
  currency     text        not null check (currency ~ '^[A-Z]{3}$'),
  timezone     text        not null,
  country      text        check (country ~ '^[A-Z]{2}$'), -- national phone numbers are read in it
  demo         boolean     not null default false,
  created_at   timestamptz not null
);

create table source (
  workspace_id  uuid        not null references workspace,
  source_id     uuid        not null,
  kind          text        not null,
  name          text        not null,
  country       text        check (country ~ '^[A-Z]{2}$'),
  write_key     text        not null, -- names the source in public pages; of a server source it is a secret
  config        bytea       not null, -- secrets, sealed (AES-GCM)
  created_at    timestamptz not null,
  disabled_at   timestamptz,
  primary key (workspace_id, source_id)
);

-- A version is never changed: a new policy is a new one.
create table policy (
  workspace_id      uuid        not null references workspace,
  version           integer     not null check (version > 0),
  document          jsonb       not null, -- with every default filled in
  identity_version  integer     not null, -- grows when browser_links or the block list change
  reference_version text        not null, -- of phone metadata, site lists, bot patterns, Unicode, currencies
  state             text        not null check (state in ('building', 'live', 'superseded')),
  build_total       bigint      not null default 0, -- facts to walk when the build began
  build_done        bigint      not null default 0, -- of them, walked
  build_cursor      uuid,                            -- the last fact walked, in order of fact_id
  created_at        timestamptz not null,
  created_by        text        not null,
  published_at      timestamptz,
  superseded_at     timestamptz,
  primary key (workspace_id, version)
);
create unique index policy_one_live on policy (workspace_id) where state = 'live';
create unique index policy_one_building on policy (workspace_id) where state = 'building';

-- ----------------------------------------------------------------------
-- 003_fact.sql

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

-- ----------------------------------------------------------------------
-- 004_ledger.sql

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

-- ----------------------------------------------------------------------
-- 005_identity.sql

-- Who is who, per identity version (attribution.md section 2). Written by derive.

set local role touchline_worker;

-- Identifiers that one fact or message stated together, the best link of each pair.
create table link (
  workspace_id     uuid        not null,
  identity_version integer     not null,
  a                uuid        not null, -- digests; a is the one stated as first or primary
  b                uuid        not null,
  trust            smallint    not null,
  at               timestamptz not null,
  fact             text        not null, -- event, click or message id
  position         integer     not null,
  state            text        not null check (state in ('joined', 'refused', 'shared')),
  primary key (workspace_id, identity_version, a, b)
);
create index link_b on link (workspace_id, identity_version, b);
create index link_not_joined on link (workspace_id, identity_version, state) where state <> 'joined';

create table identifier_person (
  workspace_id     uuid    not null,
  identity_version integer not null,
  digest           uuid    not null,
  kind             text    not null,
  person_id        uuid    not null,
  shared           boolean not null default false, -- linked with more than 20 of one kind
  primary key (workspace_id, identity_version, digest)
);
create index identifier_person_person on identifier_person (workspace_id, identity_version, person_id);

-- Who held a device from when on.
create table claim (
  workspace_id     uuid        not null,
  identity_version integer     not null,
  device           uuid        not null, -- digest
  at               timestamptz not null, -- from when on, reaching back counted
  fact             text        not null,
  identify         boolean     not null, -- else a click claim
  holder           uuid        not null, -- digest of the identifier it is for
  primary key (workspace_id, identity_version, device, at, fact, identify)
);

-- ----------------------------------------------------------------------
-- 006_attribution.sql

-- What follows from the facts, per policy version.

set local role touchline_worker;

-- The state of each message: a join over all that was said of it.
create table message (
  workspace_id      uuid        not null,
  version           integer     not null,
  channel           text        not null,
  message_id        text        not null,
  anchor            uuid        not null, -- the reference that its facts share
  sender            text,
  registered        boolean     not null, -- a sender registered it; else known from statuses alone
  session           boolean     not null, -- a chat answer: neither template nor campaign
  template_name     text,
  template_language text,
  campaign          text,
  variant           text,
  person_id         uuid,                 -- of the recipient; null: no recipient was ever named
  category          text,                 -- pricing category
  cost_amount       numeric,
  cost_currency     text,
  sent_at           timestamptz,
  delivered_at      timestamptz,
  read_at           timestamptz,
  clicked_at        timestamptz,
  replied_at        timestamptz,
  failed_at         timestamptz,
  failure_reason    text,
  computed_at       timestamptz not null,
  primary key (workspace_id, version, channel, message_id)
);
create index message_anchor on message (workspace_id, version, anchor);
create index message_sent on message (workspace_id, version, sent_at);

-- One row a conversion and revision. A change supersedes the row and adds the next
-- revision, so that what was once reported can be shown again.
create table conversion (
  workspace_id  uuid        not null,
  version       integer     not null,
  definition    text        not null,
  conversion_id text        not null,
  revision      integer     not null,
  anchor        uuid        not null, -- the reference that its copies share
  event_id      text        not null,
  event_name    text        not null,
  in_thread     boolean     not null,
  event_at      timestamptz not null,
  order_id      text,
  refund        boolean     not null,
  value         numeric     check (value not in ('NaN', 'Infinity', '-Infinity')),
  currency      text,
  person_id     uuid,
  identified    boolean     not null, -- the person has a strong identifier
  flags         text[]      not null default '{}',
  models        text[]      not null, -- the order of credit.weights and credit.credited
  hash          uuid        not null, -- of the row and its credits: equal means nothing to write
  computed_at   timestamptz not null,
  superseded_at timestamptz,
  primary key (workspace_id, version, definition, conversion_id, revision)
);
create unique index conversion_current on conversion (workspace_id, version, definition, conversion_id) where superseded_at is null;
create index conversion_anchor on conversion (workspace_id, version, anchor) where superseded_at is null;
create index conversion_time on conversion (workspace_id, version, event_at, definition, conversion_id) where superseded_at is null;

-- One row a touchpoint of a conversion, all models side by side. An unattributed
-- conversion has one row of channel 'unattributed' with an empty touch_key.
create table credit (
  workspace_id      uuid        not null,
  version           integer     not null,
  definition        text        not null,
  conversion_id     text        not null,
  revision          integer     not null,
  rank              integer     not null, -- order of touchpoints, from 0
  channel           text        not null,
  touch_key         text        not null,
  tier              text,
  touch_at          timestamptz,
  window_seconds    bigint,
  lag_us            bigint,               -- age of the touchpoint, microseconds
  message_channel   text,
  message_id        text,
  template_name     text,
  template_language text,
  campaign          text,
  variant           text,
  weights           bigint[]    not null, -- parts per 10^12, one a model
  credited          numeric[],            -- one a model; null: the conversion has no value
  primary key (workspace_id, version, definition, conversion_id, revision, rank),
  foreign key (workspace_id, version, definition, conversion_id, revision) references conversion on delete cascade
);
create index credit_message on credit (workspace_id, version, message_channel, message_id) where message_id is not null;

-- The attribution table: a row a conversion, touchpoint and model. It joins the
-- message's state when read, so that a late read rewrites nothing.
create view attribution with (security_invoker = true) as
select
  c.workspace_id, c.version, c.definition, c.conversion_id, c.event_id, c.event_name,
  c.in_thread, c.event_at, c.order_id, c.refund, c.value, c.currency, c.person_id, c.flags,
  m.model, m.ordinal as model_ordinal, k.weights[m.ordinal] as weight, k.credited[m.ordinal] as credited_value,
  k.rank, k.channel, k.tier, k.touch_key, k.touch_at, k.window_seconds, k.lag_us,
  k.message_channel, k.message_id, k.template_name, k.template_language, k.campaign, k.variant,
  s.sent_at, s.delivered_at, s.read_at, s.clicked_at, s.replied_at, s.failed_at
from conversion c
join credit k using (workspace_id, version, definition, conversion_id, revision)
cross join lateral unnest(c.models) with ordinality as m (model, ordinal)
left join message s on s.workspace_id = k.workspace_id and s.version = k.version
  and s.channel = k.message_channel and s.message_id = k.message_id
where c.superseded_at is null and k.weights[m.ordinal] <> 0;

-- 15-minute sums, so that half-hour time zones add up. Derive maintains them from
-- the same row differences; '' stands for null in the keys.
create table rollup_credit (
  workspace_id      uuid        not null,
  version           integer     not null,
  bucket            timestamptz not null, -- of the conversion's time
  model             text        not null,
  definition        text        not null,
  channel           text        not null,
  tier              text        not null,
  campaign          text        not null,
  template_name     text        not null,
  template_language text        not null,
  variant           text        not null,
  currency          text        not null,
  touches           bigint      not null, -- rows
  weight            numeric     not null, -- parts per 10^12: 10^12 is one conversion
  credited          numeric     not null,
  primary key (workspace_id, version, bucket, model, definition, channel, tier, campaign, template_name, template_language, variant, currency)
);

create table rollup_message (
  workspace_id      uuid        not null,
  version           integer     not null,
  bucket            timestamptz not null, -- of the earliest time known of the message
  channel           text        not null,
  template_name     text        not null,
  template_language text        not null,
  campaign          text        not null,
  variant           text        not null,
  messages          bigint      not null,
  unregistered      bigint      not null,
  unaddressed       bigint      not null, -- no recipient was ever named
  sent              bigint      not null,
  delivered         bigint      not null,
  read              bigint      not null,
  clicked           bigint      not null,
  replied           bigint      not null,
  failed            bigint      not null,
  primary key (workspace_id, version, bucket, channel, template_name, template_language, campaign, variant)
);

-- ----------------------------------------------------------------------
-- 007_row_level_security.sql

-- touchline_api sees one workspace: the one its transaction names.

set local role touchline_worker;

do $$
declare
  guarded text;
begin
  foreach guarded in array array[
    'workspace', 'source', 'policy', 'fact', 'fact_conflict', 'fact_ref', 'identifier', 'touched',
    'ledger_batch', 'ledger', 'quarantine', 'link', 'identifier_person', 'claim', 'message',
    'conversion', 'credit', 'rollup_credit', 'rollup_message'
  ] loop
    execute format('alter table %I enable row level security', guarded);
    execute format(
      'create policy one_workspace on %I to touchline_api using (workspace_id = nullif(current_setting(''touchline.workspace_id'', true), '''')::uuid)',
      guarded);
    execute format('grant select, delete on %I to touchline_api', guarded);
  end loop;
end
$$;
grant select on attribution to touchline_api;
grant insert, update on workspace, source, policy to touchline_api;
grant update on quarantine to touchline_api;

-- ----------------------------------------------------------------------
-- 008_reach.sql

-- What derive looks up to derive a part of a large person: only what a change can
-- reach (services/attribution/derive/reach.go).

set local role touchline_worker;

-- A reference's facts by time: those of a device or an identifier in a stretch of
-- time. One index serves as key and for this.
alter table fact_ref drop constraint fact_ref_pkey;
alter table fact_ref add primary key (workspace_id, value, at, fact_id);

-- From the first to the last time that a message could earn something: null when it
-- never could. Of messages derived before this migration the end is not known; the
-- year 9999 stands in until they are derived again.
alter table message add column engaged_from timestamptz;
alter table message add column engaged_to timestamptz;
update message
set engaged_from = least(sent_at, delivered_at, read_at, clicked_at, replied_at), engaged_to = '9999-12-31T00:00:00Z'
where coalesce(sent_at, delivered_at, read_at, clicked_at, replied_at) is not null;

create index message_person on message (workspace_id, version, person_id, engaged_to) where person_id is not null;
create index conversion_person on conversion (workspace_id, version, person_id, event_at) where superseded_at is null;
create index claim_holder on claim (workspace_id, identity_version, holder);

-- ----------------------------------------------------------------------
-- 009_recompute.sql

-- Versions that are derived from nothing to check the one in force, and what differs
-- between a version and the one whose place it takes.

set local role touchline_worker;

alter table policy
  add column kind        text        not null default 'policy' check (kind in ('policy', 'recompute')),
  add column check_only  boolean     not null default false, -- of a recompute: compared, never in force
  add column replaced_by integer,                            -- the version that says the same, row by row
  add column emptied_at  timestamptz;                        -- when a discarded version had no rows left

-- 'superseded' was in force and stays readable; the rows of a 'discarded' version are
-- removed in the background: it never came into force, or replaced_by says the same.
alter table policy drop constraint policy_state_check;
alter table policy add constraint policy_state_check check (state in ('building', 'live', 'superseded', 'discarded'));
-- Until now a build that was given up lost its rows at once.
update policy set state = 'discarded', emptied_at = superseded_at where state = 'superseded' and published_at is null;
create index policy_to_empty on policy (workspace_id, version) where state = 'discarded' and emptied_at is null;

-- What a complete build said otherwise than the version in force, found in the
-- transaction that swapped it in.
create table comparison (
  workspace_id uuid        not null,
  version      integer     not null, -- the one that was built
  against      integer     not null, -- the one that was in force
  compared_at  timestamptz not null,
  differences  bigint      not null, -- rows
  document     jsonb       not null, -- package comparison
  primary key (workspace_id, version)
);
alter table comparison enable row level security;
create policy one_workspace on comparison to touchline_api
  using (workspace_id = nullif(current_setting('touchline.workspace_id', true), '')::uuid);
grant select, delete on comparison to touchline_api;

-- ----------------------------------------------------------------------
-- 010_finding.sql

-- What makes the lists of identity findings and of facts that disagree readable page by
-- page: each index holds only rows that are listed, so it costs the others nothing.

set local role touchline_worker;

create index link_refused on link (workspace_id, identity_version, at, a, b) where state = 'refused';
create index identifier_person_shared on identifier_person (workspace_id, identity_version, digest) where shared;
create index fact_conflict_received on fact_conflict (workspace_id, received_at, fact_id, content);

-- ----------------------------------------------------------------------
-- 011_sequence.sql

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

-- ----------------------------------------------------------------------
-- 012_replaced.sql

-- Touched rows of replaced copies, found by their fact: derive asks for those that wait
-- behind the rows at hand. They are few.

set local role touchline_worker;

create index touched_replaced on touched (workspace_id, fact_id) where old_refs <> '{}';

-- ----------------------------------------------------------------------
-- 013_marked.sql

-- How to notice that Redis came back with older data.

set local role touchline_worker;

alter table sequence add column marked bigint not null default 0; -- how far Redis was seen to say that the numbers reach: when it says less it has lost data

-- ----------------------------------------------------------------------
-- 014_lead.sql

-- Who builds a version. It keeps in memory which facts hang together; when another process
-- derived meanwhile it has to find that out again, so the others leave it alone while it is
-- at it.

set local role touchline_worker;

alter table policy
  add column build_leader uuid,        -- the process that derived the workspace last, since the build began
  add column build_led_at timestamptz; -- when

-- ----------------------------------------------------------------------
-- 015_message_sent.sql

-- Nothing asks for messages by the time they were sent: an entry in this index was written
-- for each of them, and again whenever one changed.

set local role touchline_worker;

drop index message_sent;
