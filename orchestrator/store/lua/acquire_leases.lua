-- Counts leases of one step and node in the farm's ledger before they are granted: in those of their
-- studio, project, job and limits. As many as fit under every ceiling, from the first.
-- Legal from: lease not in the ledger. In `facts`, a JSON object,
-- `counters` are [[name, amount, 1 if it counts nodes], …].
-- A counter that was full is noted, so that the release that makes room tells.
-- Returns { how many, the counter that was full or '', 1 when that counts nodes }. Cost O(limits + leases).
-- KEYS counts_key hosts_key leases_key ceilings_key full_key
-- ARGV node_id facts lease_ids*
local wanted = #lease_ids
local counters = cjson.decode(facts).counters
local names = {}
for i, counter in ipairs(counters) do names[i] = counter[1] end
local ceilings = redis.call('HMGET', ceilings_key, unpack(names))
local full, full_host = '', 0
local counts
for i, counter in ipairs(counters) do
  if ceilings[i] then
    counts = counts or redis.call('HMGET', counts_key, unpack(names))
    local room = tonumber(ceilings[i]) - tonumber(counts[i] or 0)
    local fits
    if counter[3] == 1 then
      local there = room > 0 or redis.call('HEXISTS', hosts_key, counter[1] .. '@' .. node_id) == 1
      fits = there and wanted or 0
    else
      fits = math.max(0, math.floor(room / counter[2]))
    end
    if fits < wanted then wanted, full, full_host = fits, counter[1], counter[3] end
  end
end
if full ~= '' then redis.call('SADD', full_key, full) end
if wanted == 0 then return { 0, full, full_host } end
for _, counter in ipairs(counters) do
  if counter[3] == 1 then
    if redis.call('HINCRBY', hosts_key, counter[1] .. '@' .. node_id, wanted) == wanted then
      redis.call('HINCRBY', counts_key, counter[1], 1)
    end
  else
    redis.call('HINCRBY', counts_key, counter[1], counter[2] * wanted)
  end
end
local counted = {}
for i = 1, wanted do
  counted[2 * i - 1], counted[2 * i] = lease_ids[i], facts
end
redis.call('HSET', leases_key, unpack(counted))
return { wanted, full, full_host }
