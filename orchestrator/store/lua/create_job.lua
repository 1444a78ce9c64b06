-- Creates a job and its steps, once: a second call with the same id changes nothing.
-- From: no such job. To: pending or paused, as the fields say, its steps blocked or ready.
-- Returns 1 when created, 0 when it exists, -1 where one of this id was deleted. Cost O(steps).
-- KEYS job_key definition_key
-- ARGV definition fields_json steps_json
if redis.call('EXISTS', job_key) == 1 then return 0 end
local prefix = string.sub(job_key, 1, -4)
if redis.call('EXISTS', prefix .. 'deleted') == 1 then return -1 end
redis.call('SET', definition_key, definition)
for i, step in ipairs(cjson.decode(steps_json)) do
  redis.call('HSET', prefix .. 'step:' .. (i - 1), unpack(step))
end
redis.call('HSET', job_key, unpack(cjson.decode(fields_json)))
return 1
