-- Lets all waiting tasks of a gang be leased: there is room for each.
-- From: job pending or running, step ready or running and not held, none of its tasks leased, no verdict
-- held.
-- Returns 1, or 0 where that is not so. Cost O(spans of the step).
-- INCLUDE job
-- KEYS job_key step_key spans_key
-- ARGV now_ms until_ms
local state = redis.call('HGET', job_key, 'state')
if state ~= 'pending' and state ~= 'running' then return 0 end
local s = redis.call('HMGET', step_key, 'state', 'held', 'gang', 'gang_state', 'running', 'waiting', 'gang_verdict')
if s[1] ~= 'ready' and s[1] ~= 'running' or s[2] or not s[3] or s[4] then return 0 end
if tonumber(s[5]) > 0 or tonumber(s[6]) == 0 or s[7] then return 0 end
redis.call('HSET', step_key, 'gang_state', 'open', 'gang_until', until_ms)
redis.call('HDEL', step_key, 'gang_room')
redis.call('DEL', step_key .. ':gang')
return 1
