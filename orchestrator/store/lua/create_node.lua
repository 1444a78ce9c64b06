-- Creates an enrolled node's record. Legal from: absent; an existing record is left as it is.
-- Returns 1 when created, 0 when it was there.
-- Cost O(1).
-- KEYS node_key
-- ARGV now_ms name public_key
if redis.call('HEXISTS', node_key, 'publicKey') == 1 then return 0 end
redis.call('HSET', node_key, 'name', name, 'publicKey', public_key, 'enrolledAtMs', now_ms,
  'slots', 0, 'state', 'offline')
return 1
