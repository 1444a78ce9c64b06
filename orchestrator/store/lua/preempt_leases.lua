-- Marks leases of a node to be ended for a step that needs the room; once each, whatever replicas decide.
-- `leases`: those to end, `count` of them, then the others that the decision knew of.
-- Legal from: those to end are listed and unmarked, and no lease has come since.
-- Returns 1, or 0 when that is not so and nothing was changed. Cost O(leases of the node).
-- KEYS node_key leases_key
-- ARGV id record count leases*
if redis.call('HEXISTS', node_key, 'name') == 0 then return 0 end
local stands = redis.call('HGET', node_key, 'preempts') or ''
for i = 1, tonumber(count) do
  if redis.call('HEXISTS', leases_key, leases[i]) == 0 then return 0 end
  if string.find(stands, leases[i], 1, true) then return 0 end
end
local known = {}
for _, lease in ipairs(leases) do known[lease] = true end
for _, lease in ipairs(redis.call('HKEYS', leases_key)) do
  if not known[lease] then return 0 end
end
redis.call('HSET', node_key, 'preempts', stands .. id .. ' ' .. record .. '\n')
return 1
