-- Shared by every script that moves tasks of one job. Needs the locals job_key and now_ms.
-- Keys of the job's other steps are derived: they share its hash tag, so they lie in the same slot.
local prefix = string.sub(job_key, 1, -4)
local effects =
  { ready = {}, ended = {}, revoked = {}, dropped = {}, requeued = {}, finished = {}, retries = {}, held = {},
    job = '', release = false }
local terminal = { succeeded = true, failed = true, canceled = true }

local function step_of(i)
  return prefix .. 'step:' .. i
end

-- Moves n tasks of a step between two states; the step's and the job's counters stay equal to them.
local function move(step, from, to, n)
  if n == 0 then return end
  redis.call('HINCRBY', step, from, -n)
  redis.call('HINCRBY', step, to, n)
  redis.call('HINCRBY', job_key, from, -n)
  redis.call('HINCRBY', job_key, to, n)
end

-- A span: 'q first last' while queued, 'l first last epoch lease node granted_at' while leased; d in place
-- of l once its task has succeeded and those of its gang have not (include/gang.lua). A rerun,
-- a second span of the same tasks: 't first last original' while queued, then leased as any. Two spans of
-- the same tasks end their lease with the other's id: the partner; 0 where there was one (include/rerun.lua).
local function parse_span(text)
  if not text then return nil end
  local state, first, last, rest = string.match(text, '^(%a) (%d+) (%d+)(.*)$')
  local span = { state = state, first = tonumber(first), last = tonumber(last) }
  if state == 'l' or state == 'd' then
    local epoch, lease, node, granted, partner = string.match(rest, '^ (%d+) (%S+) (%S+) (%d+) ?(%d*)$')
    span.epoch, span.lease, span.node, span.granted = epoch, lease, node, granted
    if partner ~= '' then span.partner = partner end
  elseif state == 't' then
    span.original = string.match(rest, '^ (%d+)$')
  end
  return span
end

local function pack_lease(span)
  local text = 'l ' .. span.first .. ' ' .. span.last .. ' ' .. span.epoch .. ' ' .. span.lease .. ' ' ..
    span.node .. ' ' .. span.granted
  return span.partner and text .. ' ' .. span.partner or text
end

local function queue_span(step, first, last)
  local id = redis.call('HINCRBY', step, 'span_seq', 1)
  redis.call('HSET', step .. ':spans', id, 'q ' .. first .. ' ' .. last)
  return id
end

-- A step that could run but for its hold is noted on the job, for those who look at the job alone.
local function note_hold(i, waits)
  local s = redis.call('HMGET', step_of(i), 'held', 'name', 'scout')
  if not s[1] and not s[3] then return end
  if not waits then
    redis.call('HDEL', job_key, 'held:' .. i)
    redis.call('HDEL', step_of(i), 'scouted')
  elseif s[1] then
    redis.call('HSET', job_key, 'held:' .. i, s[2])
  end
end

