-- Notes that input files of a studio are in use: none is taken away for a while from now on. What is
-- being taken away at this moment can't be touched: the caller asks again, and finds it gone. Nor can
-- anything while verdicts that this Redis has lost may still be carried out.
-- Returns the hashes that are being taken away. Cost O(hashes).
-- KEYS since_key latest_key condemned_key touched_key quiet_key
-- ARGV now_ms kept_ms hashes*
if redis.call('EXISTS', since_key) == 0 then
  local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
  redis.call('SET', since_key, now_ms .. ' ' .. run)
end
local quiet = redis.call('GET', quiet_key)
if quiet then
  if tonumber(quiet) > tonumber(now_ms) then return hashes end
  redis.call('DEL', quiet_key)
end
local latest = tonumber(redis.call('GET', latest_key) or 0)
if tonumber(now_ms) > latest then redis.call('SET', latest_key, now_ms) end
local any = redis.call('EXISTS', condemned_key) == 1
local barred = {}
for _, hash in ipairs(hashes) do
  local ends = any and redis.call('ZSCORE', condemned_key, hash)
  if ends and tonumber(ends) > tonumber(now_ms) then
    barred[#barred + 1] = hash
  else
    if ends then redis.call('ZREM', condemned_key, hash) end
    redis.call('SADD', touched_key, string.sub(hash, 1, 16))
  end
end
redis.call('PEXPIRE', touched_key, kept_ms)
return barred
