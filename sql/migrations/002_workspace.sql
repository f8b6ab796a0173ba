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

---- create above / drop below ----

drop table policy;
drop table source;
drop table workspace;
