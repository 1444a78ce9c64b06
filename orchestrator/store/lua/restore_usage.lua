-- Brings back what accounts had used, once for each time Redis was emptied: what replicas that run have
-- charged since stands on top of it. Entries come in threes: account, `usage atMs`, core-seconds spent.
-- Returns the number of accounts, 0 where that was done before. Cost O(accounts).
-- KEYS usage_key spent_key mirror_key
-- ARGV entries*
if redis.call('HGET', mirror_key, 'restored') then return 0 end
redis.call('HSET', mirror_key, 'restored', '1')
for i = 1, #entries, 3 do
  redis.call('HSETNX', usage_key, entries[i], entries[i + 1])
  redis.call('HINCRBYFLOAT', spent_key, entries[i], entries[i + 2])
end
return #entries / 3
