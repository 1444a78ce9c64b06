-- Ends the leases of a gang that is not to begin after all: they wait again, at no cost.
-- From: gang open, as it was opened with `until_ms`. Returns effects, '' where that is not so.
-- Cost O(spans of the step).
-- INCLUDE job
-- INCLUDE gang
-- KEYS job_key step_key
-- ARGV step_index until_ms now_ms
local s = redis.call('HMGET', step_key, 'gang_state', 'gang_until')
if s[1] ~= 'open' or s[2] ~= until_ms then return '' end
member_left(step_index)
return encode_effects()
