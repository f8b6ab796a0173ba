-- What the version built says otherwise than the one in force (against). Each query
-- joins the two in full, on their keys, and so works on sets whatever their size;
-- rows are shown of the first few differing keys alone.

-- Nothing is known of how many rows a fresh version has: a plan for one row would
-- loop over a million, or fetch each of them by an index, or sort what is better hashed.
-- An index says which pages to read. Where a loop is needed all the same its price looks
-- enormous, which would have the query compiled. Sorting and hashing may use more than usual.
-- name: ComparisonPlan :exec
select set_config('enable_nestloop', 'off', true), set_config('enable_mergejoin', 'off', true), set_config('enable_indexscan', 'off', true),
  set_config('jit', 'off', true), set_config('work_mem', '64MB', true), set_config('plan_cache_mode', 'auto', true);

-- A conversion differs when its row does or any of its credits: what was damaged in
-- place leaves the hash as it was. Whatever the credits of differing conversions
-- add up to in one version and not in the other was gained or lost; moved is what one
-- conversion lost on some channels and gained on others.
-- Each table is read once for each version, and what is kept in between is narrow: whole rows
-- kept for several joins cost more than the joins. So credits are joined with each other, not
-- each version's with its conversions first. Those of the current revision are meant: the first
-- one, unless another is current (revised). Those of conversions that have no current revision
-- are left: they find no pair, or one that counts the other version's alone, having no models.
-- Credits that are the same in both versions add nothing, unless their models or their
-- currency are not (recounted). A pair's id is where one of its rows lies.
-- name: ComparisonConversions :one
with pair as materialized (
  select coalesce(o.place, n.place) as id, coalesce(o.definition, n.definition) as definition, coalesce(o.conversion_id, n.conversion_id) as conversion_id,
         o.revision as old_revision, n.revision as new_revision, o.models as old_models, n.models as new_models,
         coalesce(o.currency, '') as old_currency, coalesce(n.currency, '') as new_currency,
         (o.hash, o.anchor, o.event_id, o.event_name, o.in_thread, o.event_at, o.order_id, o.refund, o.value, o.currency, o.person_id,
          o.identified, o.flags, o.models)
      is distinct from
         (n.hash, n.anchor, n.event_id, n.event_name, n.in_thread, n.event_at, n.order_id, n.refund, n.value, n.currency, n.person_id,
          n.identified, n.flags, n.models) as changed,
         (o.models, o.currency) is distinct from (n.models, n.currency) as recounted
  from (select c.*, c.ctid::tid as place from conversion c where c.workspace_id = @workspace_id and c.version = @against and c.superseded_at is null) o
  full join (select c.*, c.ctid::tid as place from conversion c where c.workspace_id = @workspace_id and c.version = @version and c.superseded_at is null) n
    on o.definition = n.definition and o.conversion_id = n.conversion_id
),
revised as materialized (
  select p.definition, p.conversion_id, p.old_revision, p.new_revision from pair p where p.old_revision > 1 or p.new_revision > 1
),
recredited as (
  select coalesce(o.definition, n.definition) as definition, coalesce(o.conversion_id, n.conversion_id) as conversion_id,
         o.channel as old_channel, o.weights as old_weights, o.credited as old_credited,
         n.channel as new_channel, n.weights as new_weights, n.credited as new_credited
  from (
    select k.* from credit k
    where k.workspace_id = @workspace_id and k.version = @against and (
      k.revision = 1 and ((k.definition, k.conversion_id) in (select r.definition, r.conversion_id from revised r where r.old_revision > 1)) is not true
      or (k.definition, k.conversion_id, k.revision) in (select r.definition, r.conversion_id, r.old_revision from revised r where r.old_revision > 1))
  ) o
  full join (
    select k.* from credit k
    where k.workspace_id = @workspace_id and k.version = @version and (
      k.revision = 1 and ((k.definition, k.conversion_id) in (select r.definition, r.conversion_id from revised r where r.new_revision > 1)) is not true
      or (k.definition, k.conversion_id, k.revision) in (select r.definition, r.conversion_id, r.new_revision from revised r where r.new_revision > 1))
  ) n on o.definition = n.definition and o.conversion_id = n.conversion_id and o.rank = n.rank
  where (o.channel, o.touch_key, o.tier, o.touch_at, o.window_seconds, o.lag_us, o.message_channel, o.message_id, o.template_name,
         o.template_language, o.campaign, o.variant, o.weights, o.credited)
     is distinct from
        (n.channel, n.touch_key, n.tier, n.touch_at, n.window_seconds, n.lag_us, n.message_channel, n.message_id, n.template_name,
         n.template_language, n.campaign, n.variant, n.weights, n.credited)
     or (coalesce(o.definition, n.definition), coalesce(o.conversion_id, n.conversion_id)) in (select p.definition, p.conversion_id from pair p where p.recounted)
),
altered as materialized (
  select p.id, p.changed, p.old_models, p.old_currency, p.new_models, p.new_currency,
         p.recounted or (a.old_channel, a.old_weights, a.old_credited) is distinct from (a.new_channel, a.new_weights, a.new_credited) as moved,
         a.old_channel, a.old_weights, a.old_credited,
         a.new_channel, a.new_weights, a.new_credited
  from recredited a join pair p on p.definition = a.definition and p.conversion_id = a.conversion_id
),
judged as materialized (
  select p.definition, p.conversion_id, p.old_revision, p.new_revision, p.changed or p.id in (select a.id from altered a where not a.changed) as differs
  from pair p
),
differing as (select j.* from judged j where j.differs),
share as (
  select s.id, s.model, s.channel, s.currency, s.weight, coalesce(s.credited, 0) as credited
  from (
    select a.id, a.old_channel as channel, a.old_currency as currency,
           unnest(a.old_models) as model, -unnest(a.old_weights) as weight, -unnest(a.old_credited) as credited
    from altered a
    where a.moved
    union all
    select a.id, a.new_channel, a.new_currency, unnest(a.new_models), unnest(a.new_weights), unnest(a.new_credited)
    from altered a
    where a.moved
  ) s
  where s.model is not null and (s.weight <> 0 or s.credited <> 0)
),
shift as materialized (
  select s.id, s.model, s.channel, s.currency, sum(s.weight) as weight, sum(s.credited) as credited
  from share s
  group by s.id, s.model, s.channel, s.currency
  having sum(s.weight) <> 0 or sum(s.credited) <> 0
),
channel_shift as (
  select s.model, s.channel, s.currency,
         sum(greatest(s.weight, 0)) as weight_gained, sum(greatest(-s.weight, 0)) as weight_lost,
         sum(greatest(s.credited, 0)) as credited_gained, sum(greatest(-s.credited, 0)) as credited_lost
  from shift s
  group by s.model, s.channel, s.currency
),
conversion_move as (
  select s.model, s.currency,
         least(sum(greatest(s.weight, 0)), sum(greatest(-s.weight, 0))) as weight,
         least(sum(greatest(s.credited, 0)), sum(greatest(-s.credited, 0))) as credited
  from shift s
  group by s.id, s.model, s.currency
),
move as (
  select m.model, m.currency, sum(m.weight) as weight, sum(m.credited) as credited
  from conversion_move m
  group by m.model, m.currency
  having sum(m.weight) <> 0 or sum(m.credited) <> 0
),
shown as (
  select d.definition, d.conversion_id, d.old_revision, d.new_revision
  from differing d
  order by d.definition, d.conversion_id
  limit @most
)
select
  total.before, total.after, total.only_before, total.only_after, total.changed,
  (select coalesce(jsonb_agg(jsonb_build_object(
      'before', (
        select to_jsonb(c.*) || jsonb_build_object('credits', (
          select jsonb_agg(to_jsonb(k.*) - '{workspace_id,version,definition,conversion_id,revision}'::text[] order by k.rank)
          from credit k
          where k.workspace_id = c.workspace_id and k.version = c.version and k.definition = c.definition
            and k.conversion_id = c.conversion_id and k.revision = c.revision))
        from conversion c
        where c.workspace_id = @workspace_id and c.version = @against and c.definition = s.definition
          and c.conversion_id = s.conversion_id and c.revision = s.old_revision),
      'after', (
        select to_jsonb(c.*) || jsonb_build_object('credits', (
          select jsonb_agg(to_jsonb(k.*) - '{workspace_id,version,definition,conversion_id,revision}'::text[] order by k.rank)
          from credit k
          where k.workspace_id = c.workspace_id and k.version = c.version and k.definition = c.definition
            and k.conversion_id = c.conversion_id and k.revision = c.revision))
        from conversion c
        where c.workspace_id = @workspace_id and c.version = @version and c.definition = s.definition
          and c.conversion_id = s.conversion_id and c.revision = s.new_revision)
    ) order by s.definition, s.conversion_id), '[]') from shown s)::jsonb as rows,
  (select coalesce(jsonb_agg(jsonb_build_object(
      'model', x.model, 'channel', x.channel, 'currency', x.currency,
      'weight_gained', x.weight_gained::text, 'weight_lost', x.weight_lost::text,
      'gained', x.credited_gained::text, 'lost', x.credited_lost::text)), '[]') from channel_shift x)::jsonb as shifts,
  (select coalesce(jsonb_agg(jsonb_build_object(
      'model', x.model, 'currency', x.currency, 'weight', x.weight::text, 'credited', x.credited::text)
      order by x.model, x.currency), '[]') from move x)::jsonb as moved
