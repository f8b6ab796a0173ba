-- name: SequenceRaise :exec
-- Notes how far the numbers reach that are stored.
insert into sequence (epoch, shard, appended, updated_at)
select r.epoch, r.shard, upper(r.seen) - 1, now()
from receipt r
left join sequence s on s.epoch = r.epoch and s.shard = r.shard
where not isempty(r.seen) and (s.epoch is null or s.appended < upper(r.seen) - 1)
order by r.epoch, r.shard
on conflict (epoch, shard) do update
set appended = greatest(sequence.appended, excluded.appended), complete = false, updated_at = now();

-- name: SequenceMark :exec
-- Notes how far the numbers reach that Redis was sent.
insert into sequence (epoch, shard, appended, marked, updated_at)
select unnest(@epochs::uuid[]), unnest(@shards::int[]), unnest(@appended::bigint[]), unnest(@appended::bigint[]), now()
on conflict (epoch, shard) do update
set appended = greatest(sequence.appended, excluded.appended), marked = excluded.marked, complete = false, updated_at = now()
where sequence.appended < excluded.appended or sequence.marked < excluded.marked;

-- name: SequenceMarks :many
-- How far Redis was seen to say that the numbers reach, and how far they are stored.
select s.epoch, s.shard, s.marked, coalesce(upper(r.seen) - 1, 0)::bigint as stored
from sequence s
left join receipt r on r.epoch = s.epoch and r.shard = s.shard
where not s.complete;

-- name: SequenceStored :many
-- How far the numbers of a shard are stored.
select r.epoch, (upper(r.seen) - 1)::bigint as stored
from receipt r
left join sequence s on s.epoch = r.epoch and s.shard = r.shard
where r.shard = @shard and not isempty(r.seen) and not coalesce(s.complete, false);

-- name: SequenceUnmark :exec
-- Forgets what Redis said: its books are made anew.
update sequence set marked = 0 where shard = @shard and marked > 0;

-- name: SequenceMissing :many
-- The numbers that were appended and are neither stored nor among those given, which
-- are in the stream.
with held as (
  select n.epoch, n.shard, range_agg(int8range(n.first, n.last, '[]')) as numbers
  from (select unnest(@epochs::uuid[]) as epoch, unnest(@shards::int[]) as shard, unnest(@firsts::bigint[]) as first, unnest(@lasts::bigint[]) as last) n
  group by n.epoch, n.shard
), missing as (
  select s.epoch, s.shard,
    int8multirange(int8range(1, s.appended, '[]')) - coalesce(r.seen, '{}'::int8multirange) - coalesce(h.numbers, '{}'::int8multirange) as numbers
  from sequence s
  left join receipt r on r.epoch = s.epoch and r.shard = s.shard
  left join held h on h.epoch = s.epoch and h.shard = s.shard
  where not s.complete
)
select m.epoch, m.shard, lower(n)::bigint as first, (upper(n) - 1)::bigint as last
from missing m, unnest(m.numbers) n
order by m.epoch, m.shard, first;

-- name: SequenceGapOpen :many
-- Notes those of the missing numbers that no open gap names, and returns them.
with missing as (
  select n.epoch, n.shard, range_agg(int8range(n.first, n.last, '[]')) as numbers
  from (select unnest(@epochs::uuid[]) as epoch, unnest(@shards::int[]) as shard, unnest(@firsts::bigint[]) as first, unnest(@lasts::bigint[]) as last) n
  group by n.epoch, n.shard
), known as (
  select g.epoch, g.shard, range_agg(int8range(g.first, g.last, '[]')) as numbers
  from sequence_gap g
  where g.closed_at is null and g.written_off_at is null
  group by g.epoch, g.shard
)
insert into sequence_gap (epoch, shard, first, last, found_at)
select m.epoch, m.shard, lower(n)::bigint, (upper(n) - 1)::bigint, @at
from missing m
left join known k on k.epoch = m.epoch and k.shard = m.shard,
unnest(m.numbers - coalesce(k.numbers, '{}'::int8multirange)) n
returning epoch, shard, first, last;

