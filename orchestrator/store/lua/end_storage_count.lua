-- Puts what a count found in place of what stood when it began: `changes` are fields and the difference
-- in turn, so that what was added and taken off meanwhile stays.
-- From: the count that began last, of this Redis. Anything else changes nothing.
-- Returns 1, or 0 where another has begun or Redis was emptied. Cost O(1).
-- KEYS use_key
-- ARGV count now_ms changes*
if redis.call('HGET', use_key, 'count') ~= count then return 0 end
for i = 1, #changes, 2 do
  redis.call('HINCRBY', use_key, changes[i], changes[i + 1])
end
redis.call('HSET', use_key, 'counted_at_ms', now_ms)
redis.call('HDEL', use_key, 'count')
return 1
