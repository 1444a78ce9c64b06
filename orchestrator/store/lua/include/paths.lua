-- Who wrote which output, while the job is not over: for each path a hash of 11 characters, with
-- 'step:task' of the last to write it, one for each step that did. They lie in hashes of a few hundred
-- fields, `paths:<n>`, which Redis keeps as compact lists: how many there are is settled by the job's
-- tasks when the first output is accepted.
local base64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
local path_hash_length = 11
local paths_per_hash = 256

local path_bits
local function paths_key(hash)
  if not path_bits then
    path_bits = tonumber(redis.call('HGET', job_key, 'path_bits'))
  end
  if not path_bits then
    local tasks = 0
    for _, n in ipairs(redis.call('HMGET', job_key, 'waiting', 'running', 'succeeded', 'failed', 'canceled')) do
      tasks = tasks + (tonumber(n) or 0)
    end
    path_bits = 0
    while path_bits < 12 and tasks > paths_per_hash * 2 ^ path_bits do path_bits = path_bits + 1 end
    redis.call('HSET', job_key, 'path_bits', path_bits)
  end
  local high = string.find(base64, string.sub(hash, 1, 1), 1, true) - 1
  local low = string.find(base64, string.sub(hash, 2, 2), 1, true) - 1
  return prefix .. 'paths:' .. (high * 64 + low) % 2 ^ path_bits
end

-- Hashes stand one behind the other.
local function each_path(paths)
  local at = 1 - path_hash_length
  return function()
    at = at + path_hash_length
    if at <= #paths then return (at - 1) / path_hash_length, string.sub(paths, at, at + path_hash_length - 1) end
  end
end

-- Whether a step depends on another, directly or not.
local function depends_on(step, other, seen)
  seen = seen or {}
  if seen[step] then return false end
  seen[step] = true
  for of in string.gmatch(redis.call('HGET', step_of(step), 'deps') or '', '%d+') do
    if of == other or depends_on(of, other, seen) then return true end
  end
  return false
end

-- The step and task that wrote a path which this one may not write; nil: it may. What depends on a step
-- may write over its outputs: the later copy is what steps behind both find.
local function other_writer(step, task, hash)
  for of, by in string.gmatch(redis.call('HGET', paths_key(hash), hash) or '', '(%d+):(%d+)') do
    local is_other = of == step and by ~= task
    if of ~= step then is_other = not (depends_on(step, of) or depends_on(of, step)) end
    if is_other then return of, by end
  end
  return nil
end

local function claim_paths(step, task, paths)
  for _, hash in each_path(paths) do
    local key = paths_key(hash)
    local owners = { step .. ':' .. task }
    for of, by in string.gmatch(redis.call('HGET', key, hash) or '', '(%d+):(%d+)') do
      if of ~= step then owners[#owners + 1] = of .. ':' .. by end
    end
    redis.call('HSET', key, hash, table.concat(owners, ' '))
  end
end