-- name: SequenceGapClose :many
-- Closes of the open gaps what is not among the missing numbers any more, and returns
-- it. What still is stays open.
with missing as (
  select n.epoch, n.shard, range_agg(int8range(n.first, n.last, '[]')) as numbers
  from (select unnest(@epochs::uuid[]) as epoch, unnest(@shards::int[]) as shard, unnest(@firsts::bigint[]) as first, unnest(@lasts::bigint[]) as last) n
  group by n.epoch, n.shard
), open as (
  select g.gap_id, g.epoch, g.shard, g.found_at, int8multirange(int8range(g.first, g.last, '[]')) as numbers,
    coalesce(m.numbers, '{}'::int8multirange) as missing
  from sequence_gap g
  left join missing m on m.epoch = g.epoch and m.shard = g.shard
  where g.closed_at is null and g.written_off_at is null
), gone as (
  delete from sequence_gap where gap_id in (select gap_id from open where not missing @> numbers)
  returning gap_id
), kept as (
  insert into sequence_gap (epoch, shard, first, last, found_at)
  select o.epoch, o.shard, lower(n)::bigint, (upper(n) - 1)::bigint, o.found_at
  from gone join open o on o.gap_id = gone.gap_id, unnest(o.numbers * o.missing) n
)
insert into sequence_gap (epoch, shard, first, last, found_at, closed_at)
select o.epoch, o.shard, lower(n)::bigint, (upper(n) - 1)::bigint, o.found_at, @at
from gone join open o on o.gap_id = gone.gap_id, unnest(o.numbers - o.missing) n
returning epoch, shard, first, last;

-- name: SequenceGapList :many
-- The open gaps first, then the newest of those that are not.
select gap_id, epoch, shard, first, last, found_at, closed_at, written_off_at, written_off_by
from sequence_gap
order by (closed_at is not null or written_off_at is not null), found_at desc, epoch, shard, first
limit @most;

-- name: SequenceGapOpenHits :one
select coalesce(sum(last - first + 1), 0)::bigint as hits
from sequence_gap
where closed_at is null and written_off_at is null;

-- name: SequenceComplete :exec
-- Leaves alone, from now on, epochs of which all numbers are stored and to which nothing
-- was added since the given time.
update sequence s
set complete = true
from receipt r
where r.epoch = s.epoch and r.shard = s.shard and not s.complete and s.updated_at < @before
  and r.seen @> int8range(1, s.appended, '[]');

-- name: SequenceCompleted :many
-- Of the epochs given, those that are complete as far as given.
select s.epoch, s.shard
from (select unnest(@epochs::uuid[]) as epoch, unnest(@shards::int[]) as shard, unnest(@appended::bigint[]) as appended) n
join sequence s on s.epoch = n.epoch and s.shard = n.shard
where s.complete and s.appended = n.appended;

-- name: SequenceGapOpenOf :many
-- The open gaps of a shard, in order of their receipts.
select gap_id, epoch, first, last
from sequence_gap
where shard = @shard and closed_at is null and written_off_at is null
order by epoch, first
limit @most;

-- name: SequenceGapWriteOff :exec
-- Writes off the numbers of an open gap up to the given one; what is behind it, from the
-- next number on, stays open.
with whole as (
  delete from sequence_gap g where g.gap_id = @gap_id and g.closed_at is null and g.written_off_at is null
  returning g.epoch, g.shard, g.first, g.last, g.found_at
), rest as (
  insert into sequence_gap (epoch, shard, first, last, found_at)
  select w.epoch, w.shard, @behind::bigint, w.last, w.found_at from whole w where w.last > @until::bigint
)
insert into sequence_gap (epoch, shard, first, last, found_at, written_off_at, written_off_by)
select w.epoch, w.shard, w.first, @until::bigint, w.found_at, @at, @by::text from whole w;
