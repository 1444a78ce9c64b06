-- Condemns those of these input files that nobody touched: until `until_ms` they can't be touched. Of a
-- Redis that does not remember every touch since `known_since_ms` (it was emptied, or started anew and
-- may have lost the last), nothing is condemned, nor where a touch lies in a later period than the
-- caller's: then its clock stands, and it looks in the wrong places. `dry` = 1 changes nothing.
-- Returns the hashes condemned. Cost O(hashes).
-- KEYS since_key latest_key condemned_key touched_key former_key oldest_key
-- ARGV now_ms known_since_ms period_end_ms until_ms dry hashes*
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local since, before = string.match(redis.call('GET', since_key) or '', '^(%S+) (%x+)$')
if before ~= run then
  redis.call('SET', since_key, now_ms .. ' ' .. run)
  return {}
end
if tonumber(since) > tonumber(known_since_ms) then return {} end
if tonumber(redis.call('GET', latest_key) or 0) >= tonumber(period_end_ms) then return {} end
local condemned = {}
for _, hash in ipairs(hashes) do
  local short = string.sub(hash, 1, 16)
  local touched = redis.call('SISMEMBER', touched_key, short) + redis.call('SISMEMBER', former_key, short) +
    redis.call('SISMEMBER', oldest_key, short)
  local ends = tonumber(redis.call('ZSCORE', condemned_key, hash) or 0)
  if touched == 0 and ends <= tonumber(now_ms) then
    if dry ~= '1' then redis.call('ZADD', condemned_key, until_ms, hash) end
    condemned[#condemned + 1] = hash
  end
end
return condemned
