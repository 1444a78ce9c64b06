-- Holds a job (pause = 1: pending or running → paused) or lets it go on (0: paused → running, or
-- pending when it never started). Returns the state before, '' when there is no such job. Cost O(1).
-- KEYS job_key
-- ARGV pause
local j = redis.call('HMGET', job_key, 'state', 'started_at')
if not j[1] then return '' end
if pause == '1' and (j[1] == 'pending' or j[1] == 'running') then
  redis.call('HSET', job_key, 'state', 'paused')
elseif pause == '0' and j[1] == 'paused' then
  redis.call('HSET', job_key, 'state', j[2] and 'running' or 'pending')
end
return j[1]
