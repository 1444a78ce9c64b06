-- Appends a studio's events to its stream and tells every replica, in one step, so that the order on
-- the channel is the order of the stream.
-- The message: the studio, then one line '<id> <event as JSON>' for each event.
-- Returns the number of events. Cost O(events).
-- KEYS stream_key
-- ARGV channel studio events_max events*
local lines = {studio}
for i = 1, #events do
  local id = redis.call('XADD', stream_key, 'MAXLEN', '~', events_max, '*', 'e', events[i])
  lines[i + 1] = id .. ' ' .. events[i]
end
redis.call('PUBLISH', channel, table.concat(lines, '\n'))
return #events
