-- Puts tasks of a step that waits for single tasks of others into spans: those of which all that they
-- need has succeeded, neighbours together up to `size`. A task that was in a span before is left out.
-- Words of `needs`: task, how many needs, and of each the step, its first and its last task; -1 for the
-- step as a whole. Ascending by task.
-- From: step not ended, its tasks that were never fed not canceled. Returns { span id, … }.
-- Cost O(tasks needed).
-- INCLUDE job
-- KEYS job_key step_key
-- ARGV size needs*
local s = redis.call('HMGET', step_key, 'state', 'unfed_canceled')
if terminal[s[1]] or s[2] then return {} end
local function is_met(dependency, first, last)
  local step = step_of(dependency)
  if first < 0 then return redis.call('HGET', step, 'state') == 'succeeded' end
  for task = first, last do
    if redis.call('GETBIT', step .. ':succeeded', task) == 0 then return false end
  end
  return true
end
local out, from, to = {}, nil, nil
local function close_run()
  if not from then return end
  for _, id in ipairs(feed_range(step_key, from, to)) do out[#out + 1] = id end
  from = nil
end
local k = 1
while k <= #needs do
  local task, count = tonumber(needs[k]), tonumber(needs[k + 1])
  local met = true
  for n = 0, count - 1 do
    local at = k + 2 + 3 * n
    met = met and is_met(needs[at], tonumber(needs[at + 1]), tonumber(needs[at + 2]))
  end
  k = k + 2 + 3 * count
  if met and redis.call('GETBIT', step_key .. ':fed', task) == 0 then
    if from and (task ~= to + 1 or task - from >= tonumber(size)) then close_run() end
    from = from or task
    to = task
  end
end
close_run()
return out
