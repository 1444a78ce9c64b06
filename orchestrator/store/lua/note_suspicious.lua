-- Notes what is suspicious of a task's pictures, or missing in a step, in place of what was noted before.
-- From: a task whose accepted outputs are those of the epoch (or are paged out); for `missing`, a step
-- that ended at the time the caller saw. Anything else changes nothing.
-- `noted` is JSON {e: epoch, n: how many, f: [frames]}, or '' when nothing is suspicious.
-- Returns 1 when it is noted and says something new, else 0. Cost O(1).
-- KEYS job_key step_key
-- ARGV field epoch ended_at noted tasks_max
local suspicious_key = step_key .. ':suspicious'
if redis.call('EXISTS', job_key) == 0 then return 0 end
if field == 'missing' then
  if redis.call('HGET', step_key, 'ended_at') ~= ended_at then return 0 end
else
  local outputs = redis.call('HGET', step_key .. ':outputs', field)
  if outputs == '' then return 0 end
  if outputs and cjson.decode(outputs).epoch ~= tonumber(epoch) then return 0 end
end
local former = redis.call('HGET', suspicious_key, field)
if former == noted or (not former and noted == '') then return 0 end
if not former and redis.call('HLEN', suspicious_key) >= tonumber(tasks_max) then return 0 end
local change = 0
if former then change = -cjson.decode(former).n end
if noted == '' then
  redis.call('HDEL', suspicious_key, field)
else
  change = change + cjson.decode(noted).n
  redis.call('HSET', suspicious_key, field, noted)
end
redis.call('HINCRBY', job_key, 'suspicious', change)
return noted == '' and 0 or 1
