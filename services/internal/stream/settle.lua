-- Removes the entries of one stored batch, exactly once.
--
-- KEYS[1]  the stream {prefix:shard}:hits
-- KEYS[2]  the books  {prefix:shard}:books
-- ARGV[1]  consumer group
-- ARGV[2]  consumer
-- ARGV[3]  number of the batch, from 1 without gaps per consumer and shard
-- ARGV[4…] per entry: stream id, "workspace/source"; the id 'lost' stands for an entry
--          that is gone and was written off
--
-- Returns {1, number} when settled now, {0, mark} when the batch had been settled
-- before, {-1, mark} when the batch before it has not been: nothing is changed then.
--
-- An entry counts down only when this call deleted it: one that was claimed and
-- settled by another consumer has been counted there.
local mark = 'settled:' .. ARGV[2]
local number = tonumber(ARGV[3])
local settled = tonumber(redis.call('HGET', KEYS[2], mark) or '0')
if settled >= number then
  return {0, settled}
end
if settled ~= number - 1 then
  return {-1, settled}
end
for i = 4, #ARGV, 2 do
  local gone = ARGV[i] == 'lost'
  if not gone then
    redis.call('XACK', KEYS[1], ARGV[1], ARGV[i])
    gone = redis.call('XDEL', KEYS[1], ARGV[i]) == 1
  end
  if gone then
    redis.call('HINCRBY', KEYS[2], 'inflight:' .. ARGV[i + 1], -1)
  end
end
redis.call('HSET', KEYS[2], mark, ARGV[3])
return {1, number}
