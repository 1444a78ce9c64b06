-- Replaces what is kept of a node's health, if it still is what the decision was made on. '' is nothing.
-- From: `before`. To: `after`. Returns 1, or 0 when somebody else changed it. Cost O(1).
-- KEYS node_key
-- ARGV before after
if (redis.call('HGET', node_key, 'health') or '') ~= before then return 0 end
if after == '' then
  redis.call('HDEL', node_key, 'health')
else
  redis.call('HSET', node_key, 'health', after)
end
return 1
