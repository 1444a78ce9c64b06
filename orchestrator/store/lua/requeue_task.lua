-- Runs one task again, whatever its state; where chunks adapt, the chunk that holds it. A running
-- attempt's lease ends, and a rerun's with it. What stood of the former attempt stays readable, but its outputs are withdrawn:
-- '' in their place hides them wherever they are, here or paged out.
-- From: any state but canceled, in a step without canceled tasks: those are canceled by their step
-- having ended, so reopening it for one would revive them all. To: waiting.
-- 'gang' in place of the state before, and nothing is changed, where it ran with others that have ended too.
-- Returns { state before, effects, span id to queue or 0 }. Cost O(live spans of the step + tasks of
-- the chunk).
-- INCLUDE job
-- INCLUDE history
-- INCLUDE rerun
-- INCLUDE gang
-- KEYS job_key step_key
-- ARGV step_index task now_ms page_tasks
local s = redis.call('HMGET', step_key, 'state', 'canceled', 'cursor', 'listed', 'gang')
task = tonumber(task)
if redis.call('HGET', job_key, 'state') == 'canceled' then return { 'canceled_job', '', 0 } end
if tonumber(s[2]) > 0 then return { 'canceled', '', 0 } end
local state = 'waiting'
if redis.call('GETBIT', step_key .. ':succeeded', task) == 1 then
  state = 'succeeded'
elseif redis.call('GETBIT', step_key .. ':failed', task) == 1 then
  state = 'failed'
end
if state == 'waiting' then
  local spans = redis.call('HGETALL', step_key .. ':spans')
  for k = 1, #spans, 2 do
    local span = parse_span(spans[k + 1])
    if span.state == 'l' and span.first <= task and task <= span.last and not is_rerun(spans[k], span) then
      redis.call('HSET', step_key .. ':spans', spans[k], 'q ' .. span.first .. ' ' .. span.last)
      redis.call('HDEL', step_key .. ':progress', task, span.first)
      move(step_key, 'running', 'waiting', span.last - span.first + 1)
      effects.revoked[1] = { step = tonumber(step_index), spanId = tonumber(spans[k]), leaseId = span.lease, nodeId = span.node }
      local partner = partner_of(step_key, span)
      if partner then end_partner(step_index, span, partner) end
      member_left(step_index)
      return { 'running', encode_effects(), tonumber(spans[k]) }
    end
  end
  return { 'waiting', '', 0 }
end
-- It would run without the others.
if s[5] then return { 'gang', '', 0 } end
reopen_step(step_index)
local first, last = task, task
local chunked = has_chunks(step_key)
if chunked then
  first, last = chunk_of(step_key, task)
  if not first then
    first, last = task, task
    redis.call('ZADD', step_key .. ':chunks', task, task .. ' ' .. task)
  end
end
set_bits(step_key .. ':' .. state, first, last, 0)
forget_failures(step_key, first)
forget_suspicious(step_key, first)
local page = math.floor(first / page_tasks)
local paged = redis.call('HEXISTS', step_key .. ':pages', page) == 1
if paged or redis.call('HEXISTS', step_key .. ':outputs', first) == 1 then
  redis.call('HSET', step_key .. ':outputs', first, '')
end
note_reopened(step_key, page, first, last)
move(step_key, state, 'waiting', last - first + 1)
-- One restored from storage may be ahead of the cursor: the feed comes to it, but passes over a chunk.
-- Where tasks are listed it counts as fed.
if task >= tonumber(s[3]) and not chunked and not s[4] then return { state, encode_effects(), 0 } end
return { state, encode_effects(), queue_span(step_key, first, last) }
