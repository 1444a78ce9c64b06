-- Cancels a job: what has not ended is canceled, every lease ends.
-- From: any state that is not terminal. To: canceled.
-- Returns { state before, effects }, or { '' } when there is no such job. Cost O(steps + live spans).
-- INCLUDE job
-- KEYS job_key
-- ARGV now_ms
local state = redis.call('HGET', job_key, 'state')
if not state then return { '' } end
if terminal[state] then return { state, '' } end
cancel_open_steps('canceled', '')
return { state, encode_effects() }
