-- A gang: the tasks of a step run all at once or not at all, and succeed all at once. A step has the field
-- gang then, and gang_state while any is leased: open, from when there is room for all, and started, from
-- when all have said that they are ready (step:<n>:gang, a hash of span -> 'task lease node host port'). The
-- success of one is kept in step:<n>:gang-done, a hash of span -> its epoch and result, and its span marked d,
-- until the last has come. Follows job.lua.

-- A task of a gang is no longer leased, and has not succeeded: where it has failed for good there is no
-- gang any more; else the others end, at no cost, and all wait to begin anew.
local function member_left(i)
  local step = step_of(i)
  local s = redis.call('HMGET', step, 'gang', 'failed', 'state')
  if not s[1] or terminal[s[3]] then return end
  if tonumber(s[2]) > 0 then
    redis.call('HSETNX', job_key, 'message', 'a task of a gang has failed for good, which ended the others')
    cancel_step(i)
    return
  end
  local spans = redis.call('HGETALL', step .. ':spans')
  for k = 1, #spans, 2 do
    local span = parse_span(spans[k + 1])
    if span.state == 'l' or span.state == 'd' then
      redis.call('HSET', step .. ':spans', spans[k], 'q ' .. span.first .. ' ' .. span.last)
      redis.call('HDEL', step .. ':progress', span.first)
      move(step, 'running', 'waiting', span.last - span.first + 1)
      local place = { step = tonumber(i), spanId = tonumber(spans[k]) }
      effects.requeued[#effects.requeued + 1] =
        { step = place.step, spanId = place.spanId, first = span.first, last = span.last }
      if span.state == 'l' then
        effects.revoked[#effects.revoked + 1] =
          { step = place.step, spanId = place.spanId, leaseId = span.lease, nodeId = span.node }
      end
    end
  end
  forget_gang(step)
end

-- A task of a gang failed by its own fault, or so it seems: a process whose fellow is lost fails too, and
-- is heard of first. It waits again, uncharged; the field gang_verdict keeps what it would be charged, and
-- the others' leases, until somebody knows what became of their nodes (settle_verdict.lua).
local function hold_verdict(step, span_id, first, last, code, node, record)
  local others = {}
  local spans = redis.call('HGETALL', step .. ':spans')
  for k = 1, #spans, 2 do
    local span = parse_span(spans[k + 1])
    if span.state == 'l' and spans[k] ~= span_id then
      others[#others + 1] = { nodeId = span.node, leaseId = span.lease, grantedAtMs = tonumber(span.granted) }
    end
  end
  redis.call('HSET', step .. ':attempts', first, record)
  redis.call('HDEL', step .. ':progress', first)
  local verdict = { task = tonumber(first), code = code, nodeId = node, record = record, atMs = tonumber(now_ms) }
  if #others > 0 then verdict.others = others end
  redis.call('HSET', step, 'gang_verdict', cjson.encode(verdict))
  local id = queue_span(step, first, last)
  move(step, 'running', 'waiting', last - first + 1)
  local failures = tonumber(redis.call('HGET', step .. ':failures', first) or 0) + 1
  effects.retries[#effects.retries + 1] = { spanId = id, task = tonumber(first), failures = failures }
end
