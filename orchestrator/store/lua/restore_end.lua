-- Ends the restoring of a job: its epochs go on above any that a lost lease may still write under,
-- what has ended is settled. `ended` is the state the job had ended in, '' if it had not.
-- From: pending, some tasks marked. To: what follows from them.
-- Returns the job's state. Cost O(steps), and O(tasks / 8) for a job that had succeeded.
-- INCLUDE job
-- KEYS job_key
-- ARGV now_ms epoch ended message
redis.call('HSET', job_key, 'epoch', epoch)
local count = tonumber(redis.call('HGET', job_key, 'step_count'))
for i = 0, count - 1 do
  local s = redis.call('HMGET', step_of(i), 'scout', 'succeeded')
  -- More than the scouts were accepted, so a person had released it.
  if s[1] and (ended == 'succeeded' or tonumber(s[2]) > tonumber(s[1])) then
    redis.call('HDEL', step_of(i), 'scout')
  end
end
if ended == 'failed' or ended == 'canceled' then
  cancel_open_steps(ended, message)
else
  for i = 0, count - 1 do
    local step = step_of(i)
    if ended == 'succeeded' then
      local s = redis.call('HMGET', step, 'total', 'waiting')
      local total = tonumber(s[1])
      -- Tasks without outputs left nothing in storage: the job's end says that they succeeded.
      local bytes = math.floor(total / 8)
      if bytes > 0 then redis.call('SETRANGE', step .. ':succeeded', 0, string.rep('\255', bytes)) end
      for task = bytes * 8, total - 1 do redis.call('SETBIT', step .. ':succeeded', task, 1) end
      redis.call('HSET', step, 'cursor', total)
      if redis.call('HGET', step, 'listed') then
        redis.call('SET', step .. ':fed', redis.call('GET', step .. ':succeeded'))
        redis.call('HSET', step, 'fed_count', total)
      end
      move(step, 'waiting', 'succeeded', tonumber(s[2]))
    end
    settle_step(i)
    local s = redis.call('HMGET', step, 'frame_dependents', 'state')
    if s[1] and not terminal[s[2]] then note_release(i, -1, -1) end
  end
end
return redis.call('HGET', job_key, 'state')
