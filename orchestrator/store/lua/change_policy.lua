-- Changes a job's policy, in any state, if nobody changed it since it was read. `redefined_at` (ms), if
-- not '', gives the definition of its leases a new revision, which no other change ever had.
-- Returns 1 when changed, 0 when it reads otherwise by now. Cost O(1).
-- KEYS job_key
-- ARGV expected_policy expected_priority redefined_at fields*
local now = redis.call('HMGET', job_key, 'policy', 'priority', 'revision')
if now[1] ~= expected_policy or now[2] ~= expected_priority then return 0 end
redis.call('HSET', job_key, unpack(fields))
if redefined_at ~= '' then
  local revision = math.max(tonumber(redefined_at), (tonumber(now[3]) or 0) + 1)
  redis.call('HSET', job_key, 'revision', string.format('%.0f', revision))
end
return 1
