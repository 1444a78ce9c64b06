-- Adds a submission's input files to what its studio stores: those that were offered for upload since
-- storage was last counted, each once. `inputs` are hash and size in turn.
-- Returns how many were added. Cost O(inputs).
-- KEYS use_key offered_key
-- ARGV inputs*
local objects, bytes = 0, 0
for i = 1, #inputs, 2 do
  if redis.call('SREM', offered_key, string.sub(inputs[i], 1, 16)) == 1 then
    objects = objects + 1
    bytes = bytes + tonumber(inputs[i + 1])
  end
end
if objects > 0 then
  redis.call('HINCRBY', use_key, 'inputs:objects', objects)
  redis.call('HINCRBY', use_key, 'inputs:bytes', string.format('%.0f', bytes))
end
return objects
