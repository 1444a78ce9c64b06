-- Notes that the studio's view holds accepted attempts' outputs. Entries come two words each: the entry
-- as it is listed, its number of outputs. One that was noted before is passed over.
-- Returns how many were noted. Cost O(entries, and what stands before them in the list).
-- KEYS job_key unpublished_key
-- ARGV entries*
local noted, outputs = 0, 0
for k = 1, #entries, 2 do
  if redis.call('LREM', unpublished_key, 1, entries[k]) == 1 then
    noted = noted + 1
    outputs = outputs + tonumber(entries[k + 1])
  end
end
if outputs > 0 then redis.call('HINCRBY', job_key, 'outputs_published', outputs) end
return noted
