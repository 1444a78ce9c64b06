-- Advances the cursor of a step whose chunks adapt over chunks that the caller has cut, each given by
-- its last task, if the cursor still stands where the caller saw it. Each becomes a span; its bounds
-- stay for good. In a step with holes, chunks restored from storage are left out as they were, and what
-- stands on either side of them becomes chunks of their own.
-- With scouts, the last chunk ends with them.
-- From: step ready or running, and not held. Returns { remaining, span id, span id, … }; remaining is
-- -1 where the cursor has moved and nothing was changed. Cost O(chunks).
-- INCLUDE job
-- KEYS job_key step_key spans_key chunks_key
-- ARGV step_index cursor lasts*
local s = redis.call('HMGET', step_key, 'state', 'total', 'cursor', 'holes', 'held', 'scout')
if s[5] or s[1] ~= 'ready' and s[1] ~= 'running' then return { 0 } end
if s[3] ~= cursor then return { -1 } end
local total, first = tonumber(s[6] or s[2]), tonumber(cursor)
local out = { 0 }
local function make(from, to)
  local id = redis.call('HINCRBY', step_key, 'span_seq', 1)
  redis.call('HSET', spans_key, id, 'q ' .. from .. ' ' .. to)
  redis.call('ZADD', chunks_key, from, from .. ' ' .. to)
  out[#out + 1] = id
end
-- Answers the first task behind them.
local function make_around_holes(from, to)
  for _, chunk in ipairs(redis.call('ZRANGEBYSCORE', chunks_key, from, to)) do
    local hole, hole_last = string.match(chunk, '^(%d+) (%d+)$')
    if tonumber(hole) > from then make(from, hole - 1) end
    from = hole_last + 1
  end
  if from <= to then make(from, to) end
  return math.max(from, to + 1)
end
for _, text in ipairs(lasts) do
  if first >= total then break end
  local last = math.min(tonumber(text), total - 1)
  -- One that lies in a hole altogether was passed with it.
  if last >= first then
    if s[4] then
      first = make_around_holes(first, last)
    else
      make(first, last)
      first = last + 1
    end
  end
end
redis.call('HSET', step_key, 'cursor', first)
out[1] = math.max(total - first, 0)
if out[1] == 0 then note_scouts(step_index) end
return out
