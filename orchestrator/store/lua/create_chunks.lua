-- Advances the cursor of a step whose chunks adapt over chunks that the caller has cut, each given by
-- its last task, if the cursor still stands where the caller saw it. Each becomes a span; its bounds
-- stay for good. In a step with holes (restored from storage) tasks that have succeeded are left out,
-- and what stands on either side of them becomes chunks of their own.
-- From: step ready or running, and not held. Returns { remaining, span id, span id, … }; remaining is
-- -1 where the cursor has moved and nothing was changed. Cost O(chunks), with holes O(tasks passed).
-- KEYS step_key spans_key chunks_key
-- ARGV cursor lasts*
local s = redis.call('HMGET', step_key, 'state', 'total', 'cursor', 'holes', 'held')
if s[5] or s[1] ~= 'ready' and s[1] ~= 'running' then return { 0 } end
if s[3] ~= cursor then return { -1 } end
local total, first = tonumber(s[2]), tonumber(cursor)
local out = { 0 }
local function make(from, to)
  local id = redis.call('HINCRBY', step_key, 'span_seq', 1)
  redis.call('HSET', spans_key, id, 'q ' .. from .. ' ' .. to)
  redis.call('ZADD', chunks_key, from, from .. ' ' .. to)
  out[#out + 1] = id
end
local function make_around_holes(from, to)
  local open
  for task = from, to do
    local done = redis.call('GETBIT', step_key .. ':succeeded', task) == 1
    if not done then open = open or task end
    if open and done then make(open, task - 1) end
    if done then open = nil end
  end
  if open then make(open, to) end
end
for _, text in ipairs(lasts) do
  local last = tonumber(text)
  if last < first or last >= total then break end
  if s[4] then make_around_holes(first, last) else make(first, last) end
  first = last + 1
end
redis.call('HSET', step_key, 'cursor', first)
out[1] = total - first
return out
