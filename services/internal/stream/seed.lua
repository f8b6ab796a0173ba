-- Starts the books of a shard over from what the ledger knows, once per life of the
-- books.
--
-- KEYS[1]  books
-- ARGV[1]  number of accepted fields
-- ARGV     for each: the field's name without "accepted:", how many hits
-- ARGV     the rest: consumer, its last committed batch
-- Returns 1, or 0 when the books had been begun already and nothing was changed.
if redis.call('HSETNX', KEYS[1], 'begun', '1') == 0 then
  return 0
end
local fields = tonumber(ARGV[1])
for i = 2, 2 * fields, 2 do
  redis.call('HINCRBY', KEYS[1], 'accepted:' .. ARGV[i], ARGV[i + 1])
end
for i = 2 * fields + 2, #ARGV, 2 do
  redis.call('HSET', KEYS[1], 'settled:' .. ARGV[i], ARGV[i + 1])
end
return 1
