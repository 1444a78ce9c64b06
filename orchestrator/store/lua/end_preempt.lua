-- Ends the keeping of room on a node; harmless when repeated.
-- Returns 1, or 0 when it had ended. Cost O(rooms kept there).
-- KEYS node_key
-- ARGV id
local stands = redis.call('HGET', node_key, 'preempts') or ''
local left, found = {}, 0
for line in string.gmatch(stands, '[^\n]+') do
  if string.sub(line, 1, #id) == id then
    found = 1
  else
    left[#left + 1] = line .. '\n'
  end
end
if #left == 0 then
  redis.call('HDEL', node_key, 'preempts')
else
  redis.call('HSET', node_key, 'preempts', table.concat(left))
end
return found
