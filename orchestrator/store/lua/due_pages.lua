-- Which pages of a job's steps have details of finished tasks to be paged out: those whose tasks have
-- all finished since they were last looked at, or `due_tasks` of them, or any of an ended step.
-- Returns { step, page, … }, at most pages_max pages. Changes nothing but what it remembers of where to
-- look. Cost O(steps) where nothing has finished since the last call, else O(pages of the step that
-- were not paged out whole).
-- INCLUDE job
-- KEYS job_key
-- ARGV now_ms page_tasks due_tasks pages_max
local size_max, due = tonumber(page_tasks), {}

local function finished_in(step, page)
  local from = page * size_max / 8
  local to = from + size_max / 8 - 1
  return redis.call('BITCOUNT', step .. ':succeeded', from, to) + redis.call('BITCOUNT', step .. ':failed', from, to)
end

local function look_at(i)
  local step = step_of(i)
  local s = redis.call('HMGET', step, 'state', 'total', 'cursor', 'succeeded', 'failed', 'reopens', 'paged_from',
    'paged_mark', 'listed')
  local mark = s[1] .. ' ' .. s[4] .. ' ' .. s[5] .. ' ' .. (s[6] or 0)
  if mark == s[8] then return end
  local ended, total = terminal[s[1]], tonumber(s[2])
  local from, found = tonumber(s[7] or 0), 0
  -- What was restored from storage may stand ahead of the cursor; in an order of the step's own it
  -- counts no tasks.
  local stop = math.ceil(((ended or s[9]) and total or tonumber(s[3])) / size_max)
  local whole = from
  for page = from, stop - 1 do
    local size = math.min(size_max, total - page * size_max)
    local handled = tonumber(redis.call('HGET', step .. ':paged', page) or 0)
    if handled == size and page == whole then
      whole = page + 1
    else
      local n = finished_in(step, page)
      if n > handled and (ended or n == size or n - handled >= tonumber(due_tasks)) then
        found = found + 1
        due[#due + 1] = tonumber(i)
        due[#due + 1] = page
        if #due >= 2 * tonumber(pages_max) then break end
      end
    end
  end
  if whole > from then redis.call('HSET', step, 'paged_from', whole) end
  if found == 0 then redis.call('HSET', step, 'paged_mark', mark) end
end

for i = 0, tonumber(redis.call('HGET', job_key, 'step_count') or 0) - 1 do
  look_at(i)
  if #due >= 2 * tonumber(pages_max) then break end
end
return due
