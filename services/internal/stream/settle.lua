-- Removes the entries of one stored batch, exactly once.
--
-- KEYS[1]  the stream {prefix:shard}:hits
-- KEYS[2]  the books  {prefix:shard}:books
-- KEYS[3]  {prefix:shard}:hours, see account.lua
-- KEYS[4]  {prefix:shard}:settled, when each consumer settled last
-- ARGV[1]  consumer group
-- ARGV[2]  consumer
-- ARGV[3]  number of the batch, from 1 without gaps per consumer and shard
-- ARGV[4…] per entry: stream id, account with '!' behind it when it was this batch that
--          stored the hit; the id 'lost' stands for an entry that is gone and was
--          written off
--
-- Returns {1, number} when settled now, {0, mark} when the batch had been settled
-- before, {-1, mark} when the batch before it has not been: nothing is changed then.
--
-- An entry whose hit another batch stored counts down only when this call deleted it: if
-- it is not there, whoever stored it has counted. If it is, it is a second entry of that
-- hit, which an edge sent again because Redis had lost data, and counts no longer as
-- accepted (or the only one, that came back with older data: then the books are made anew
-- anyway). The batch that stored a hit counts
-- it down whether its entry is still there or somebody deleted it meanwhile: nobody else
-- will. But an entry from before Redis lost its data is in no book any more; its hit
-- was stored after the books were begun anew, and is accepted only now.
local mark = 'settled:' .. ARGV[2]
local number = tonumber(ARGV[3])
local settled = tonumber(redis.call('HGET', KEYS[2], mark) or '0')
if settled >= number then
  return {0, settled}
end
if settled ~= number - 1 then
  return {-1, settled}
end
local life = redis.call('HGET', KEYS[2], 'life')
local since = tonumber(life or '0')
local begun = redis.call('HEXISTS', KEYS[2], 'begun') == 1
-- Counted at the end, once for each account.
local sums = {inflight = {}, accepted = {}}
local order = {}
local function add(kind, account, n)
  local sum = sums[kind]
  if not sum[account] then
    sum[account] = 0
    order[#order + 1] = {kind, account}
  end
  sum[account] = sum[account] + n
end
-- Nearly all count down whether they are there or not, and go in one command. (In
-- pieces: unpack bounds what it takes.)
local plain = {}
local function remove()
  if #plain > 0 then
    redis.call('XACK', KEYS[1], ARGV[1], unpack(plain))
    redis.call('XDEL', KEYS[1], unpack(plain))
    plain = {}
  end
end
for i = 4, #ARGV, 2 do
  local id, account = ARGV[i], ARGV[i + 1]
  local own = string.byte(account, -1) == 33 -- '!'
  if own then
    account = string.sub(account, 1, -2)
  end
  if own and (life or begun) and id ~= 'lost' and millis(id) >= since then
    plain[#plain + 1] = id
    if #plain == 500 then
      remove()
    end
    add('inflight', account, -1)
  else
    local gone = id == 'lost'
    if not gone then
      redis.call('XACK', KEYS[1], ARGV[1], id)
      gone = redis.call('XDEL', KEYS[1], id) == 1
    end
    if gone and not own and id ~= 'lost' then
      add('accepted', account, -1)
    end
    if gone then
      add('inflight', account, -1)
    elseif own and begun then
      add('accepted', account, 1)
    end
  end
end
remove()
for _, one in ipairs(order) do
  local kind, account = one[1], one[2]
  count(KEYS[2], KEYS[3], kind, account, sums[kind][account])
end
redis.call('HSET', KEYS[2], mark, ARGV[3])
redis.call('ZADD', KEYS[4], redis.call('TIME')[1], ARGV[2])
return {1, number}
