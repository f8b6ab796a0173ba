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

---- create above / drop below ----

drop table rollup_message;
drop table rollup_credit;
drop view attribution;
drop table credit;
drop table conversion;
drop table message;
