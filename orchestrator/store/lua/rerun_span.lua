-- Lets the tasks of a leased span run a second time beside the first: queues a rerun of them. One for
-- each lease: none where there is or was one, and none in a gang, whose ranks are each one process. Where tasks run one after another, only the last of a span.
-- From: job running, step running and not held, span leased by exactly this lease. To: the same, and a
-- queued rerun; counters stay, the tasks are running already.
-- Returns the rerun's span id, or 0 where nothing was changed. Cost O(1).
-- INCLUDE job
-- KEYS job_key step_key spans_key
-- ARGV span_id lease_id
if redis.call('HGET', job_key, 'state') ~= 'running' then return 0 end
local s = redis.call('HMGET', step_key, 'state', 'held', 'gang')
if s[1] ~= 'running' or s[2] or s[3] then return 0 end
local span = parse_span(redis.call('HGET', spans_key, span_id))
if not span or span.state ~= 'l' or span.lease ~= lease_id or span.partner then return 0 end
if span.first ~= span.last and not has_chunks(step_key) then return 0 end
local id = redis.call('HINCRBY', step_key, 'span_seq', 1)
redis.call('HSET', spans_key, id, 't ' .. span.first .. ' ' .. span.last .. ' ' .. span_id)
span.partner = id
redis.call('HSET', spans_key, span_id, pack_lease(span))
return id