-- So is one whose scouts, the only tasks fed before a person's release, have all ended.
local function note_scouts(i)
  local step = step_of(i)
  local s = redis.call('HMGET', step, 'scout', 'state', 'cursor', 'name')
  if not s[1] or tonumber(s[3]) < tonumber(s[1]) then return end
  if s[2] ~= 'ready' and s[2] ~= 'running' or redis.call('HLEN', step .. ':spans') > 0 then return end
  redis.call('HSET', job_key, 'held:' .. i, s[4])
  if redis.call('HSET', step, 'scouted', 1) == 1 then effects.held[#effects.held + 1] = tonumber(i) end
end

-- Lists what those steps have to look at that wait for single tasks of step i: tasks it has done, or,
-- with -1, all of them. The number makes each entry one of a kind.
local function note_release(i, first, last)
  local number = redis.call('HINCRBY', job_key, 'release_seq', 1)
  redis.call('RPUSH', prefix .. 'release', i .. ' ' .. first .. ' ' .. last .. ' ' .. number)
  effects.release = true
end

-- Where tasks are not fed by ascending index, a bitmap tells which ones were ever put into a span.
-- Puts the others of a range into spans; answers their ids.
local function feed_range(step, first, last)
  local ids, from, fed = {}, nil, 0
  for task = first, last + 1 do
    local fresh = task <= last and redis.call('SETBIT', step .. ':fed', task, 1) == 0
    if fresh then
      from = from or task
      fed = fed + 1
    elseif from then
      ids[#ids + 1] = queue_span(step, from, task - 1)
      from = nil
    end
  end
  redis.call('HINCRBY', step, 'fed_count', fed)
  return ids
end

-- Sets the bits of ranges, { first, last, first, last, … }, up to 32 of them with one word.
local function set_ranges(key, ranges, bit)
  local words = {}
  local function flush()
    if #words > 0 then redis.call('BITFIELD', key, unpack(words)) end
    words = {}
  end
  for i = 1, #ranges, 2 do
    local from, last = ranges[i], ranges[i + 1]
    while from <= last do
      local count = math.min(32, last - from + 1)
      local n = #words
      words[n + 1], words[n + 2], words[n + 3] = 'SET', 'u' .. count, from
      words[n + 4] = bit * (2 ^ count - 1)
      from = from + count
      if n >= 1000 then flush() end
    end
  end
  flush()
end

local function set_bits(key, first, last, bit)
  set_ranges(key, { tonumber(first), tonumber(last) }, bit)
end

-- In a step whose chunks adapt, a chunk is what runs, ends, fails and runs again as one: all its tasks
-- are in the same state, and what is stored of them stands under the first.
local function has_chunks(step)
  return redis.call('HGET', step, 'chunked') == '1'
end

-- First and last task of the chunk that holds a task; nil where none was made (yet).
local function chunk_of(step, task)
  local member = redis.call('ZREVRANGEBYSCORE', step .. ':chunks', task, '-inf', 'LIMIT', 0, 1)[1]
  if not member then return nil end
  local first, last = string.match(member, '^(%d+) (%d+)$')
  if tonumber(last) < tonumber(task) then return nil end
  return tonumber(first), tonumber(last)
end

local cancel_step

-- An ended job's outputs meet no others: see include/paths.lua.
local function forget_paths()
  local bits = redis.call('HGET', job_key, 'path_bits')
  if not bits then return end
  for i = 0, 2 ^ tonumber(bits) - 1 do redis.call('UNLINK', prefix .. 'paths:' .. i) end
  redis.call('HDEL', job_key, 'path_bits')
end

local function end_job()
  local j = redis.call('HMGET', job_key, 'ending', 'failed', 'canceled')
  local state = j[1]
  if not state then
    -- Only a person's cancel leaves a job canceled, and that sets 'ending': what was canceled because
    -- of a failure may be retried.
    local clean = tonumber(j[2]) == 0 and tonumber(j[3]) == 0
    state = clean and 'succeeded' or 'failed'
  end
  redis.call('HSET', job_key, 'state', state, 'ended_at', now_ms)
  redis.call('HDEL', job_key, 'ending')
  forget_paths()
  effects.job = state
end

-- Ends a step whose tasks have all ended, and what follows from that: dependents become ready, or
-- are canceled with it; the job ends with its last step.
local function settle_step(i)
  local step = step_of(i)
  local s = redis.call('HMGET', step,
    'state', 'total', 'succeeded', 'failed', 'canceled', 'dependents', 'scout', 'frame_dependents')
  if terminal[s[1]] then return end
  if s[3] + s[4] + s[5] < tonumber(s[2]) then
    if s[7] then note_scouts(i) end
    return
  end
  local state = 'succeeded'
  if tonumber(s[5]) > 0 then state = 'canceled' end
  if tonumber(s[4]) > 0 then state = 'failed' end
  redis.call('HSET', step, 'state', state, 'ended_at', now_ms)
  note_hold(i, false)
  effects.ended[#effects.ended + 1] = tonumber(i)
  local open = redis.call('HINCRBY', job_key, 'steps_open', -1)
  for dependent in string.gmatch(s[6], '%d+') do
    if state == 'succeeded' then
      local left = redis.call('HINCRBY', step_of(dependent), 'deps_open', -1)
      if left == 0 and redis.call('HGET', step_of(dependent), 'state') == 'blocked' then
        redis.call('HSET', step_of(dependent), 'state', 'ready')
        note_hold(dependent, true)
        note_scouts(dependent)
        effects.ready[#effects.ready + 1] = tonumber(dependent)
      end
    else
      cancel_step(dependent)
    end
  end
  if s[8] then note_release(i, -1, -1) end
  if open == 0 then end_job() end
end

-- Cancels what a step has not finished. Its leases end with its span table: later reports are lost.
cancel_step = function(i)
  local step = step_of(i)
  local s = redis.call('HMGET', step, 'state', 'waiting', 'running')
  if terminal[s[1]] then return end
  local spans = redis.call('HGETALL', step .. ':spans')
  for k = 1, #spans, 2 do
    local span = parse_span(spans[k + 1])
    if span.state == 'l' then
      effects.revoked[#effects.revoked + 1] =
        { step = tonumber(i), spanId = tonumber(spans[k]), leaseId = span.lease, nodeId = span.node }
    end
  end
  redis.call('DEL', step .. ':spans', step .. ':progress')
  move(step, 'waiting', 'canceled', tonumber(s[2]))
  move(step, 'running', 'canceled', tonumber(s[3]))
  settle_step(i)
end

local function cancel_open_steps(ending, message)
  redis.call('HSET', job_key, 'ending', ending)
  if message ~= '' then redis.call('HSET', job_key, 'message', message) end
  local count = tonumber(redis.call('HGET', job_key, 'step_count'))
  for i = 0, count - 1 do cancel_step(i) end
end

-- How often a task is tried again that waits for something of the farm's: weeks, not for ever.
local waits_max = 10000
-- Nodes kept for each task.
local nodes_kept_max = 8

-- Adds a node to the words of a field, the newest last; answers them as text, and how many there are.
local function note_node(step, field, node)
  local kept = {}
  for name in string.gmatch(redis.call('HGET', step .. ':failures', field) or '', 'node%S+') do
    if name ~= node then kept[#kept + 1] = name end
  end
  kept[#kept + 1] = node
  if #kept > nodes_kept_max then table.remove(kept, 1) end
  return table.concat(kept, ' '), #kept
end

-- Counts a failed attempt of a task, or of the chunk that begins with it, and keeps it. Only the task's own fault (t) costs a retry; faults of
-- nodes (n) and of the farm (f) are bounded apart, so that a task that takes every node down can't go
-- round for ever; w waits for the farm; x no retry mends. A second letter a: the next try avoids the
-- node. A task that failed on too many nodes, other than by the farm's fault, is given up as well.
-- Answers how many failures of the kind there are, and whether the task is given up.
local function charge(step, task, code, max_faults, node, record)
  local by = string.sub(code, 1, 1)
  local policy = redis.call('HMGET', job_key, 'max_retries', 'poison_nodes')
  local own = by == 't' or by == 'x'
  local field = own and task or (by == 'w' and (task .. ':w') or (task .. ':f'))
  local count = redis.call('HINCRBY', step .. ':failures', field, 1)
  local limits = { t = tonumber(policy[1]), x = 0, w = waits_max }
  local over = count > (limits[by] or tonumber(max_faults))
  if string.sub(code, 2, 2) == 'a' then
    local words = note_node(step, task .. ':n', node)
    redis.call('HSET', step .. ':failures', task .. ':n', now_ms .. ' ' .. words)
  end
  if own or by == 'n' then
    local words, nodes = note_node(step, task .. ':p', node)
    redis.call('HSET', step .. ':failures', task .. ':p', words)
    if not over and policy[2] and nodes >= tonumber(policy[2]) then
      over = true
      -- Records are JSON objects that are never empty: the nodes go in front.
      record = '{"p":"' .. words .. '",' .. string.sub(record, 2)
    end
  end
  redis.call('HSET', step .. ':attempts', task, record)
  redis.call('HDEL', step .. ':progress', task)
  return count, over
end

local function forget_failures(step, task)
  redis.call('HDEL', step .. ':failures', task, task .. ':f', task .. ':w', task .. ':n', task .. ':p')
end

-- An attempt of one task, or of the chunk first to last, failed: it waits again, or has failed for good.
local function fail_tasks(step, first, last, code, max_faults, node, record)
  local count, over = charge(step, first, code, max_faults, node, record)
  if over then
    set_bits(step .. ':failed', first, last, 1)
    move(step, 'running', 'failed', last - first + 1)
    return
  end
  local id = queue_span(step, first, last)
  move(step, 'running', 'waiting', last - first + 1)
  effects.retries[#effects.retries + 1] = { spanId = id, task = tonumber(first), failures = count }
end

-- Fails the job once more tasks failed than its policy allows.
local function check_failed_tasks(max_failed)
  local j = redis.call('HMGET', job_key, 'failed', 'state', 'ending')
  if tonumber(j[1]) > max_failed and not terminal[j[2]] and not j[3] then
    cancel_open_steps('failed', 'more than maxFailedTasks (' .. max_failed .. ') tasks failed')
  end
end

-- No task of a gang is leased any more: see include/gang.lua.
local function forget_gang(step)
  if redis.call('HDEL', step, 'gang_state', 'gang_until', 'gang_epoch') > 0 then
    redis.call('DEL', step .. ':gang', step .. ':gang-done')
  end
end

-- Suspicious frames noted of a task, or as missing in the step, are no longer so.
local function forget_suspicious(step, field)
  local noted = redis.call('HGET', step .. ':suspicious', field)
  if not noted then return end
  redis.call('HDEL', step .. ':suspicious', field)
  redis.call('HINCRBY', job_key, 'suspicious', -cjson.decode(noted).n)
end

-- Reopens an ended step, and the job with it. Its dependents wait for it again.
local function reopen_step(i)
  local step = step_of(i)
  local s = redis.call('HMGET', step, 'state', 'deps_open', 'dependents')
  if not terminal[s[1]] then return end
  redis.call('HSET', step, 'state', tonumber(s[2]) > 0 and 'blocked' or 'ready')
  forget_gang(step)
  redis.call('HDEL', step, 'gang_verdict')
  note_hold(i, tonumber(s[2]) == 0)
  redis.call('HDEL', step, 'ended_at')
  forget_suspicious(step, 'missing')
  redis.call('HINCRBY', job_key, 'steps_open', 1)
  if s[1] == 'succeeded' then
    for dependent in string.gmatch(s[3], '%d+') do
      local left = redis.call('HINCRBY', step_of(dependent), 'deps_open', 1)
      if left == 1 and redis.call('HGET', step_of(dependent), 'state') == 'ready' then
        redis.call('HSET', step_of(dependent), 'state', 'blocked')
        note_hold(dependent, false)
      end
    end
  end
  if terminal[redis.call('HGET', job_key, 'state')] then
    redis.call('HSET', job_key, 'state', 'running')
    redis.call('HDEL', job_key, 'ended_at', 'message')
    effects.job = 'running'
  end
end

local function encode_effects()
  local lists = #effects.ready + #effects.ended + #effects.revoked + #effects.dropped + #effects.requeued +
    #effects.finished + #effects.retries + #effects.held
  if effects.job == '' and lists == 0 and not effects.release then
    return ''
  end
  local out = { job = effects.job, release = effects.release }
  -- cjson writes an empty table as {}: leave those out.
  for _, name in ipairs({ 'ready', 'ended', 'revoked', 'dropped', 'requeued', 'finished', 'retries', 'held' }) do
    if #effects[name] > 0 then out[name] = effects[name] end
  end
  return cjson.encode(out)
end
