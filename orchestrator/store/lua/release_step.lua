-- Ends a step's hold, or the waiting behind its scouts: it runs as soon as its dependencies have
-- succeeded. Harmless when repeated.
-- From: step held or with scouts, in any state. To: neither. Returns 1 when it was, else 0. Cost O(1).
-- KEYS job_key step_key
-- ARGV step_index
redis.call('HDEL', job_key, 'held:' .. step_index)
return math.min(redis.call('HDEL', step_key, 'held', 'scout', 'scouted'), 1)
