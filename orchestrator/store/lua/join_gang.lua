-- A lease of a gang has everything it needs. The last to say so lets all begin, under an epoch that no
-- lease and no other beginning of the job has. Repeated, it tells again.
-- From: span leased by exactly this lease, gang open or started.
-- Returns { 'lost' } where that is not so, { 'waiting' } while others are not ready, or
-- { 'started', epoch, 1 when this call began it, then of each that was ready: task, node, host, port }.
-- Cost O(spans of the step).
-- INCLUDE job
-- KEYS job_key step_key spans_key
-- ARGV span_id lease_id node_id host port now_ms
local span = parse_span(redis.call('HGET', spans_key, span_id))
local s = redis.call('HMGET', step_key, 'gang_state', 'gang_epoch', 'waiting')
if not span or span.state ~= 'l' or span.lease ~= lease_id or span.node ~= node_id or not s[1] then
  return { 'lost' }
end
local members_key = step_key .. ':gang'
local epoch, began = s[2], 0
if s[1] == 'open' then
  redis.call('HSET', members_key, span_id, span.first .. ' ' .. lease_id .. ' ' .. node_id .. ' ' .. host .. ' ' .. port)
  if tonumber(s[3]) > 0 then return { 'waiting' } end
  local spans = redis.call('HGETALL', spans_key)
  for k = 1, #spans, 2 do
    local other = parse_span(spans[k + 1])
    local said = redis.call('HGET', members_key, spans[k])
    if other.state ~= 'l' or not said or string.match(said, '^%d+ (%S+)') ~= other.lease then
      return { 'waiting' }
    end
  end
  epoch, began = redis.call('HINCRBY', job_key, 'epoch', 1), 1
  redis.call('HSET', step_key, 'gang_state', 'started', 'gang_epoch', epoch)
  redis.call('HDEL', step_key, 'gang_until')
end
local out = { 'started', tonumber(epoch), began }
for _, said in ipairs(redis.call('HVALS', members_key)) do
  local task, node, at, on = string.match(said, '^(%d+) %S+ (%S+) (%S+) (%d+)$')
  out[#out + 1] = tonumber(task)
  out[#out + 1] = node
  out[#out + 1] = at
  out[#out + 1] = tonumber(on)
end
return out
