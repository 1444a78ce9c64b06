-- Two spans of the same tasks: the original, which is leased, and its rerun, queued or leased. Counters
-- count the tasks once, as running. The first accepted success ends the other; a lease that ends
-- otherwise leaves the tasks to the other, if that is leased, at no cost. Follows job.lua.

-- The span that runs, or is to run, the same tasks.
local function partner_of(step, span)
  if not span.partner or span.partner == '0' then return nil end
  return parse_span(redis.call('HGET', step .. ':spans', span.partner))
end

-- Of two leased spans the later is the rerun.
local function is_rerun(span_id, span)
  return span.partner and span.partner ~= '0' and tonumber(span.partner) < tonumber(span_id)
end

-- A lease ends while the partner's goes on: an ordinary one from then on, but that it has had its rerun,
-- or a task that fails late could run for ever without a failure ever counting. `avoid`: should the
-- tasks run again all the same, then on another node.
local function leave_to_partner(step, span_id, span, partner, avoid)
  redis.call('HDEL', step .. ':spans', span_id)
  redis.call('HDEL', step .. ':progress', span.first)
  if avoid then
    local field = span.first .. ':n'
    local nodes = note_node(step, field, span.node)
    redis.call('HSET', step .. ':failures', field, now_ms .. ' ' .. nodes)
  end
  partner.partner = '0'
  redis.call('HSET', step .. ':spans', span.partner, pack_lease(partner))
end

-- The tasks need the partner no more.
local function end_partner(i, span, partner)
  redis.call('HDEL', step_of(i) .. ':spans', span.partner)
  if partner.state == 'l' then
    effects.revoked[#effects.revoked + 1] =
      { step = tonumber(i), spanId = tonumber(span.partner), leaseId = partner.lease, nodeId = partner.node }
  else
    effects.dropped[#effects.dropped + 1] = { step = tonumber(i), spanId = tonumber(span.partner) }
  end
end
