-- What makes the lists of identity findings and of facts that disagree readable page by
-- page: each index holds only rows that are listed, so it costs the others nothing.

set local role touchline_worker;

create index link_refused on link (workspace_id, identity_version, at, a, b) where state = 'refused';
create index identifier_person_shared on identifier_person (workspace_id, identity_version, digest) where shared;
create index fact_conflict_received on fact_conflict (workspace_id, received_at, fact_id, content);

---- create above / drop below ----

set local role touchline_worker;

drop index fact_conflict_received;
drop index identifier_person_shared;
drop index link_refused;
