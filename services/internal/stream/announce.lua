-- Tells the books of a shard what an edge has acknowledged and still holds on its disk:
-- from then on it counts as accepted and as spooled. append.lua moves it on.
--
-- KEYS[1]  the books {prefix:shard}:books
-- KEYS[2]  {prefix:shard}:hours, see account.lua
-- ARGV[1]  epoch
-- ARGV[2]  number of the first hit told of, one above what was told or appended before
-- ARGV[3]  number of the last
-- ARGV[4…] account with its hour, how many hits
--
-- Returns 1 when the books know of them, whether by this call or by an earlier one,
-- and 0 when they are not in step with the edge, as after Redis lost its data: then
-- nothing was changed, and the hits count when they are appended.
local mark = 'announced:' .. ARGV[1]
local told = tonumber(redis.call('HGET', KEYS[1], mark) or '0')
local appended = tonumber(redis.call('HGET', KEYS[1], 'epoch:' .. ARGV[1]) or '0')
local has = math.max(told, appended)
if has >= tonumber(ARGV[3]) then
  return 1
end
if has ~= tonumber(ARGV[2]) - 1 then
  return 0
end
redis.call('HSET', KEYS[1], mark, ARGV[3])
for i = 4, #ARGV, 2 do
  count(KEYS[1], KEYS[2], 'accepted', ARGV[i], ARGV[i + 1])
  count(KEYS[1], KEYS[2], 'spooled', ARGV[i], ARGV[i + 1])
end
return 1
