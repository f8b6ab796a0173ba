-- Starts the books of a shard over from what the ledger knows, once per life of the
-- books.
--
-- KEYS[1]  the stream {prefix:shard}:hits
-- KEYS[2]  the books  {prefix:shard}:books
-- KEYS[3]  {prefix:shard}:hours, see account.lua
-- ARGV[1]  '' to do it only when the books were not begun, and to add to what was
--          appended meanwhile; else to throw away what the books say, and to count what is
--          in the stream: the id up to which nothing that is stored is in the stream
-- ARGV[2]  number of accepted fields
-- ARGV     for each: the field's name without "accepted:", how many hits
-- ARGV     number of consumers, for each: consumer, its last committed batch
-- ARGV     the rest: epoch, the largest number of it that is stored
-- Returns 1, or 0 when the books had been begun already and nothing was changed, or -1
-- when behind the id of ARGV[1] is something that may be stored: nothing is changed either.
--
-- Numbers up to one that is stored were appended once: an edge that was not answered,
-- and sends them again, must not count twice. Of an epoch that has a mark already they may
-- have come again before the books were begun: jumped says so.
local anew = ARGV[1] ~= ''
local consumersAt = 3 + 2 * tonumber(ARGV[2])
local epochsAt = consumersAt + 1 + 2 * tonumber(ARGV[consumersAt])
if anew then
  local stored = {}
  for i = epochsAt, #ARGV, 2 do
    stored[ARGV[i]] = tonumber(ARGV[i + 1])
  end
  for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '(' .. ARGV[1], '+')) do
    local epoch, number = read(entry)
    if number and number <= (stored[epoch] or 0) then
      return -1
    end
  end
end
if redis.call('HSETNX', KEYS[2], 'begun', '1') == 0 and not anew then
  return 0
end
local time = redis.call('TIME')
for _, name in ipairs(redis.call('HKEYS', KEYS[2])) do
  if string.sub(name, 1, 4) == 'run:' then
    redis.call('HDEL', KEYS[2], name)
  end
end
local info = redis.pcall('INFO', 'server')
local run = type(info) == 'string' and string.match(info, 'run_id:(%w+)')
if run then
  redis.call('HSET', KEYS[2], 'run:' .. run, '1') -- for restarted.lua
end
local function start(set)
  redis.call(set, KEYS[2], 'life', string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)))
  redis.call(set, KEYS[2], 'hours', string.format('%.0f', math.floor(time[1] / 3600) + 2))
end
if not anew then
  start('HSETNX')
else
  start('HSET')
  redis.call('HDEL', KEYS[2], 'jumped')
  for _, name in ipairs(redis.call('HKEYS', KEYS[2])) do
    local kind = string.match(name, '^(%a+):')
    if kind == 'accepted' or kind == 'inflight' or kind == 'spooled' or kind == 'announced' then
      redis.call('HDEL', KEYS[2], name)
    end
  end
  for _, workspace in ipairs(redis.call('SMEMBERS', KEYS[3])) do
    redis.call('DEL', KEYS[3] .. ':' .. workspace)
  end
  redis.call('DEL', KEYS[3])
  local counts, order, from = {}, {}, '-'
  while true do
    local entries = redis.call('XRANGE', KEYS[1], from, '+', 'COUNT', 1000)
    if #entries == 0 then
      break
    end
    for _, entry in ipairs(entries) do
      local _, _, _, account = read(entry)
      if not counts[account] then
        counts[account] = 0
        order[#order + 1] = account
      end
      counts[account] = counts[account] + 1
    end
    from = '(' .. entries[#entries][1]
  end
  for _, account in ipairs(order) do
    count(KEYS[2], KEYS[3], 'inflight', account, counts[account])
    count(KEYS[2], KEYS[3], 'accepted', account, counts[account])
  end
end
for i = 3, consumersAt - 1, 2 do
  redis.call('HINCRBY', KEYS[2], 'accepted:' .. ARGV[i], ARGV[i + 1])
end
for i = consumersAt + 1, epochsAt - 1, 2 do
  redis.call('HSET', KEYS[2], 'settled:' .. ARGV[i], ARGV[i + 1])
end
for i = epochsAt, #ARGV, 2 do
  local mark = 'epoch:' .. ARGV[i]
  local appended = tonumber(redis.call('HGET', KEYS[2], mark) or '0')
  if appended > 0 and not anew then
    redis.call('HINCRBY', KEYS[2], 'jumped', 1)
  end
  if appended < tonumber(ARGV[i + 1]) then
    redis.call('HSET', KEYS[2], mark, ARGV[i + 1])
  end
end
return 1
