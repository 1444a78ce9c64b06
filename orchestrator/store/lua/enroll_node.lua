-- Claims an enrolment token for one node's public key.
-- Legal from: a live token, unclaimed, or claimed by the same public key (the answer was lost).
-- Returns {'claimed', node id} | {'used'} | {'unknown'}. The record is kept for keep_ms after its claim,
-- so that a second use is told apart from an unknown token.
-- Cost O(1).
-- KEYS token_key
-- ARGV now_ms secret_hash public_key node_id keep_ms
local token = redis.call('HMGET', token_key, 'hash', 'expiresAtMs', 'publicKey', 'nodeId')
if token[1] ~= secret_hash then return {'unknown'} end
if token[3] then
  if token[3] == public_key then return {'claimed', token[4]} end
  return {'used'}
end
if tonumber(now_ms) >= tonumber(token[2]) then return {'unknown'} end
redis.call('HSET', token_key, 'publicKey', public_key, 'nodeId', node_id)
redis.call('PEXPIRE', token_key, keep_ms)
return {'claimed', node_id}
