-- Takes everything of an ended job out of Redis, and remembers for a while that it was there: a call
-- repeated under its idempotency key must not make it anew.
-- From: job succeeded, failed or canceled. To: no such job.
-- Returns 'deleted', 'gone' where there is no such job, or 'open' where it has not ended: then nothing
-- was changed. Cost O(what Redis keeps of it).
-- KEYS job_key deleted_key
-- ARGV remembered_ms
local j = redis.call('HMGET', job_key, 'state', 'step_count')
if not j[1] then return 'gone' end
if j[1] ~= 'succeeded' and j[1] ~= 'failed' and j[1] ~= 'canceled' then return 'open' end
redis.call('SET', deleted_key, 1, 'PX', remembered_ms)
local prefix = string.sub(job_key, 1, -4)
local function drop(name) redis.call('UNLINK', prefix .. name) end
for i = 0, tonumber(j[2]) - 1 do
  local step = 'step:' .. i
  drop(step)
  for _, part in ipairs({ 'spans', 'chunks', 'fed', 'void', 'succeeded', 'failed', 'failures', 'attempts', 'runs',
    'times', 'outputs', 'pages', 'paged', 'progress', 'suspicious', 'preempt-pause', 'gang', 'gang-done' }) do
    drop(step .. ':' .. part)
  end
end
drop('unpublished')
drop('release')
drop('definition')
drop('job')
return 'deleted'
