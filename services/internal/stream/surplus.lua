-- Compares what the books of a shard count as in flight with what is in its stream.
--
-- KEYS[1]  the stream {prefix:shard}:hits
-- KEYS[2]  the books  {prefix:shard}:books
-- ARGV[1]  how many entries the stream may have
--
-- Returns {} when it has more, else {'1', differences}: the field "workspace/source" and
-- by how much the books say more than there is, for each that differs.
if redis.call('XLEN', KEYS[1]) > tonumber(ARGV[1]) then
  return {}
end
local less, order = {}, {}
local books = redis.call('HGETALL', KEYS[2])
for i = 1, #books, 2 do
  if string.sub(books[i], 1, 9) == 'inflight:' then
    local field = string.sub(books[i], 10)
    less[field] = tonumber(books[i + 1])
    order[#order + 1] = field
  end
end
for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '-', '+')) do
  local values, field = entry[2], ''
  for i = 1, #values, 2 do
    if values[i] == 'w' then
      field = values[i + 1]
    end
  end
  if not less[field] then
    less[field] = 0
    order[#order + 1] = field
  end
  less[field] = less[field] - 1
end
local differences = {}
for _, field in ipairs(order) do
  if less[field] ~= 0 then
    differences[#differences + 1] = field
    differences[#differences + 1] = string.format('%.0f', less[field])
  end
end
return {'1', differences}
