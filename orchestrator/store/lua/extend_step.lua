-- Gives a step `tasks` more tasks, behind those it has: the job's definition is the one given from then
-- on, if it still is the one that was extended. A step that had succeeded reopens, its job with it. What
-- was added under `call_field`, where that is not '', is kept there on the job.
-- From: step blocked, ready, running or succeeded, none of its tasks canceled; job not failed or
-- canceled. To: the added tasks waiting.
-- Returns { 1, effects }, or { 0, '' } where nothing was changed. Cost O(definition).
-- INCLUDE job
-- INCLUDE history
-- KEYS job_key definition_key step_key
-- ARGV step_index now_ms page_tasks definition_sha1 definition tasks call_field call
local job_state = redis.call('HGET', job_key, 'state')
local s = redis.call('HMGET', step_key, 'state', 'canceled', 'total', 'frame_deps')
if not job_state or job_state == 'failed' or job_state == 'canceled' then return { 0, '' } end
if not s[1] or s[1] == 'failed' or s[1] == 'canceled' or tonumber(s[2]) > 0 then return { 0, '' } end
if redis.sha1hex(redis.call('GET', definition_key) or '') ~= definition_sha1 then return { 0, '' } end
if call_field ~= '' and redis.call('HSETNX', job_key, call_field, call) == 0 then return { 0, '' } end
redis.call('SET', definition_key, definition)
redis.call('HINCRBY', step_key, 'total', tasks)
redis.call('HINCRBY', step_key, 'waiting', tasks)
redis.call('HINCRBY', job_key, 'waiting', tasks)
reopen_step(step_index)
note_grown(step_key, math.floor(tonumber(s[3]) / page_tasks))
-- What the added tasks wait for may have been done before.
for dependency in string.gmatch(s[4] or '', '%d+') do note_release(dependency, -1, -1) end
return { 1, encode_effects() }
