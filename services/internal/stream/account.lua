-- What the scripts that count have in common. It is put before each of them.
--
-- An account says where the books count a hit: "workspace/source", or with the hour of
-- receipt behind it, in hours since 1970, "workspace/source/hour". The books are one
-- hash with a field for each source; what is counted by hour is in a hash for each
-- workspace, KEY:<workspace>, and the set KEY has the workspaces.

-- place takes an account apart. hour is nil when it has none.
local function place(account)
  if #account > 74 and string.sub(account, 74, 74) == '/' then
    return string.sub(account, 1, 73), string.sub(account, 75)
  end
  return account, nil
end

-- hourly is the hash of a field's workspace, and the name in it.
local function hourly(hours, kind, field, hour)
  return hours .. ':' .. string.sub(field, 1, 36), kind .. ':' .. string.sub(field, 38) .. '/' .. hour
end

-- count adds n to an account, in the books and by hour. A field by hour that comes to
-- nothing goes, but for what was accepted: that is kept for two days.
local function count(books, hours, kind, account, n)
  local field, hour = place(account)
  local total = redis.call('HINCRBY', books, kind .. ':' .. field, n)
  if kind == 'spooled' and total <= 0 then
    redis.call('HDEL', books, kind .. ':' .. field)
  end
  if not hour then
    return
  end
  local key, name = hourly(hours, kind, field, hour)
  local now = redis.call('HINCRBY', key, name, n)
  if now == 0 then
    redis.call('HDEL', key, name)
  elseif kind == 'accepted' and now == tonumber(n) then
    redis.call('SADD', hours, string.sub(field, 1, 36))
    local oldest = math.floor(redis.call('TIME')[1] / 3600) - 49
    for _, other in ipairs(redis.call('HKEYS', key)) do
      local at = string.match(other, '^accepted:.*/(%d+)$')
      if at and other ~= name and tonumber(at) < oldest then
        redis.call('HDEL', key, other)
      end
    end
  end
end
-- What of a stream's entry counts.
local function read(entry)
  local values = entry[2]
  local epoch, number, field, hour = '', nil, '', nil
  for i = 1, #values, 2 do
    local name = values[i]
    if name == 'e' then
      epoch = values[i + 1]
    elseif name == 'n' then
      number = tonumber(values[i + 1])
    elseif name == 'w' then
      field = values[i + 1]
    elseif name == 't' then
      hour = values[i + 1]
    end
  end
  if hour and hour ~= '' and #field == 73 then
    return epoch, number, field, field .. '/' .. hour
  end
  return epoch, number, field, field
end

-- millis is the part of an id that is a time.
local function millis(id)
  return tonumber(string.match(id, '^%d+') or '0')
end

-- Here the script itself begins.
