-- Pauses a session, or ends its pause. ARGV: the command that publishes, the session, until when (0
-- for an end), and why.

load({ ARGV[2] })
local s = sessions[ARGV[2]]
local until_then = tonumber(ARGV[3])
if until_then == 0 and s.is_new then
  return ''
end
s.pause, s.why = until_then, tonumber(ARGV[4])
touch(s)
return tell(ARGV[1], settle())
