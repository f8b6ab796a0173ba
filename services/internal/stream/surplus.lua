-- Compares what the books of a shard count as in flight with what is in its stream.
--
-- KEYS[1]  the stream {prefix:shard}:hits
-- KEYS[2]  the books  {prefix:shard}:books
-- KEYS[3]  {prefix:shard}:hours, see account.lua
-- ARGV[1]  how many entries the stream may have
--
-- Returns {} when it has more, else {'1', differences, by hour}: the field
-- "workspace/source" and by how much the books say more than there is, for each that
-- differs, and the same for each account with an hour.
if redis.call('XLEN', KEYS[1]) > tonumber(ARGV[1]) then
  return {}
end
local function add(sums, name, n)
  if not sums.less[name] then
    sums.less[name] = 0
    sums.order[#sums.order + 1] = name
  end
  sums.less[name] = sums.less[name] + n
end
local fields, hours = {less = {}, order = {}}, {less = {}, order = {}}
local books = redis.call('HGETALL', KEYS[2])
for i = 1, #books, 2 do
  if string.sub(books[i], 1, 9) == 'inflight:' then
    add(fields, string.sub(books[i], 10), tonumber(books[i + 1]))
  end
end
for _, workspace in ipairs(redis.call('SMEMBERS', KEYS[3])) do
  local counts = redis.call('HGETALL', KEYS[3] .. ':' .. workspace)
  for i = 1, #counts, 2 do
    if string.sub(counts[i], 1, 9) == 'inflight:' then
      add(hours, workspace .. '/' .. string.sub(counts[i], 10), tonumber(counts[i + 1]))
    end
  end
end
for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '-', '+')) do
  local _, _, field, account = read(entry)
  add(fields, field, -1)
  if account ~= field then
    add(hours, account, -1)
  end
end
local function differences(sums)
  local list = {}
  for _, name in ipairs(sums.order) do
    if sums.less[name] ~= 0 then
      list[#list + 1] = name
      list[#list + 1] = string.format('%.0f', sums.less[name])
    end
  end
  return list
end
return {'1', differences(fields), differences(hours)}
