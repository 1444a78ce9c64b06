-- Which of these input files are still condemned by this very verdict, and will be until `needed_ms` at
-- least; none where Redis was started anew since: it may have lost others' verdicts and touches.
-- Returns hashes. Cost O(hashes).
-- KEYS since_key condemned_key
-- ARGV until_ms needed_ms hashes*
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
if string.match(redis.call('GET', since_key) or '', ' (%x+)$') ~= run then return {} end
if tonumber(until_ms) < tonumber(needed_ms) then return {} end
local out = {}
for _, hash in ipairs(hashes) do
  if tonumber(redis.call('ZSCORE', condemned_key, hash) or 0) == tonumber(until_ms) then out[#out + 1] = hash end
end
return out
