-- Nothing asks for messages by the time they were sent: an entry in this index was written
-- for each of them, and again whenever one changed.

set local role touchline_worker;

drop index message_sent;

---- create above / drop below ----

set local role touchline_worker;

create index message_sent on message (workspace_id, version, sent_at);
