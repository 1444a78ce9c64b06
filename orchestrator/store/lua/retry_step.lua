-- Lets a step's failed tasks, and those canceled because of them, wait again. Reopens step and job.
-- From: step failed or canceled, or running with failed tasks. To: those tasks waiting.
-- Returns { failed tasks, effects, span id, … }. Cost O(tasks fed / 8 + tasks that wait again), where
-- chunks adapt O(chunks): a chunk runs again with the bounds it had.
-- INCLUDE job
-- INCLUDE history
-- KEYS job_key step_key
-- ARGV step_index now_ms span_tasks_max
local s = redis.call('HMGET', step_key, 'state', 'failed', 'canceled', 'cursor', 'listed', 'total', 'gang')
if not s[1] then return { 0, '' } end
local failed, canceled = tonumber(s[2]), tonumber(s[3])
if failed == 0 and canceled == 0 then return { 0, '' } end
local ended = terminal[s[1]]
reopen_step(step_index)
move(step_key, 'failed', 'waiting', failed)
move(step_key, 'canceled', 'waiting', canceled)

local function bits(name)
  return redis.call('GET', step_key .. ':' .. name) or ''
end
local succeeded_bits, failed_bits = bits('succeeded'), bits('failed')
local function bit_at(text, i)
  local byte = string.byte(text, math.floor(i / 8) + 1)
  if not byte then return false end
  return math.floor(byte / 2 ^ (7 - i % 8)) % 2 == 1
end

-- An ended step has no spans left: every fed task that has not succeeded needs one. A running step
-- keeps its spans: only its failed tasks need new ones.
local spans, from = {}, nil
local function close_run(to)
  if from then spans[#spans + 1] = queue_span(step_key, from, to) end
  from = nil
end
local cursor, fed_bits = tonumber(s[4]), nil
if s[5] then
  fed_bits = bits('fed')
  cursor = math.min(tonumber(s[6]), #fed_bits * 8)
end
local function is_open(task)
  if fed_bits and not bit_at(fed_bits, task) then return false end
  return bit_at(failed_bits, task) or (ended and not bit_at(succeeded_bits, task))
end
local chunked = has_chunks(step_key)
if chunked then
  for _, chunk in ipairs(redis.call('ZRANGE', step_key .. ':chunks', 0, -1)) do
    local first, last = string.match(chunk, '^(%d+) (%d+)$')
    if is_open(tonumber(first)) then spans[#spans + 1] = queue_span(step_key, first, last) end
  end
end
local i = chunked and cursor or 0
while i < cursor do
  if i % 8 == 0 and string.byte(succeeded_bits, i / 8 + 1) == 255 then
    close_run(i - 1)
    i = i + 8
  else
    local open = is_open(i)
    if not open then close_run(i - 1) end
    if from and i - from >= (s[7] and 1 or tonumber(span_tasks_max)) then close_run(i - 1) end
    if open and not from then from = i end
    i = i + 1
  end
end
close_run(cursor - 1)
redis.call('DEL', step_key .. ':failed', step_key .. ':failures')
note_scouts(step_index)
note_reopened(step_key)
-- What it waits for may have been done while its tasks were canceled.
local frame_deps = redis.call('HGET', step_key, 'frame_deps')
if frame_deps then
  redis.call('HDEL', step_key, 'unfed_canceled')
  for dependency in string.gmatch(frame_deps, '%d+') do note_release(dependency, -1, -1) end
end
local out = { failed, encode_effects() }
for _, id in ipairs(spans) do out[#out + 1] = id end
return out
