-- Who builds a version. It keeps in memory which facts hang together; when another process
-- derived meanwhile it has to find that out again, so the others leave it alone while it is
-- at it.

set local role touchline_worker;

alter table policy
  add column build_leader uuid,        -- the process that derived the workspace last, since the build began
  add column build_led_at timestamptz; -- when

---- create above / drop below ----

set local role touchline_worker;

alter table policy
  drop column build_leader,
  drop column build_led_at;
