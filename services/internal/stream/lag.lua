-- Measures what is unfinished in a shard, all of it by the clock of one server.
--
-- KEYS[1]  the stream {prefix:shard}:hits
--
-- Returns {length, id of the oldest entry or '', server time in milliseconds as text}.
local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)
local now = redis.call('TIME')
local id = ''
if #oldest > 0 then
  id = oldest[1][1]
end
return {redis.call('XLEN', KEYS[1]), id, string.format('%.0f', now[1] * 1000 + math.floor(now[2] / 1000))}
