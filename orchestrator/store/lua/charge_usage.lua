-- Adds charges to accounts' usage, what was there decayed to this moment, and to what they ever spent.
-- Entries come in pairs: account, core-seconds (negative where an estimate was too high). What was
-- spent may fall below 0: a correction may come before the charge that it corrects.
-- Returns the number of accounts. Cost O(accounts).
-- KEYS usage_key spent_key mirror_key
-- ARGV now_ms half_life_ms entries*
for i = 1, #entries, 2 do
  local usage = 0
  local known = redis.call('HGET', usage_key, entries[i])
  if known then
    local amount, at = string.match(known, '^(%S+) (%S+)$')
    local age = math.max(0, tonumber(now_ms) - tonumber(at))
    usage = tonumber(amount) * 2 ^ (-age / tonumber(half_life_ms))
  end
  usage = math.max(0, usage + tonumber(entries[i + 1]))
  redis.call('HSET', usage_key, entries[i], string.format('%.6f %s', usage, now_ms))
  redis.call('HINCRBYFLOAT', spent_key, entries[i], entries[i + 1])
end
redis.call('HINCRBY', mirror_key, 'changes', 1)
return #entries / 2
