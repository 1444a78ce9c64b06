-- Marks tasks whose accepted outputs storage holds, after Redis was lost. Harmless when repeated.
-- From: waiting. To: succeeded. Tasks come four words each: index, outputs, their number, epoch.
-- Returns how many were marked. Cost O(tasks given).
-- INCLUDE job
-- KEYS job_key step_key
-- ARGV step_index now_ms tasks*
local marked = 0
for k = 1, #tasks, 4 do
  if redis.call('SETBIT', step_key .. ':succeeded', tasks[k], 1) == 0 then
    marked = marked + 1
    redis.call('HSET', step_key .. ':outputs', tasks[k], tasks[k + 1])
    redis.call('HINCRBY', job_key, 'outputs_accepted', tasks[k + 2])
    redis.call('RPUSH', prefix .. 'unpublished',
      step_index .. ':' .. tasks[k] .. ':' .. tasks[k + 3] .. ':' .. tasks[k + 2])
  end
end
if marked > 0 then
  move(step_key, 'waiting', 'succeeded', marked)
  -- The feed must step over them.
  redis.call('HSET', step_key, 'holes', 1)
  -- It had run, so a person had released it.
  redis.call('HDEL', step_key, 'held')
  redis.call('HDEL', job_key, 'held:' .. step_index)
end
return marked
