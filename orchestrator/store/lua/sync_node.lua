-- One call of an agent: its liveness, what it is, and how its leases differ from ours.
-- Returns { 'unknown' } (no such node), { 'superseded' } (a newer process speaks for it),
-- { 'stale' } (a newer call of this process came first), or
-- { 'ok', drain, drain_now, schedule, stop, rev, n lost, n used, health, preempts, lost lease ids…, resources…,
--   lease id, grant, … }: leases it holds that are over, then the resources of every lease on its list
-- that reserves some, then leases of ours it does not hold. A new process holds nothing: those are
-- orphans of its last life, told by { 'boot', … } in place of 'ok'. `rev` counts changes of what the
-- node is. Cost O(leases of the node).
-- KEYS node_key leases_key
-- ARGV boot_id booted_at seq now_ms deadline_ms slots message inventory held*
local n = redis.call('HMGET', node_key, 'name', 'boot_id', 'booted_at', 'seq', 'drain', 'drain_now', 'schedule',
  'stop', 'rev', 'health', 'preempts')
if not n[1] then return { 'unknown' } end
local status = 'ok'
if n[2] ~= boot_id then
  if n[2] and tonumber(booted_at) < tonumber(n[3]) then return { 'superseded' } end
  status = 'boot'
elseif tonumber(seq) <= tonumber(n[4]) then
  return { 'stale' }
end
redis.call('HSET', node_key, 'boot_id', boot_id, 'booted_at', booted_at, 'seq', seq,
  'synced_at', now_ms, 'deadline', deadline_ms, 'slots', slots, 'message', message)
local rev = tonumber(n[9] or 0)
if inventory ~= '' then
  redis.call('HSET', node_key, 'inventory', inventory)
  rev = redis.call('HINCRBY', node_key, 'rev', 1)
end
local out = { status, n[5] or '', n[6] or '', n[7] or '', n[8] or '', rev, 0, 0, n[10] or '', n[11] or '' }
local leases = redis.call('HGETALL', leases_key)
local ours, theirs, used = {}, {}, {}
for k = 1, #leases, 2 do
  ours[leases[k]] = leases[k + 1]
  local resources = string.match(leases[k + 1], '^%S+ %S+ %S+ (.+)$')
  if resources then used[#used + 1] = resources end
end
for _, id in ipairs(held) do
  theirs[id] = true
  if not ours[id] then
    out[7] = out[7] + 1
    out[#out + 1] = id
  end
end
out[8] = #used
for _, resources in ipairs(used) do out[#out + 1] = resources end
for id, grant in pairs(ours) do
  if not theirs[id] then
    out[#out + 1] = id
    out[#out + 1] = grant
  end
end
return out
