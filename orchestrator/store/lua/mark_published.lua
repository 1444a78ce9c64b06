-- Notes that the studio's view holds an accepted attempt's outputs. Returns 1, or 0 when it was noted
-- before. Cost O(unpublished).
-- KEYS job_key unpublished_key
-- ARGV entry count
if redis.call('LREM', unpublished_key, 1, entry) == 0 then return 0 end
redis.call('HINCRBY', job_key, 'outputs_published', count)
return 1
