-- Puts leases on a node's list before they are granted, so that no granted lease is ever unknown to
-- its node's record. Refused when a newer call of the node came first, it drains, its slots are full,
-- or what a lease reserves is not free. A grant is 'job step span', and where it reserves resources
-- their JSON after a further space.
-- Returns { how many of the (lease id, grant) were claimed, from the first, and why the next was not:
-- 'stale', 'slots' or 'resources' }. Cost O(pairs), with resources O(leases of the node) more.
-- KEYS node_key leases_key
-- ARGV boot_id seq lease_grants*
local n = redis.call('HMGET', node_key, 'boot_id', 'seq', 'drain', 'slots')
if n[1] ~= boot_id or n[2] ~= seq or n[3] == '1' then return { 0, 'stale' } end
local slots = tonumber(n[4]) - redis.call('HLEN', leases_key)

local free
local function take(resources)
  for name, amount in pairs(resources.amounts or {}) do
    free.amounts[name] = (free.amounts[name] or 0) - amount
    if free.amounts[name] < 0 then free.overdrawn = true end
  end
  for _, name in ipairs({ 'vcpus', 'memoryMib', 'scratchGib' }) do
    free[name] = free[name] - resources[name]
    if free[name] < 0 and resources[name] > 0 then free.overdrawn = true end
  end
  for _, index in ipairs(resources.gpus) do
    if index >= free.gpu_count or free.busy[index] then free.overdrawn = true end
    free.busy[index] = true
  end
end

-- What the leases on the list leave of what the node has.
local function count_free()
  local inventory = cjson.decode(redis.call('HGET', node_key, 'inventory') or '{}')
  free = {
    vcpus = inventory.cpuCount or 0,
    memoryMib = inventory.memoryMib or 0,
    scratchGib = (inventory.scratchMib or 0) / 1024,
    gpu_count = #(inventory.gpus or {}),
    amounts = {},
    busy = {},
  }
  for name, amount in pairs(inventory.amounts or {}) do free.amounts[string.lower(name)] = amount end
  for _, grant in ipairs(redis.call('HVALS', leases_key)) do
    local resources = string.match(grant, '^%S+ %S+ %S+ (.+)$')
    if resources then take(cjson.decode(resources)) end
  end
  free.overdrawn = false
end

local count = 0
local listed = {}
local function answer(why)
  if count > 0 then redis.call('HSET', leases_key, unpack(listed)) end
  return { count, why }
end
for i = 1, #lease_grants, 2 do
  if count >= slots then return answer('slots') end
  local resources = string.match(lease_grants[i + 1], '^%S+ %S+ %S+ (.+)$')
  if resources then
    if not free then count_free() end
    take(cjson.decode(resources))
    if free.overdrawn then return answer('resources') end
  end
  listed[i], listed[i + 1] = lease_grants[i], lease_grants[i + 1]
  count = count + 1
end
return answer('')
