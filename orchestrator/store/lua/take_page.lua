-- Takes details of finished tasks out of Redis that storage holds now, in the object new_name; or, where
-- that is old_name still, notes only that `handled` finished tasks of the page were looked at. Nothing
-- is taken if any task of the step was reopened since the page was read, or another has paged it out:
-- finished tasks don't change otherwise.
-- Ranges of tasks come as first last first last ….
-- Returns 1, or 0 when nothing was changed. Cost O(tasks taken).
-- KEYS step_key
-- ARGV page reopens old_name new_name handled ranges*
if redis.call('EXISTS', step_key) == 0 then return 0 end
if (redis.call('HGET', step_key, 'reopens') or '0') ~= reopens then return 0 end
if (redis.call('HGET', step_key .. ':pages', page) or '') ~= old_name then return 0 end

local function take(name, first, last, endings)
  local key = step_key .. ':' .. name
  if redis.call('EXISTS', key) == 0 then return end
  for _, ending in ipairs(endings) do
    local fields = {}
    for task = first, last do fields[#fields + 1] = task .. ending end
    redis.call('HDEL', key, unpack(fields))
  end
end
for k = 1, #ranges, 2 do
  local first, last = tonumber(ranges[k]), tonumber(ranges[k + 1])
  take('attempts', first, last, { '' })
  take('outputs', first, last, { '' })
  take('failures', first, last, { '', ':f', ':w', ':n', ':p' })
  redis.call('ZREMRANGEBYSCORE', step_key .. ':runs', first, last)
end
if new_name ~= old_name then redis.call('HSET', step_key .. ':pages', page, new_name) end
if string.sub(new_name, -2) == ' o' then redis.call('HSET', step_key, 'outputs_paged', 1) end
redis.call('HSET', step_key .. ':paged', page, handled)
return 1
