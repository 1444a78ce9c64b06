-- These input files are gone from storage: they can be uploaded and touched again. Marks of another
-- verdict stay.
-- Returns how many marks were taken. Cost O(hashes).
-- KEYS condemned_key
-- ARGV until_ms hashes*
local cleared = 0
for _, hash in ipairs(hashes) do
  if tonumber(redis.call('ZSCORE', condemned_key, hash) or 0) == tonumber(until_ms) then
    cleared = cleared + redis.call('ZREM', condemned_key, hash)
  end
end
return cleared
