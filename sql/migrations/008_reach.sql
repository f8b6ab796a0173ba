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

---- create above / drop below ----

set local role touchline_worker;

drop index claim_holder;
drop index conversion_person;
drop index message_person;
alter table message drop column engaged_to;
alter table message drop column engaged_from;
alter table fact_ref drop constraint fact_ref_pkey;
alter table fact_ref add primary key (workspace_id, value, fact_id);
