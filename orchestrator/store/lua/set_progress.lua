-- Notes how far a running task is, if the lease that says so is the live one.
-- Returns 1 when noted, 0 when the lease is over. Cost O(1).
-- KEYS spans_key progress_key
-- ARGV span_id lease_id task progress
local span = redis.call('HGET', spans_key, span_id)
if not span then return 0 end
local first, last, _, lease = string.match(span, '^l (%d+) (%d+) (%d+) (%S+)')
if lease ~= lease_id or tonumber(task) < tonumber(first) or tonumber(task) > tonumber(last) then return 0 end
redis.call('HSET', progress_key, task, progress)
return 1
