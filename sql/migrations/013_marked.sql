-- How to notice that Redis came back with older data.

set local role touchline_worker;

alter table sequence add column marked bigint not null default 0; -- how far Redis was seen to say that the numbers reach: when it says less it has lost data

---- create above / drop below ----

set local role touchline_worker;

alter table sequence drop column marked;
