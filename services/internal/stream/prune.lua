-- Forgets marks of edges and consumers that are long gone.
--
-- KEYS[1]  the books  {prefix:shard}:books
-- KEYS[2]  {prefix:shard}:settled, when each consumer settled last
-- ARGV     for each: the mark's field, what it must still say
--
-- Returns how many were forgotten.
local gone = 0
for i = 1, #ARGV, 2 do
  if redis.call('HGET', KEYS[1], ARGV[i]) == ARGV[i + 1] then
    redis.call('HDEL', KEYS[1], ARGV[i])
    local consumer = string.match(ARGV[i], '^settled:(.*)$')
    if consumer then
      redis.call('ZREM', KEYS[2], consumer)
    end
    gone = gone + 1
  end
end
return gone
