-- Marks tasks whose accepted outputs storage holds, after Redis was lost. Harmless when repeated.
-- From: waiting. To: succeeded. Tasks come six words each: index, last index (of a chunk; else the
-- same), outputs, their number, epoch, hashes of their paths.
-- Returns how many were marked. Cost O(tasks given, each chunk's counted).
-- INCLUDE job
-- INCLUDE paths
-- KEYS job_key step_key
-- ARGV step_index now_ms tasks*
local marked = 0
local chunked = has_chunks(step_key)
local listed = redis.call('HGET', step_key, 'listed')
for k = 1, #tasks, 6 do
  local first, last = tonumber(tasks[k]), tonumber(tasks[k + 1])
  local known = false
  for task = first, last do
    known = known or redis.call('GETBIT', step_key .. ':succeeded', task) == 1
  end
  if not known then
    set_bits(step_key .. ':succeeded', first, last, 1)
    marked = marked + last - first + 1
    if listed then set_bits(step_key .. ':fed', first, last, 1) end
    if chunked then redis.call('ZADD', step_key .. ':chunks', first, first .. ' ' .. last) end
    redis.call('HSET', step_key .. ':outputs', first, tasks[k + 2])
    claim_paths(step_index, tasks[k], tasks[k + 5])
    redis.call('HINCRBY', job_key, 'outputs_accepted', tasks[k + 3])
    redis.call('RPUSH', prefix .. 'unpublished',
      step_index .. ':' .. first .. ':' .. tasks[k + 4] .. ':' .. tasks[k + 3])
  end
end
if marked > 0 then
  move(step_key, 'waiting', 'succeeded', marked)
  local g = redis.call('HMGET', step_key, 'gang', 'total', 'waiting')
  -- The tasks of a gang succeeded all at once, those without outputs too.
  if g[1] then
    set_bits(step_key .. ':succeeded', 0, tonumber(g[2]) - 1, 1)
    move(step_key, 'waiting', 'succeeded', tonumber(g[3]))
  end
  if listed then redis.call('HINCRBY', step_key, 'fed_count', marked) end
  -- The feed must step over them.
  redis.call('HSET', step_key, 'holes', 1)
  -- It had run, so a person had released it.
  redis.call('HDEL', step_key, 'held')
  redis.call('HDEL', job_key, 'held:' .. step_index)
end
return marked