from (
  select count(p.old_revision) as before, count(p.new_revision) as after,
         count(*) filter (where p.new_revision is null) as only_before, count(*) filter (where p.old_revision is null) as only_after,
         count(*) filter (where p.differs and p.old_revision is not null and p.new_revision is not null) as changed
  from judged p
) total;

-- name: ComparisonMessages :one
with differing as materialized (
  select coalesce(o.channel, n.channel) as channel, coalesce(o.message_id, n.message_id) as message_id,
         o.anchor is not null as old, n.anchor is not null as new
  from (select m.* from message m where m.workspace_id = @workspace_id and m.version = @against) o
  full join (select m.* from message m where m.workspace_id = @workspace_id and m.version = @version) n on o.channel = n.channel and o.message_id = n.message_id
  where (o.anchor, o.sender, o.registered, o.session, o.template_name, o.template_language, o.campaign, o.variant, o.person_id,
         o.category, o.cost_amount, o.cost_currency, o.sent_at, o.delivered_at, o.read_at, o.clicked_at, o.replied_at, o.failed_at,
         o.failure_reason, o.engaged_from, o.engaged_to)
     is distinct from
        (n.anchor, n.sender, n.registered, n.session, n.template_name, n.template_language, n.campaign, n.variant, n.person_id,
         n.category, n.cost_amount, n.cost_currency, n.sent_at, n.delivered_at, n.read_at, n.clicked_at, n.replied_at, n.failed_at,
         n.failure_reason, n.engaged_from, n.engaged_to)
),
shown as (select d.channel, d.message_id from differing d order by d.channel, d.message_id limit @most)
select
  (select count(*) from message m where m.workspace_id = @workspace_id and m.version = @against) as before,
  (select count(*) from message m where m.workspace_id = @workspace_id and m.version = @version) as after,
  (select count(*) from differing d where not d.new) as only_before,
  (select count(*) from differing d where not d.old) as only_after,
  (select count(*) from differing d where d.old and d.new) as changed,
  (select coalesce(jsonb_agg(jsonb_build_object(
      'before', (select to_jsonb(m.*) from message m
        where m.workspace_id = @workspace_id and m.version = @against and m.channel = s.channel and m.message_id = s.message_id),
      'after', (select to_jsonb(m.*) from message m
        where m.workspace_id = @workspace_id and m.version = @version and m.channel = s.channel and m.message_id = s.message_id)
    ) order by s.channel, s.message_id), '[]') from shown s)::jsonb as rows;

