-- Puts or deletes one source, unless the registry as a whole is missing.
--
-- KEYS[1]  the registry {prefix}:registry
-- ARGV[1]  new version
-- ARGV[2]  key field of the source so far, or ''
-- ARGV[3]  source field
-- ARGV[4]  sealed source, or '' to delete it
-- ARGV[5]  key field of the source from now on, or ''
-- ARGV[6]  id of the source
--
-- Returns 1 when done, 0 when there is no registry: a single source in an empty one
-- would look as if all others had been deleted.
if redis.call('HEXISTS', KEYS[1], 'version') == 0 then
  return 0
end
if ARGV[2] ~= '' then
  redis.call('HDEL', KEYS[1], ARGV[2])
end
if ARGV[4] == '' then
  redis.call('HDEL', KEYS[1], ARGV[3])
else
  redis.call('HSET', KEYS[1], ARGV[3], ARGV[4])
  if ARGV[5] ~= '' then
    redis.call('HSET', KEYS[1], ARGV[5], ARGV[6])
  end
end
redis.call('HSET', KEYS[1], 'version', ARGV[1])
return 1
