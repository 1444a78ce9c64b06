-- A gang: the tasks of a step run all at once or not at all. A step has the field gang then, and
-- gang_state while any is leased: open, from when there is room for all, and started, from when all have
-- said that they are ready (step:<n>:gang, a hash of span -> 'lease node host port'). Follows job.lua.

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
    if span.state == 'l' then
      redis.call('HSET', step .. ':spans', spans[k], 'q ' .. span.first .. ' ' .. span.last)
      redis.call('HDEL', step .. ':progress', span.first)
      move(step, 'running', 'waiting', span.last - span.first + 1)
      local place = { step = tonumber(i), spanId = tonumber(spans[k]) }
      effects.requeued[#effects.requeued + 1] =
        { step = place.step, spanId = place.spanId, first = span.first, last = span.last }
      effects.revoked[#effects.revoked + 1] =
        { step = place.step, spanId = place.spanId, leaseId = span.lease, nodeId = span.node }
    end
  end
  forget_gang(step)
end