-- Persons, links and claims belong to identity versions.
-- name: ComparisonPersons :one
with differing as materialized (
  select coalesce(o.digest, n.digest) as digest, o.kind is not null as old, n.kind is not null as new
  from (select p.* from identifier_person p where p.workspace_id = @workspace_id and p.identity_version = @against) o
  full join (select p.* from identifier_person p where p.workspace_id = @workspace_id and p.identity_version = @version) n on o.digest = n.digest
  where (o.kind, o.person_id, o.shared) is distinct from (n.kind, n.person_id, n.shared)
),
shown as (select d.digest from differing d order by d.digest limit @most)
select
  (select count(*) from identifier_person p where p.workspace_id = @workspace_id and p.identity_version = @against) as before,
  (select count(*) from identifier_person p where p.workspace_id = @workspace_id and p.identity_version = @version) as after,
  (select count(*) from differing d where not d.new) as only_before,
  (select count(*) from differing d where not d.old) as only_after,
  (select count(*) from differing d where d.old and d.new) as changed,
  (select coalesce(jsonb_agg(jsonb_build_object(
      'before', (select to_jsonb(p.*) from identifier_person p
        where p.workspace_id = @workspace_id and p.identity_version = @against and p.digest = s.digest),
      'after', (select to_jsonb(p.*) from identifier_person p
        where p.workspace_id = @workspace_id and p.identity_version = @version and p.digest = s.digest)
    ) order by s.digest), '[]') from shown s)::jsonb as rows;

