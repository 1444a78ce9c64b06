-- Records results of a node's leases of one step, each fenced: nothing changes unless span, node, lease
-- and epoch are the live ones. From: span leased by exactly this lease. To: tasks ended, waiting again, or
-- still running. Each lease is four words, span_id lease_id epoch results, the last of them a number, and
-- that many results of eight words each, in task order: code first last run_ms record outputs outputs_count
-- paths, the hashes of the outputs' paths (include/paths.lua).
--   b  bare success of a range; record is a member of the runs set
--   s  success of one task, or of a chunk, with a record, perhaps with outputs
--   t, n, f, w, x  failure of one task; charge() tells whose fault each is, and what a second letter a means
--   r  given back: the rest of the span, the lease ends; record, if any, is of the task that was preempted
-- In a step whose chunks adapt the span is one chunk: a result is of all of it, and a failure of its
-- first task is the chunk's, whatever else is said.
-- A repeated report is harmless: results before the span's first open task are skipped.
-- Of two leases of the same tasks the first success counts and ends the other; one that fails, other than
-- for good (x), or is given back while the other runs, just ends.
-- A lease with a success that writes what another task wrote is not recorded: status 'conflict first n
-- step task' names the success, which of its paths it is (from 0), and who wrote that.
-- In a gang a success ends its lease, and counts once all the others have succeeded: runs_on is 1 until
-- then, and effects.finished tells of all of them. A failure by the task's own fault is not charged yet.
-- Returns { effects, then of each lease: status, released, requeued, runs_on }: status accepted, lost,
-- refused or a conflict; released 1 when the lease is over; requeued 1 when the span waits again; runs_on 1 when its
-- tasks run on under another lease. Cost O(tasks reported).
-- INCLUDE job
-- INCLUDE rerun
-- INCLUDE gang
-- INCLUDE paths
-- KEYS job_key step_key spans_key
-- ARGV step_index node_id now_ms max_faults words*
local s = redis.call('HMGET', step_key, 'chunked', 'frame_dependents', 'reopens', 'gang')
local chunked, frame_dependents, is_gang = s[1] == '1', s[2], s[4]
-- Tasks that were run again leave the runs of their former attempts.
local reopened = s[3]

local done, run_ms, accepted_any, failed_any, left_any = 0, 0, false, false, false
-- Written once for all leases: ranges that succeeded, and runs by first task.
local succeeded, runs = {}, {}
local function store_runs()
  if #runs > 0 then redis.call('ZADD', step_key .. ':runs', unpack(runs)) end
  runs = {}
end
-- Run times by bucket, four to each doubling (scheduler/task-times.ts).
local times = {}
local function note_times(ms, n)
  run_ms = run_ms + ms
  local bucket = math.floor(4 * math.log(math.max(ms / n, 1)) / math.log(2))
  times[bucket] = (times[bucket] or 0) + n
end

local function last_of(k, span)
  local fails = string.find('bsr', words[k], 1, true) == nil
  return chunked and fails and span.last or tonumber(words[k + 2])
end

-- Whether results from word `from` to word `to` follow each other within the span.
local function in_order(span, from, to)
  local next_task = span.first
  for k = from, to, 8 do
    local first, last = tonumber(words[k + 1]), last_of(k, span)
    if last >= next_task then
      local whole = (words[k] ~= 'r' and not chunked) or last == span.last
      local single = chunked or words[k] == 'b' or words[k] == 'r' or first == last
      if first ~= next_task or last > span.last or not whole or not single then return false end
      next_task = last + 1
    end
  end
  return true
end

-- The first success of a lease that may not be recorded, for what another task wrote.
local function conflict_in(span, from, to)
  local seen = {}
  for k = from, to, 8 do
    local first = words[k + 1]
    if words[k] == 's' and words[k + 7] ~= '' and tonumber(first) >= span.first then
      for n, hash in each_path(words[k + 7]) do
        local step, task = step_index, seen[hash]
        if not task or task == first then step, task = other_writer(step_index, first, hash) end
        if task then return 'conflict ' .. first .. ' ' .. n .. ' ' .. step .. ' ' .. task end
        seen[hash] = first
      end
    end
  end
  return nil
end

