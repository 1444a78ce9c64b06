-- Changes or removes one setting of the farm and puts its ceilings into force in the same step.
-- `expected` '': whatever stands there; else the text that must stand there. `value` '': removes it.
-- `ceilings`: counter name, ceiling ('': none), …. Counters found full before are forgotten: the next
-- grant finds out.
-- Returns 1 when it was changed, 0 when something else stood there or there was nothing to remove.
-- Cost O(ceilings).
-- KEYS settings_key ceilings_key full_key
-- ARGV name expected value ceilings*
local before = redis.call('HGET', settings_key, name)
if expected ~= '' and before ~= expected then return 0 end
if value ~= '' then
  redis.call('HSET', settings_key, name, value)
elseif redis.call('HDEL', settings_key, name) == 0 then
  return 0
end
for i = 1, #ceilings, 2 do
  if ceilings[i + 1] == '' then
    redis.call('HDEL', ceilings_key, ceilings[i])
  else
    redis.call('HSET', ceilings_key, ceilings[i], ceilings[i + 1])
  end
  redis.call('SREM', full_key, ceilings[i])
end
return 1
