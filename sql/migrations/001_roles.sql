-- Two roles share one DATABASE_URL; each process takes its own with SET ROLE.
--   touchline_worker  owns the tables, so row-level security does not bind it: it
--                     serves every workspace, and COPY into a table under
--                     row-level security is refused.
--   touchline_api     is bound: it sees the workspace named by the setting
--                     touchline.workspace_id and nothing when that is not set.
-- Roles belong to the whole server, so another database may have made them already.
do $$
declare
  wanted text;
begin
  foreach wanted in array array['touchline_worker', 'touchline_api'] loop
    begin
      execute format('create role %I nologin', wanted);
    exception
      when duplicate_object or unique_violation then null;
    end;
    -- "usage", not "member": since Postgres 16 the maker of a role is its member
    -- without the right to take it.
    if not pg_has_role(current_user, wanted, 'usage') then
      begin
        execute format('grant %I to %I', wanted, current_user);
      exception
        when internal_error or unique_violation then null; -- another database's migration granted it this moment
      end;
    end if;
  end loop;
  execute format('grant usage, create on schema %I to touchline_worker', current_schema());
  execute format('grant usage on schema %I to touchline_api', current_schema());
end
$$;

---- create above / drop below ----

-- The roles stay: other databases of this server may use them. What they were
-- given in this schema goes.
do $$
begin
  execute format('revoke all on schema %I from touchline_worker, touchline_api', current_schema());
end
$$;
