-- Pauses a session or its new chats, or ends such a pause. ARGV after the head: the session, until when
-- (0 for an end), why, and '1' where it is about new chats. Answers the partition's state.

load({ ARGV[2] })
local s = sessions[ARGV[2]]
local until_then = tonumber(ARGV[3])
if until_then == 0 and s.is_new then
  return close(INFINITY)
end
if ARGV[5] == '1' then
  s.chats_pause, s.chats_why = until_then, tonumber(ARGV[4])
else
  s.pause, s.why = until_then, tonumber(ARGV[4])
end
touch(s)
return close(settle())
