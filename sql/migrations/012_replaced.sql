-- Touched rows of replaced copies, found by their fact: derive asks for those that wait
-- behind the rows at hand. They are few.

set local role touchline_worker;

create index touched_replaced on touched (workspace_id, fact_id) where old_refs <> '{}';

---- create above / drop below ----

set local role touchline_worker;

drop index touched_replaced;
