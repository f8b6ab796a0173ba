-- Appends one flush to a shard, exactly once however often it is sent.
--
-- KEYS[1]  the stream {prefix:shard}:hits
-- KEYS[2]  the books  {prefix:shard}:books
-- KEYS[3]  {prefix:shard}:hours, see account.lua
-- ARGV[1]  epoch of the writer
-- ARGV[2]  number of the first entry; the others follow without gaps
-- ARGV[3…] per entry: account (without an hour when an older release had spooled it;
--          empty, never of the first: that of the entry before), payload
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
--
-- Numbers that were skipped have been here before, or nobody knows any more that they
-- were: Redis lost data. The field jumped says so until the books are made anew.
--
-- The first flush after Redis lost everything says when that life of the books began,
-- and from which hour on all hits are counted by hour; later ones are left alone. Two
-- hours later, because the clocks of edges may be ahead.
local mark, told = 'epoch:' .. ARGV[1], 'announced:' .. ARGV[1]
local first = tonumber(ARGV[2])
local last = first + (#ARGV - 2) / 2 - 1
local known = redis.call('HMGET', KEYS[2], mark, told, 'life', 'hours')
local applied = tonumber(known[1] or '0')
if applied >= last then
  return 0
end
local announced = tonumber(known[2] or '0')
local counts, spooled, order, began = {}, {}, {}, nil
local account, field, hour
for i = 3, #ARGV, 2 do
  local number = first + (i - 3) / 2
  if ARGV[i] ~= '' then
    account = ARGV[i]
    field, hour = place(account)
  end
  if number > applied then
    local id = redis.call('XADD', KEYS[1], '*', 'n', string.format('%.0f', number), 'e', ARGV[1], 'w', field, 't', hour or '', 'h', ARGV[i + 1])
    began = began or id
    if not counts[account] then
      counts[account], spooled[account] = 0, 0
      order[#order + 1] = account
    end
    counts[account] = counts[account] + 1
    if number <= announced then
      spooled[account] = spooled[account] + 1
    end
  end
end
for _, account in ipairs(order) do
  count(KEYS[2], KEYS[3], 'inflight', account, counts[account])
  if counts[account] > spooled[account] then
    count(KEYS[2], KEYS[3], 'accepted', account, counts[account] - spooled[account])
  end
  if spooled[account] > 0 then
    count(KEYS[2], KEYS[3], 'spooled', account, -spooled[account])
  end
end
if announced > 0 and last >= announced then
  redis.call('HDEL', KEYS[2], told)
end
if first > applied + 1 then
  redis.call('HINCRBY', KEYS[2], 'jumped', 1)
end
redis.call('HSET', KEYS[2], mark, string.format('%.0f', last))
if not known[3] then
  redis.call('HSETNX', KEYS[2], 'life', string.format('%.0f', millis(began)))
end
if not known[4] then
  redis.call('HSETNX', KEYS[2], 'hours', string.format('%.0f', math.floor(redis.call('TIME')[1] / 3600) + 2))
end
return 1
