-- Says whether the books of a shard were made in an earlier run of this Redis, or are a
-- copy of those of another: then they may be older than what was told before.
--
-- KEYS[1]  the books  {prefix:shard}:books
--
-- Returns 1 if so, and 0 when they are this run's, or it does not say which run it is.
local info = redis.pcall('INFO', 'server')
local run = type(info) == 'string' and string.match(info, 'run_id:(%w+)')
if not run or redis.call('HEXISTS', KEYS[1], 'run:' .. run) == 1 then
  return 0
end
return 1
