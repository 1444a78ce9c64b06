-- Puts leases on a node's list before they are granted, so that no granted lease is ever unknown to
-- its node's record. Refused when a newer call of the node came first, it drains, or its slots are full.
-- Returns how many of the (lease id, grant) were claimed, from the first. Cost O(pairs).
-- KEYS node_key leases_key
-- ARGV boot_id seq lease_grants*
local n = redis.call('HMGET', node_key, 'boot_id', 'seq', 'drain', 'slots')
if n[1] ~= boot_id or n[2] ~= seq or n[3] == '1' then return 0 end
local free = tonumber(n[4]) - redis.call('HLEN', leases_key)
local count = math.min(free, #lease_grants / 2)
for i = 1, count do redis.call('HSET', leases_key, lease_grants[2 * i - 1], lease_grants[2 * i]) end
return math.max(count, 0)
