-- Changes a job's policy, in any state, if nobody changed it since it was read.
-- Returns 1 when changed, 0 when it reads otherwise by now. Cost O(1).
-- KEYS job_key
-- ARGV expected_policy expected_priority fields*
local now = redis.call('HMGET', job_key, 'policy', 'priority')
if now[1] ~= expected_policy or now[2] ~= expected_priority then return 0 end
redis.call('HSET', job_key, unpack(fields))
return 1
