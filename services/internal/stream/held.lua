-- Lists the receipts of some entries of a shard, oldest first, without what they hold.
--
-- KEYS[1]  the stream {prefix:shard}:hits
-- ARGV[1]  where to begin: '-', or '(' and the id of the last entry seen
-- ARGV[2]  how many entries at most
--
-- Returns {id of the last entry or '', receipts, counts}: receipts as epoch, first and
-- last number of each run of consecutive ones; counts as the field "workspace/source"
-- and how many entries have it. Entries that no edge wrote have no receipt.
local entries = redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', ARGV[2])
local runs, open, counts, order = {}, {}, {}, {}
for _, entry in ipairs(entries) do
  local epoch, number, field = read(entry)
  if not counts[field] then
    counts[field] = 0
    order[#order + 1] = field
  end
  counts[field] = counts[field] + 1
  if number and epoch ~= '' then
    local run = open[epoch]
    if run and run[3] == number - 1 then
      run[3] = number
    else
      run = {epoch, number, number}
      open[epoch] = run
      runs[#runs + 1] = run
    end
  end
end
local receipts, fields, last = {}, {}, ''
for _, run in ipairs(runs) do
  receipts[#receipts + 1] = run[1]
  receipts[#receipts + 1] = string.format('%.0f', run[2])
  receipts[#receipts + 1] = string.format('%.0f', run[3])
end
for _, field in ipairs(order) do
  fields[#fields + 1] = field
  fields[#fields + 1] = string.format('%.0f', counts[field])
end
if #entries > 0 then
  last = entries[#entries][1]
end
return {last, receipts, fields}
