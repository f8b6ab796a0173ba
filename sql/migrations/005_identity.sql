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

---- create above / drop below ----

drop table claim;
drop table identifier_person;
drop table link;
