-- Compares how many entries a stream has with how many the books have in flight: what
-- surplus.lua does by source, in a time that does not grow with the stream.
--
-- KEYS[1]  the stream {prefix:shard}:hits
-- KEYS[2]  the books  {prefix:shard}:books
--
-- Returns {entries, by how many more the books have, as text}.
local length = redis.call('XLEN', KEYS[1])
local books, more = redis.call('HGETALL', KEYS[2]), -length
for i = 1, #books, 2 do
  if string.sub(books[i], 1, 9) == 'inflight:' then
    more = more + tonumber(books[i + 1])
  end
end
return {length, string.format('%.0f', more)}