-- name: ComparisonLinks :one
with differing as materialized (
  select coalesce(o.a, n.a) as a, coalesce(o.b, n.b) as b, o.trust is not null as old, n.trust is not null as new
  from (select l.* from link l where l.workspace_id = @workspace_id and l.identity_version = @against) o
  full join (select l.* from link l where l.workspace_id = @workspace_id and l.identity_version = @version) n on o.a = n.a and o.b = n.b
  where (o.trust, o.at, o.fact, o.position, o.state) is distinct from (n.trust, n.at, n.fact, n.position, n.state)
),
shown as (select d.a, d.b from differing d order by d.a, d.b limit @most)
select
  (select count(*) from link l where l.workspace_id = @workspace_id and l.identity_version = @against) as before,
  (select count(*) from link l where l.workspace_id = @workspace_id and l.identity_version = @version) as after,
  (select count(*) from differing d where not d.new) as only_before,
  (select count(*) from differing d where not d.old) as only_after,
  (select count(*) from differing d where d.old and d.new) as changed,
  (select coalesce(jsonb_agg(jsonb_build_object(
      'before', (select to_jsonb(l.*) from link l
        where l.workspace_id = @workspace_id and l.identity_version = @against and l.a = s.a and l.b = s.b),
      'after', (select to_jsonb(l.*) from link l
        where l.workspace_id = @workspace_id and l.identity_version = @version and l.a = s.a and l.b = s.b)
    ) order by s.a, s.b), '[]') from shown s)::jsonb as rows;

-- name: ComparisonClaims :one
with differing as materialized (
  select coalesce(o.device, n.device) as device, coalesce(o.at, n.at) as at, coalesce(o.fact, n.fact) as fact,
         coalesce(o.identify, n.identify) as identify, o.holder is not null as old, n.holder is not null as new
  from (select c.* from claim c where c.workspace_id = @workspace_id and c.identity_version = @against) o
  full join (select c.* from claim c where c.workspace_id = @workspace_id and c.identity_version = @version) n
    on o.device = n.device and o.at = n.at and o.fact = n.fact and o.identify = n.identify
  where o.holder is distinct from n.holder
),
shown as (
  select d.device, d.at, d.fact, d.identify from differing d order by d.device, d.at, d.fact, d.identify limit @most
)
select
  (select count(*) from claim c where c.workspace_id = @workspace_id and c.identity_version = @against) as before,
  (select count(*) from claim c where c.workspace_id = @workspace_id and c.identity_version = @version) as after,
  (select count(*) from differing d where not d.new) as only_before,
  (select count(*) from differing d where not d.old) as only_after,
  (select count(*) from differing d where d.old and d.new) as changed,
  (select coalesce(jsonb_agg(jsonb_build_object(
      'before', (select to_jsonb(c.*) from claim c
        where c.workspace_id = @workspace_id and c.identity_version = @against
          and c.device = s.device and c.at = s.at and c.fact = s.fact and c.identify = s.identify),
      'after', (select to_jsonb(c.*) from claim c
        where c.workspace_id = @workspace_id and c.identity_version = @version
          and c.device = s.device and c.at = s.at and c.fact = s.fact and c.identify = s.identify)
    ) order by s.device, s.at, s.fact, s.identify), '[]') from shown s)::jsonb as rows;

