-- Cancels the tasks of a step that were never fed: the step whose tasks they wait for one by one has
-- ended without success. Those that were fed go on. Harmless when repeated.
-- From: step not ended, the other failed or canceled. To: those tasks canceled, which may end the step.
-- Returns { tasks canceled, effects }. Cost O(1), and what follows when the step ends.
-- INCLUDE job
-- KEYS job_key step_key dependency_key
-- ARGV step_index now_ms
local other = redis.call('HGET', dependency_key, 'state')
if other ~= 'failed' and other ~= 'canceled' then return { 0, '' } end
local s = redis.call('HMGET', step_key, 'state', 'total', 'fed_count', 'unfed_canceled')
if terminal[s[1]] or s[4] then return { 0, '' } end
local unfed = tonumber(s[2]) - tonumber(s[3])
if unfed == 0 then return { 0, '' } end
redis.call('HSET', step_key, 'unfed_canceled', 1)
move(step_key, 'waiting', 'canceled', unfed)
settle_step(step_index)
return { unfed, encode_effects() }
