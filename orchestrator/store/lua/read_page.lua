-- Reads what stands of the tasks first to last of a step, for paging out. Runs that reach over these
-- bounds are cut there.
-- Returns { reopens, name of the page's object or '', finished, runs, attempts, outputs, failures }:
-- finished as first last first last …, runs as members, the rest as task value task value ….
-- Cost O(last - first).
-- INCLUDE history
-- KEYS step_key
-- ARGV page first last
first, last = tonumber(first), tonumber(last)
local s = redis.call('HMGET', step_key, 'state', 'reopens')
local ended = s[1] == 'succeeded' or s[1] == 'failed' or s[1] == 'canceled'

local byte_from, byte_to = math.floor(first / 8), math.floor(last / 8)
local function bits(name)
  local text = redis.call('GETRANGE', step_key .. ':' .. name, byte_from, byte_to)
  return function(task)
    local byte = string.byte(text, math.floor(task / 8) - byte_from + 1)
    return byte and math.floor(byte / 2 ^ (7 - task % 8)) % 2 == 1
  end
end
local has_succeeded, has_failed = bits('succeeded'), bits('failed')
local finished, from = {}, nil
for task = first, last + 1 do
  local is = task <= last and (ended or has_succeeded(task) or has_failed(task))
  if is and not from then from = task end
  if from and not is then
    finished[#finished + 1] = from
    finished[#finished + 1] = task - 1
    from = nil
  end
end

local fields = {}
for task = first, last do fields[#fields + 1] = task end
local function values(name)
  local found = {}
  local key = step_key .. ':' .. name
  if redis.call('EXISTS', key) == 0 then return found end
  for k, value in ipairs(redis.call('HMGET', key, unpack(fields))) do
    if value then
      found[#found + 1] = tostring(fields[k])
      found[#found + 1] = value
    end
  end
  return found
end
cut_runs(step_key, first)
cut_runs(step_key, last + 1)
return {
  s[2] or '0',
  redis.call('HGET', step_key .. ':pages', page) or '',
  finished,
  redis.call('ZRANGEBYSCORE', step_key .. ':runs', first, last),
  values('attempts'),
  values('outputs'),
  values('failures'),
}