-- A rollup's row of nothing is as good as none.
-- name: ComparisonCreditRollups :one
with old_sum as (
  select r.* from rollup_credit r
  where r.workspace_id = @workspace_id and r.version = @against and (r.touches, r.weight, r.credited) is distinct from (0, 0, 0)
),
new_sum as (
  select r.* from rollup_credit r
  where r.workspace_id = @workspace_id and r.version = @version and (r.touches, r.weight, r.credited) is distinct from (0, 0, 0)
),
differing as materialized (
  select to_jsonb(o.*) as old, to_jsonb(n.*) as new
  from old_sum o
  full join new_sum n on o.bucket = n.bucket and o.model = n.model and o.definition = n.definition and o.channel = n.channel and o.tier = n.tier
    and o.campaign = n.campaign and o.template_name = n.template_name and o.template_language = n.template_language and o.variant = n.variant and o.currency = n.currency
  where (o.touches, o.weight, o.credited) is distinct from (n.touches, n.weight, n.credited)
),
shown as (
  select jsonb_build_object('before', d.old, 'after', d.new) as line, coalesce(d.old, d.new) - 'version' as key
  from differing d order by 2 limit @most
)
select
  (select count(*) from old_sum) as before,
  (select count(*) from new_sum) as after,
  (select count(*) from differing d where d.new is null) as only_before,
  (select count(*) from differing d where d.old is null) as only_after,
  (select count(*) from differing d where d.old is not null and d.new is not null) as changed,
  (select coalesce(jsonb_agg(s.line order by s.key), '[]') from shown s)::jsonb as rows;

-- name: ComparisonMessageRollups :one
with old_sum as (
  select r.* from rollup_message r
  where r.workspace_id = @workspace_id and r.version = @against
    and (r.messages, r.unregistered, r.unaddressed, r.sent, r.delivered, r.read, r.clicked, r.replied, r.failed)
        is distinct from (0, 0, 0, 0, 0, 0, 0, 0, 0)
),
new_sum as (
  select r.* from rollup_message r
  where r.workspace_id = @workspace_id and r.version = @version
    and (r.messages, r.unregistered, r.unaddressed, r.sent, r.delivered, r.read, r.clicked, r.replied, r.failed)
        is distinct from (0, 0, 0, 0, 0, 0, 0, 0, 0)
),
differing as materialized (
  select to_jsonb(o.*) as old, to_jsonb(n.*) as new
  from old_sum o
  full join new_sum n 
    on o.bucket = n.bucket and o.channel = n.channel and o.template_name = n.template_name and o.template_language = n.template_language and o.campaign = n.campaign and o.variant = n.variant
  where (o.messages, o.unregistered, o.unaddressed, o.sent, o.delivered, o.read, o.clicked, o.replied, o.failed)
     is distinct from
        (n.messages, n.unregistered, n.unaddressed, n.sent, n.delivered, n.read, n.clicked, n.replied, n.failed)
),
shown as (
  select jsonb_build_object('before', d.old, 'after', d.new) as line, coalesce(d.old, d.new) - 'version' as key
  from differing d order by 2 limit @most
)
select
  (select count(*) from old_sum) as before,
  (select count(*) from new_sum) as after,
  (select count(*) from differing d where d.new is null) as only_before,
  (select count(*) from differing d where d.old is null) as only_after,
  (select count(*) from differing d where d.old is not null and d.new is not null) as changed,
  (select coalesce(jsonb_agg(s.line order by s.key), '[]') from shown s)::jsonb as rows;

-- What each model gives each channel in both versions.
-- name: ComparisonSums :many
select model, channel, currency,
       coalesce(sum(weight) filter (where version = @against), 0)::text as weight_before,
       coalesce(sum(weight) filter (where version = @version), 0)::text as weight_after,
       coalesce(sum(credited) filter (where version = @against), 0)::text as credited_before,
       coalesce(sum(credited) filter (where version = @version), 0)::text as credited_after
from rollup_credit
where workspace_id = @workspace_id and version in (@against, @version)
group by model, channel, currency
having count(*) filter (where touches <> 0) > 0
order by model, channel, currency;

-- name: ComparisonInsert :exec
insert into comparison (workspace_id, version, against, compared_at, differences, document)
values (@workspace_id, @version, @against, @compared_at, @differences, @document);

-- name: ComparisonGet :one
select workspace_id, version, against, compared_at, differences, document
from comparison
where workspace_id = @workspace_id and version = @version;
