-- Advances a step's cursor and puts its next tasks into spans of `size`, at most `count` spans. In a
-- step with holes (restored from storage) it steps over tasks that have succeeded.
-- From: step ready or running, and not held. Returns { remaining, span id, span id, … }; remaining
-- tasks behind the cursor, up to the last scout. Cost O(count), with holes O(tasks passed).
-- INCLUDE job
-- KEYS job_key step_key spans_key
-- ARGV step_index size count
local s = redis.call('HMGET', step_key, 'state', 'total', 'cursor', 'holes', 'held', 'scout')
if s[5] or s[1] ~= 'ready' and s[1] ~= 'running' then return { 0 } end
local total, cursor = tonumber(s[6] or s[2]), tonumber(s[3])
local out, made = { 0 }, {}
local function done(task)
  return s[4] and redis.call('GETBIT', step_key .. ':succeeded', task) == 1
end
for _ = 1, tonumber(count) do
  while cursor < total and done(cursor) do cursor = cursor + 1 end
  if cursor >= total then break end
  local last = math.min(cursor + tonumber(size), total) - 1
  if s[4] then
    local stop = cursor
    while stop < last and not done(stop + 1) do stop = stop + 1 end
    last = stop
  end
  made[#made + 1] = 'q ' .. cursor .. ' ' .. last
  cursor = last + 1
end
if #made > 0 then
  local id = redis.call('HINCRBY', step_key, 'span_seq', #made) - #made
  local words = {}
  for i, span in ipairs(made) do
    out[1 + i] = id + i
    words[2 * i - 1], words[2 * i] = id + i, span
  end
  redis.call('HSET', spans_key, unpack(words))
end
redis.call('HSET', step_key, 'cursor', cursor)
out[1] = total - cursor
if out[1] == 0 then note_scouts(step_index) end
return out
