-- Puts the next tasks of a step that has an order of its own into spans, one for each range given as two
-- words, first and last, if the cursor still stands where the caller saw it. The cursor counts positions
-- of that order; a task that was in a span before is left out.
-- From: step ready or running, and not held. Returns { remaining, span id, span id, … }; remaining is
-- positions behind `next` up to the end or the last scout, -1 where nothing was changed: the cursor has
-- moved. Cost O(tasks given).
-- INCLUDE job
-- KEYS job_key step_key
-- ARGV step_index cursor next ranges*
local s = redis.call('HMGET', step_key, 'state', 'total', 'cursor', 'held', 'scout')
if s[4] or s[1] ~= 'ready' and s[1] ~= 'running' then return { 0 } end
local limit = tonumber(s[5]) or tonumber(s[2])
if s[3] ~= cursor or tonumber(next) > limit then return { -1 } end
local out = { limit - next }
for k = 1, #ranges, 2 do
  for _, id in ipairs(feed_range(step_key, tonumber(ranges[k]), tonumber(ranges[k + 1]))) do
    out[#out + 1] = id
  end
end
redis.call('HSET', step_key, 'cursor', next)
if out[1] == 0 then note_scouts(step_index) end
return out
