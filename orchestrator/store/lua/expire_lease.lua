-- Takes a lease back from a node that is lost. Its span waits again; its first open task, the one
-- that was running, is charged a fault that is not its own. A chunk is charged and fails as one.
-- From: span leased by exactly this lease. To: span queued, or its first task failed for good; where its
-- tasks run under another lease too, they are left to that, and nothing is charged.
-- Returns { expired, requeued, effects, runs_on }; expired 0 when the lease was over already, runs_on 1
-- when its tasks run on. Cost O(1), for a chunk that fails O(its tasks).
-- `fault` 0: preempted and not given back in time, which is nobody's fault and is not charged.
-- INCLUDE job
-- INCLUDE rerun
-- INCLUDE gang
-- KEYS job_key step_key spans_key
-- ARGV step_index span_id lease_id now_ms max_faults record fault
local span = parse_span(redis.call('HGET', spans_key, span_id))
if not span or span.state ~= 'l' or span.lease ~= lease_id then return { 0, 0, '', 0 } end
local partner = partner_of(step_key, span)
if partner and partner.state == 'l' then
  leave_to_partner(step_key, span_id, span, partner, fault == '1')
  return { 1, 0, '', 1 }
end
local task = span.first
local over = false
if fault == '1' then
  local _, is_over = charge(step_key, task, 'na', max_faults, span.node, record)
  over = is_over
else
  redis.call('HSET', step_key .. ':attempts', task, record)
  redis.call('HDEL', step_key .. ':progress', task)
end
local first, requeued = task, 0
if over then
  local last = has_chunks(step_key) and span.last or task
  set_bits(step_key .. ':failed', task, last, 1)
  move(step_key, 'running', 'failed', last - task + 1)
  first = last + 1
end
if first <= span.last then
  redis.call('HSET', spans_key, span_id, 'q ' .. first .. ' ' .. span.last)
  move(step_key, 'running', 'waiting', span.last - first + 1)
  requeued = 1
else
  redis.call('HDEL', spans_key, span_id)
end
if partner then end_partner(step_index, span, partner) end
member_left(step_index)
if first > task then check_failed_tasks(tonumber(redis.call('HGET', job_key, 'max_failed'))) end
settle_step(step_index)
return { 1, requeued, encode_effects(), 0 }
