-- Ends a step's hold: it runs as soon as its dependencies have succeeded. Harmless when repeated.
-- From: step held, in any state. To: not held. Returns 1 when it was held, else 0. Cost O(1).
-- KEYS job_key step_key
-- ARGV step_index
redis.call('HDEL', job_key, 'held:' .. step_index)
return redis.call('HDEL', step_key, 'held')
