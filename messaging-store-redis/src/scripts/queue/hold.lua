-- Pauses a session, or ends its pause. ARGV after the head: the session, until when (0 for an end),
-- and why. Answers the partition's state.

load({ ARGV[2] })
local s = sessions[ARGV[2]]
local until_then = tonumber(ARGV[3])
if until_then == 0 and s.is_new then
  return close(INFINITY)
end
s.pause, s.why = until_then, tonumber(ARGV[4])
touch(s)
return close(settle())
