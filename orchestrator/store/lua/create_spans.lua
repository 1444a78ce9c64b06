-- Advances a step's cursor and puts its next tasks into spans of `size`, at most `count` spans, so
-- that at most `buffer` spans are queued or leased beyond `keep`.
-- From: step ready or running. Returns { remaining, span id, span id, … }; remaining tasks behind the
-- cursor. Cost O(count).
-- KEYS step_key spans_key
-- ARGV size count
local s = redis.call('HMGET', step_key, 'state', 'total', 'cursor')
if s[1] ~= 'ready' and s[1] ~= 'running' then return { 0 } end
local total, cursor = tonumber(s[2]), tonumber(s[3])
local out = { 0 }
for _ = 1, tonumber(count) do
  if cursor >= total then break end
  local last = math.min(cursor + tonumber(size), total) - 1
  local id = redis.call('HINCRBY', step_key, 'span_seq', 1)
  redis.call('HSET', spans_key, id, 'q ' .. cursor .. ' ' .. last)
  out[#out + 1] = id
  cursor = last + 1
end
redis.call('HSET', step_key, 'cursor', cursor)
out[1] = total - cursor
return out
