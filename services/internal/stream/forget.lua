-- Removes a consumer from its group, unless entries are pending for it: those
-- would never be delivered again.
--
-- KEYS[1]  the stream {prefix:shard}:hits
-- ARGV[1]  consumer group
-- ARGV[2]  consumer
--
-- Returns 1 when removed, 0 when something is pending.
if #redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2]) > 0 then
  return 0
end
redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
return 1
