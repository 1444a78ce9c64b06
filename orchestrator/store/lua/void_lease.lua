-- A node does not hold a lease that is on its list. Where the span is leased under it, nothing changes:
-- it may be told again. Else the lease is void from now on: a grant that is on its way, here or on
-- another replica, is refused by grant_spans.lua.
-- Returns the packed span leased under it, or '' when it is void. Cost O(1).
-- KEYS step_key spans_key
-- ARGV span_id lease_id keep_ms
local span = redis.call('HGET', spans_key, span_id)
if span and string.match(span, '^l %d+ %d+ %d+ (%S+)') == lease_id then return span end
redis.call('SADD', step_key .. ':void', lease_id)
redis.call('PEXPIRE', step_key .. ':void', keep_ms)
return ''
