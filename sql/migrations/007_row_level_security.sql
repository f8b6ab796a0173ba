-- touchline_api sees one workspace: the one its transaction names.

set local role touchline_worker;

do $$
declare
  guarded text;
begin
  foreach guarded in array array[
    'workspace', 'source', 'policy', 'fact', 'fact_conflict', 'fact_ref', 'identifier', 'touched',
    'ledger_batch', 'ledger', 'quarantine', 'link', 'identifier_person', 'claim', 'message',
    'conversion', 'credit', 'rollup_credit', 'rollup_message'
  ] loop
    execute format('alter table %I enable row level security', guarded);
    execute format(
      'create policy one_workspace on %I to touchline_api using (workspace_id = nullif(current_setting(''touchline.workspace_id'', true), '''')::uuid)',
      guarded);
    execute format('grant select, delete on %I to touchline_api', guarded);
  end loop;
end
$$;
grant select on attribution to touchline_api;
grant insert, update on workspace, source, policy to touchline_api;
grant update on quarantine to touchline_api;

---- create above / drop below ----

set local role touchline_worker;

do $$
declare
  guarded text;
begin
  foreach guarded in array array[
    'workspace', 'source', 'policy', 'fact', 'fact_conflict', 'fact_ref', 'identifier', 'touched',
    'ledger_batch', 'ledger', 'quarantine', 'link', 'identifier_person', 'claim', 'message',
    'conversion', 'credit', 'rollup_credit', 'rollup_message'
  ] loop
    execute format('revoke all on %I from touchline_api', guarded);
    execute format('drop policy one_workspace on %I', guarded);
    execute format('alter table %I disable row level security', guarded);
  end loop;
  revoke all on attribution from touchline_api;
end
$$;
