-- Appends one flush to a shard, exactly once however often it is sent.
--
-- KEYS[1]  the stream {prefix:shard}:hits
-- KEYS[2]  the books  {prefix:shard}:books
-- ARGV[1]  epoch of the writer
-- ARGV[2]  number of the first entry; the others follow without gaps
-- ARGV[3…] per entry: "workspace/source", payload
--
-- Returns 1 when appended, 0 when an earlier attempt had been.
--
-- Attempts of one epoch and shard are sent in the order of their numbers, but one
-- that timed out at the client may run late, after its successors: whatever is at
-- or below the high-water mark has been applied. The mark is read before anything
-- is written, so that a wrong type of either key refuses the script as a whole,
-- and the first write is XADD, so that a full memory does too.
--
-- Flushes may overlap: what a spool brings is cut otherwise than what an edge sent.
--
-- Hits that announce.lua has told of (the numbers up to announced:<epoch>) are in the
-- books already: they only move from spooled to in flight.
local mark = 'epoch:' .. ARGV[1]
local first = tonumber(ARGV[2])
local last = first + (#ARGV - 2) / 2 - 1
local applied = tonumber(redis.call('HGET', KEYS[2], mark) or '0')
if applied >= last then
  return 0
end
local told = 'announced:' .. ARGV[1]
local announced = tonumber(redis.call('HGET', KEYS[2], told) or '0')
local counts, spooled, order = {}, {}, {}
for i = 3, #ARGV, 2 do
  local field = ARGV[i]
  local number = first + (i - 3) / 2
  if number > applied then
    redis.call('XADD', KEYS[1], '*', 'n', string.format('%.0f', number), 'e', ARGV[1], 'w', field, 'h', ARGV[i + 1])
    if not counts[field] then
      counts[field], spooled[field] = 0, 0
      order[#order + 1] = field
    end
    counts[field] = counts[field] + 1
    if number <= announced then
      spooled[field] = spooled[field] + 1
    end
  end
end
for _, field in ipairs(order) do
  redis.call('HINCRBY', KEYS[2], 'inflight:' .. field, counts[field])
  if counts[field] > spooled[field] then
    redis.call('HINCRBY', KEYS[2], 'accepted:' .. field, counts[field] - spooled[field])
  end
  if spooled[field] > 0 and redis.call('HINCRBY', KEYS[2], 'spooled:' .. field, -spooled[field]) <= 0 then
    redis.call('HDEL', KEYS[2], 'spooled:' .. field)
  end
end
if announced > 0 and last >= announced then
  redis.call('HDEL', KEYS[2], told)
end
redis.call('HSET', KEYS[2], mark, string.format('%.0f', last))
return 1
