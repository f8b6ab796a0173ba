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

---- create above / drop below ----

set local role touchline_worker;

drop table comparison;
drop index policy_to_empty;
update policy set state = 'superseded' where state = 'discarded';
alter table policy drop constraint policy_state_check;
alter table policy add constraint policy_state_check check (state in ('building', 'live', 'superseded'));
alter table policy drop column kind, drop column check_only, drop column replaced_by, drop column emptied_at;
