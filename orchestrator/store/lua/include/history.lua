-- Shared by the scripts that page finished tasks' details out, or let finished tasks run again.

-- Cuts the run that holds both task `at - 1` and task `at` in two. Runs of one step never overlap.
local function cut_runs(step, at)
  local key = step .. ':runs'
  local member = redis.call('ZREVRANGEBYSCORE', key, at - 1, '-inf', 'LIMIT', 0, 1)[1]
  if not member then return end
  local first, last, rest = string.match(member, '^(%d+) (%d+)( .*)$')
  if tonumber(last) < at then return end
  redis.call('ZREM', key, member)
  redis.call('ZADD', key, first, first .. ' ' .. (at - 1) .. rest, at, at .. ' ' .. last .. rest)
end

-- Finished tasks wait again: those first to last of a page, or some anywhere in the step. Whoever has
-- read their details meanwhile and is about to take them out has read too early.
local function note_reopened(step, page, first, last)
  redis.call('HINCRBY', step, 'reopens', 1)
  if not page then
    redis.call('DEL', step .. ':paged')
    redis.call('HDEL', step, 'paged_from')
    return
  end
  cut_runs(step, first)
  cut_runs(step, last + 1)
  redis.call('HDEL', step .. ':paged', page)
  local from = tonumber(redis.call('HGET', step, 'paged_from') or 0)
  if page < from then redis.call('HSET', step, 'paged_from', page) end
end

-- A step has tasks behind its last page: a page that was paged out whole is so no longer.
local function note_grown(step, page)
  local from = tonumber(redis.call('HGET', step, 'paged_from') or 0)
  if page < from then redis.call('HSET', step, 'paged_from', page) end
end