-- The result of a success is words `k` to `k` + 7 of `said`.
local function note_success(said, k, first, last, epoch)
  succeeded[#succeeded + 1] = first
  succeeded[#succeeded + 1] = last
  done = done + last - first + 1
  if frame_dependents then note_release(step_index, first, last) end
  note_times(tonumber(said[k + 3]), last - first + 1)
  if said[k] == 'b' then
    if reopened then redis.call('ZREMRANGEBYSCORE', step_key .. ':runs', first, last) end
    runs[#runs + 1] = first
    runs[#runs + 1] = said[k + 4]
    if #runs >= 1000 then store_runs() end
    return
  end
  redis.call('HSET', step_key .. ':attempts', first, said[k + 4])
  if said[k + 5] ~= '' then
    redis.call('HSET', step_key .. ':outputs', first, said[k + 5])
    claim_paths(step_index, said[k + 1], said[k + 7])
    redis.call('HINCRBY', job_key, 'outputs_accepted', said[k + 6])
    redis.call('RPUSH', prefix .. 'unpublished', step_index .. ':' .. first .. ':' .. epoch .. ':' .. said[k + 6])
  end
  redis.call('HDEL', step_key .. ':progress', first)
end

-- A success that counts once all of the gang have succeeded.
local gang_kept = false
local function keep_success(k, span_id, span)
  local said = { unpack(words, k, k + 7) }
  redis.call('HSET', step_key .. ':gang-done', span_id, cjson.encode({ epoch = span.epoch, said = said }))
  if words[k + 7] ~= '' then claim_paths(step_index, words[k + 1], words[k + 7]) end
  redis.call('HSET', spans_key, span_id, 'd' .. string.sub(pack_lease(span), 2))
  gang_kept = true
end

local function finish_gang()
  if tonumber(redis.call('HGET', step_key, 'waiting')) > 0 then return end
  local spans = redis.call('HGETALL', spans_key)
  for k = 2, #spans, 2 do
    if string.sub(spans[k], 1, 1) ~= 'd' then return end
  end
  for k = 1, #spans, 2 do
    local kept = cjson.decode(redis.call('HGET', step_key .. ':gang-done', spans[k]))
    local task = tonumber(kept.said[2])
    note_success(kept.said, 1, task, task, kept.epoch)
    effects.finished[#effects.finished + 1] = task
  end
  redis.call('DEL', spans_key, step_key .. ':gang-done')
end

-- Answers status, released, requeued, runs_on of one lease; its results are words `from` to `to`.
local function record(span_id, lease_id, epoch, from, to)
  local span = parse_span(redis.call('HGET', spans_key, span_id))
  if not span or span.state ~= 'l' or span.node ~= node_id or span.lease ~= lease_id
    or span.epoch ~= epoch then
    return 'lost', 1, 0, 0
  end
  if not in_order(span, from, to) then return 'refused', 0, 0, 0 end
  local conflict = conflict_in(span, from, to)
  if conflict then return conflict, 0, 0, 0 end

  accepted_any = true
  local partner = partner_of(step_key, span)
  local runs_on, avoid, returned = false, false, false
  if is_gang and (words[from] == 'b' or words[from] == 's') then
    keep_success(from, span_id, span)
    return 'accepted', 1, 0, 1
  end
  local next_task = span.first
  for k = from, to, 8 do
    local code, first, last = words[k], tonumber(words[k + 1]), last_of(k, span)
    if last >= next_task then
      next_task = last + 1
      local ends_for_good = code == 'b' or code == 's' or string.sub(code, 1, 1) == 'x'
      if partner and partner.state == 'l' and not ends_for_good then
        runs_on, avoid = true, string.sub(code, 2, 2) == 'a'
        break
      elseif code == 'b' or code == 's' then
        note_success(words, k, first, last, epoch)
      elseif code == 'r' then
        returned, left_any = true, true
        next_task = first
        if words[k + 4] ~= '' then redis.call('HSET', step_key .. ':attempts', first, words[k + 4]) end
        redis.call('HDEL', step_key .. ':progress', first)
        -- Nothing follows what was given back.
        break
      elseif is_gang and string.sub(code, 1, 1) == 't' then
        left_any = true
        hold_verdict(step_key, span_id, first, last, code, node_id, words[k + 4])
      else
        failed_any, left_any = true, true
        fail_tasks(step_key, first, last, code, max_faults, node_id, words[k + 4])
      end
    end
  end

  local released, requeued = 0, 0
  if runs_on then
    leave_to_partner(step_key, span_id, span, partner, avoid)
    released = 1
  elseif next_task > span.last then
    redis.call('HDEL', spans_key, span_id)
    released = 1
  elseif returned then
    redis.call('HSET', spans_key, span_id, 'q ' .. next_task .. ' ' .. span.last)
    move(step_key, 'running', 'waiting', span.last - next_task + 1)
    released, requeued = 1, 1
  elseif next_task > span.first then
    span.first = next_task
    redis.call('HSET', spans_key, span_id, pack_lease(span))
  end
  -- What has a partner is one task or chunk: its lease is over, or nothing was reported.
  if partner and released == 1 and not runs_on then end_partner(step_index, span, partner) end
  return 'accepted', released, requeued, runs_on and 1 or 0
end

local out = { '' }
local at = 1
while at <= #words do
  local from = at + 4
  local to = from + 8 * words[at + 3] - 1
  for _, word in ipairs({ record(words[at], words[at + 1], words[at + 2], from, to) }) do
    out[#out + 1] = word
  end
  at = to + 1
end

if gang_kept then finish_gang() end
-- Once for all leases: a step or job ends no sooner than its last result here is recorded.
if done > 0 then
  set_ranges(step_key .. ':succeeded', succeeded, 1)
  store_runs()
  move(step_key, 'running', 'succeeded', done)
  redis.call('HINCRBY', step_key, 'run_ms', run_ms)
  redis.call('HINCRBY', step_key, 'run_tasks', done)
  for bucket, n in pairs(times) do redis.call('HINCRBY', step_key .. ':times', bucket, n) end
end
if not accepted_any then return out end
if left_any then member_left(step_index) end
if failed_any then check_failed_tasks(tonumber(redis.call('HGET', job_key, 'max_failed'))) end
settle_step(step_index)
out[1] = encode_effects()
return out
