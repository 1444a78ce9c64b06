-- Leases queued spans to a node, each under a new epoch. The caller has claimed the leases on the
-- node's side first.
-- From: job pending or running, step ready or running and not held, span queued. To: span leased.
-- Returns { 'granted', job_started, revision, first, last, epoch, … } in the order given, with first = -1 where
-- the span is no longer queued (a second copy on the queue) and -2 where its first task failed on this
-- node lately (after `avoided_since`, ms) and one of the `suitable` nodes may take it instead, and -3
-- where the node struck the lease off its list before it was granted (void_lease.lua), or
-- { 'held' } where the job or the step takes no grants now. A failed task is always the first of its
-- span, so the others need no look. A rerun goes to any node but the one that has its original (-2), and
-- moves no counter. Cost O(spans given).
-- KEYS job_key step_key spans_key
-- ARGV node_id now_ms suitable avoided_since span_leases*
local j = redis.call('HMGET', job_key, 'state', 'revision')
local job_state = j[1]
local s = redis.call('HMGET', step_key, 'state', 'held', 'gang', 'gang_state')
local step_state = s[1]
if job_state ~= 'pending' and job_state ~= 'running' then return { 'held' } end
if s[2] or step_state ~= 'ready' and step_state ~= 'running' then return { 'held' } end
-- Of a gang all are leased or none: see open_gang.lua.
if s[3] and s[4] ~= 'open' then return { 'held' } end
local out = { 'granted', 0, tonumber(j[2]) or 0 }
local tasks = 0
local ids, granted, grants = {}, {}, {}
for i = 1, #span_leases, 2 do ids[#ids + 1] = span_leases[i] end
local spans = redis.call('HMGET', spans_key, unpack(ids))
local void_key = step_key .. ':void'
local any_void = redis.call('EXISTS', void_key) == 1
local failures_key = step_key .. ':failures'
local any_failed = redis.call('EXISTS', failures_key) == 1
local function avoids(task)
  local text = any_failed and redis.call('HGET', failures_key, task .. ':n')
  if not text or not string.find(text, node_id, 1, true) then return false end
  local at, count = string.match(text, '^%d+'), 0
  for _ in string.gmatch(text, 'node%S+') do count = count + 1 end
  return tonumber(at) > tonumber(avoided_since) and count < tonumber(suitable)
end
local function runs_here(id)
  return granted[id] or string.match(redis.call('HGET', spans_key, id), '^l %d+ %d+ %d+ %S+ (%S+)') == node_id
end
for i = 1, #span_leases, 2 do
  local span = not granted[span_leases[i]] and spans[(i + 1) / 2]
  local first, last, original
  if span then first, last = string.match(span, '^q (%d+) (%d+)$') end
  if span and not first then first, last, original = string.match(span, '^t (%d+) (%d+) (%d+)$') end
  if first and any_void and redis.call('SISMEMBER', void_key, span_leases[i + 1]) == 1 then
    out[#out + 1] = -3
    out[#out + 1] = -3
    out[#out + 1] = 0
  elseif first and (avoids(first) or original and runs_here(original)) then
    out[#out + 1] = -2
    out[#out + 1] = -2
    out[#out + 1] = 0
  elseif first then
    granted[span_leases[i]] = true
    if not original then tasks = tasks + last - first + 1 end
    out[#out + 1] = tonumber(first)
    out[#out + 1] = tonumber(last)
    out[#out + 1] = 0
    grants[#grants + 1] = { #out, span_leases[i], first, last, span_leases[i + 1], original }
  else
    out[#out + 1] = -1
    out[#out + 1] = -1
    out[#out + 1] = 0
  end
end
if #grants > 0 then
  local epoch = redis.call('HINCRBY', job_key, 'epoch', #grants) - #grants
  local words = {}
  for i, grant in ipairs(grants) do
    local at, id, first, last, lease, original = unpack(grant, 1, 6)
    out[at] = epoch + i
    words[2 * i - 1] = id
    words[2 * i] = 'l ' .. first .. ' ' .. last .. ' ' .. out[at] .. ' ' .. lease .. ' ' .. node_id .. ' ' .. now_ms ..
      (original and ' ' .. original or '')
  end
  redis.call('HSET', spans_key, unpack(words))
end
if tasks > 0 then
  redis.call('HINCRBY', step_key, 'waiting', -tasks)
  redis.call('HINCRBY', step_key, 'running', tasks)
  redis.call('HINCRBY', job_key, 'waiting', -tasks)
  redis.call('HINCRBY', job_key, 'running', tasks)
  if step_state == 'ready' then
    redis.call('HSET', step_key, 'state', 'running')
    redis.call('HSETNX', step_key, 'started_at', now_ms)
  end
  if job_state == 'pending' then
    redis.call('HSET', job_key, 'state', 'running')
    redis.call('HSETNX', job_key, 'started_at', now_ms)
    out[2] = 1
  end
end
return out
