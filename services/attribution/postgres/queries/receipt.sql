-- name: ReceiptInsertMissing :exec
insert into receipt (epoch, shard, seen, updated_at)
select unnest(@epochs::uuid[]), unnest(@shards::int[]), '{}'::int8multirange, now()
on conflict do nothing;

-- name: ReceiptLock :exec
-- Taken before anything else of a batch and in order of the key: two workers that
-- hold copies of one entry pass here one after the other.
select count(*) from (
  select 1 from receipt
  where (epoch, shard) in (select unnest(@epochs::uuid[]), unnest(@shards::int[]))
  order by epoch, shard
  for update
) locked;

-- name: ReceiptKnown :many
-- Of the numbers given, those that have been stored. Needs a statement of its own:
-- in READ COMMITTED it sees what was committed before the lock was got.
select r.epoch, r.shard, k.number::bigint as number
from (select unnest(@epochs::uuid[]) as epoch, unnest(@shards::int[]) as shard, unnest(@numbers::bigint[]) as number) k
join receipt r on r.epoch = k.epoch and r.shard = k.shard
where r.seen @> k.number;

-- name: ReceiptAdd :exec
update receipt r
set seen = r.seen + k.added, updated_at = now()
from (
  select n.epoch, n.shard, range_agg(int8range(n.number, n.number, '[]')) as added
  from (select unnest(@epochs::uuid[]) as epoch, unnest(@shards::int[]) as shard, unnest(@numbers::bigint[]) as number) n
  group by n.epoch, n.shard
) k
where r.epoch = k.epoch and r.shard = k.shard;
