-- Charges a task of a gang its failure after all, or lets it off: another of the gang was lost then, and
-- took it along. From: the step's gang_verdict, as it was held at `at_ms`.
-- Returns effects, '' where there was nothing more to do. Cost O(spans of the step).
-- INCLUDE job
-- INCLUDE gang
-- KEYS job_key step_key
-- ARGV step_index at_ms is_charged max_faults now_ms
local text = redis.call('HGET', step_key, 'gang_verdict')
local verdict = text and cjson.decode(text)
if not verdict or verdict.atMs ~= tonumber(at_ms) then return '' end
redis.call('HDEL', step_key, 'gang_verdict')
if is_charged ~= '1' or terminal[redis.call('HGET', step_key, 'state')] then return '' end
local task = tostring(verdict.task)
local _, over = charge(step_key, task, verdict.code, max_faults, verdict.nodeId, verdict.record)
if not over then return encode_effects() end
local spans = redis.call('HGETALL', step_key .. ':spans')
for k = 1, #spans, 2 do
  if spans[k + 1] == 'q ' .. task .. ' ' .. task then
    redis.call('HDEL', step_key .. ':spans', spans[k])
    effects.dropped[#effects.dropped + 1] = { step = tonumber(step_index), spanId = tonumber(spans[k]) }
    set_bits(step_key .. ':failed', task, task, 1)
    move(step_key, 'waiting', 'failed', 1)
    member_left(step_index)
    check_failed_tasks(tonumber(redis.call('HGET', job_key, 'max_failed')))
    settle_step(step_index)
    break
  end
end
return encode_effects()
