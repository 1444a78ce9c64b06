-- Ends the counting of leases in the farm's ledger; harmless when repeated.
-- Returns { n opened, counters somebody found full that have room now…, lease id, facts, … } for each that was
-- counted. Cost O(leases x limits).
-- KEYS counts_key hosts_key leases_key full_key
-- ARGV lease_ids*
local found = redis.call('HMGET', leases_key, unpack(lease_ids))
local moves, order, hosts, out = {}, {}, {}, { 0 }
local pairs_out, ids = {}, {}
-- Leases that were counted together have the same words.
local decoded = {}
for i, facts in ipairs(found) do
  if facts then
    pairs_out[#pairs_out + 1] = lease_ids[i]
    pairs_out[#pairs_out + 1] = facts
    ids[#ids + 1] = lease_ids[i]
    local fact = decoded[facts] or cjson.decode(facts)
    decoded[facts] = fact
    for _, counter in ipairs(fact.counters) do
      local name = counter[1]
      local down = counter[2]
      if counter[3] == 1 then
        local host = name .. '@' .. fact.node
        down = 0
        if redis.call('HINCRBY', hosts_key, host, -1) <= 0 then
          redis.call('HDEL', hosts_key, host)
          down = 1
        end
      end
      if not moves[name] then
        moves[name] = 0
        order[#order + 1] = name
      end
      moves[name] = moves[name] + down
    end
  end
end
if #ids > 0 then redis.call('HDEL', leases_key, unpack(ids)) end
for _, name in ipairs(order) do
  if moves[name] > 0 then
    local left = redis.call('HINCRBY', counts_key, name, -moves[name])
    if left <= 0 then redis.call('HDEL', counts_key, name) end
    if redis.call('SREM', full_key, name) == 1 then
      out[1] = out[1] + 1
      out[#out + 1] = name
    end
  end
end
for _, word in ipairs(pairs_out) do out[#out + 1] = word end
return out
